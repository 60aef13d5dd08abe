"""One coder for each kind of stream: it scores each event once, when it comes, and then learns it."""

from collections.abc import Callable, Container
from typing import Any, Literal, Protocol

from .events import Event
from .memory import Memory, News
from .normalising import normalise
from .parameters import Parameters
from .significance import Weights

Kind = Literal["logs", "metrics", "traces", "llm"]


class Coder(Protocol):
    """What a detector asks of the coder of its stream's kind. The same events, the same answers."""

    def normal(self, event: Event) -> str:
        """Return the event as a line of text without what varies: what compression and the reader see."""

    def take(self, event: Event, normal: str, learn: bool) -> News:
        """Return how new an event is to its stream, then learn it, unless told not to."""

    def leave_out(self, numbers: Container[int]) -> None:
        """Forget the events of these numbers."""

    def weigh(self, window: list[News]) -> Weights:
        """Return what a window of these is ranked by."""

    def state(self) -> Any:
        """Return what it knows as plain JSON values, for `restore`."""

    def restore(self, state: Any) -> None:
        """Know what another coder knew."""


class TextCoder:
    """Logs and LLM traffic: the tokens of a line, `surprise` and `memory`."""

    def __init__(self, parameters: Parameters) -> None:
        self._memory = Memory(parameters.baseline_size)

    def normal(self, event: Event) -> str:
        return normalise(event.coded or event.text)

    def take(self, event: Event, normal: str, learn: bool) -> News:
        return self._memory.take(normal, event.number, learn)

    def leave_out(self, numbers: Container[int]) -> None:
        self._memory.leave_out(numbers)

    def weigh(self, window: list[News]) -> Weights:
        weights = [news.weight for news in window]
        return Weights(sum(weights), max(weights))

    def state(self) -> Any:
        return self._memory.lines()

    def restore(self, state: Any) -> None:
        self._memory.learn_all((number, text) for number, text in state)


CODERS: dict[Kind, Callable[[Parameters], Coder]] = {"logs": TextCoder, "llm": TextCoder}
