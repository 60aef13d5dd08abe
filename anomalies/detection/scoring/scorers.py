"""One coder for each kind of stream: it scores each event once, when it comes, and then learns it."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from ..acknowledged import Acknowledged
from ..events import Event
from ..metrics.scorer import MetricScorer
from ..parameters import Parameters
from ..significance import HISTORY_SIZE, Weights
from .field_values import FieldValues
from .masking import normalise
from .sessions import Sessions
from .text_memory import FINE, MOST_COUNTS, Memory, News

Kind = Literal["logs", "metrics", "traces", "llm"]

_LONG = 8_192  # tokens of a text


class Coder(Protocol):
    """What a detector asks of the coder of its stream's kind. The same events, the same answers.

    `history` is how many past windows the next one is ranked among.
    """

    history: int

    def normal(self, event: Event) -> str:
        """Return the event as a line of text without what varies: what compression and the reader see."""

    def take(self, event: Event, normal: str, learn: bool) -> News:
        """Return how new an event is to its stream, then learn it, unless told not to."""

    def leave_out(self, numbers: Acknowledged) -> None:
        """Forget the events of these numbers."""

    def weigh(self, window: Sequence[News]) -> Weights:
        """Return what a window of these is ranked by."""

    def state(self) -> Any:
        """Return what it knows as plain JSON values, for `restore`."""

    def restore(self, state: Any) -> None:
        """Know what another coder knew."""


class TextCoder:
    """Logs: the tokens of a message (`token_model`, `text_memory`), and the fields beside it by path.

    An event weighs what its message weighs, or its oddest field where that weighs more.
    """

    history = HISTORY_SIZE

    def __init__(self, parameters: Parameters) -> None:
        self._memory = Memory(parameters.baseline_size)
        self._fields = FieldValues()

    def normal(self, event: Event) -> str:
        return normalise(event.scored)

    def take(self, event: Event, normal: str, learn: bool) -> News:
        news = self._memory.take(normal, event.number, learn)
        field = self._fields.take(event.fields, event.number, learn) if event.fields else None
        return field if field and field.weight > news.weight else news

    def leave_out(self, numbers: Acknowledged) -> None:
        self._memory.leave_out(numbers)
        self._fields.leave_out(numbers)

    def weigh(self, window: Sequence[News]) -> Weights:
        return _sum_and_peak(window)

    def state(self) -> Any:
        return [self._memory.lines(), self._fields.held()]

    def restore(self, state: Any) -> None:
        lines, fields = state
        self._memory.learn_all((number, text) for number, text in lines)
        self._fields.learn_all(fields)


class LongTextCoder(TextCoder):
    """LLM traffic: texts of thousands of words, of which fewer are remembered."""

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters)
        self._memory = Memory(parameters.baseline_size, most_counts=4 * MOST_COUNTS, most_tokens=_LONG)


class SessionCoder:
    """Traces: the steps of each session (`sessions`)."""

    history = HISTORY_SIZE

    def __init__(self, parameters: Parameters) -> None:
        self._sessions = Sessions()

    def normal(self, event: Event) -> str:
        return " ".join("_".join(step.split()) for step in event.steps)

    def take(self, event: Event, normal: str, learn: bool) -> News:
        return self._sessions.take(event.steps, event.number, learn)

    def leave_out(self, numbers: Acknowledged) -> None:
        self._sessions.leave_out(numbers)

    def weigh(self, window: Sequence[News]) -> Weights:
        return _sum_and_peak(window)

    def state(self) -> Any:
        return self._sessions.sessions()

    def restore(self, state: Any) -> None:
        self._sessions.learn_all(state)


class MetricCoder:
    """Metrics: what departs in any series (`metrics.scorer`)."""

    history = HISTORY_SIZE

    def __init__(self, parameters: Parameters) -> None:
        self._scorer = MetricScorer(parameters)

    def normal(self, event: Event) -> str:
        return self._scorer.text(event)

    def take(self, event: Event, normal: str, learn: bool) -> News:
        found = min(self._scorer.take(event, learn), key=lambda one: one.p_value, default=None)
        if found is None:
            return News(0.0, 0.0, 0, 0)
        p_value = min(1.0, found.p_value / self._scorer.weights[found.view])
        return News(found.novelty, found.bits, round(found.bits * FINE), 0, found.said, found.odd, p_value)

    def leave_out(self, acknowledged: Acknowledged) -> None:
        self._scorer.leave_out(acknowledged)

    def weigh(self, window: Sequence[News]) -> Weights:
        return _sum_and_peak(window)

    def state(self) -> Any:
        return self._scorer.state()

    def restore(self, state: Any) -> None:
        self._scorer.restore(state)


CODERS: dict[Kind, Callable[[Parameters], Coder]] = {
    "logs": TextCoder,
    "metrics": MetricCoder,
    "traces": SessionCoder,
    "llm": LongTextCoder,
}


def _sum_and_peak(window: Sequence[News]) -> Weights:
    weights = [news.weight for news in window]
    return Weights(sum(weights), max(weights))
