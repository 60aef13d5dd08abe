"""The scorer of each kind of stream."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from ..acknowledged import Acknowledged
from ..events import Event
from ..lines.scorer import LineScorer, PromptScorer
from ..metrics.scorer import MetricScorer
from ..parameters import Parameters
from .own_past import Past
from .sessions import Sessions
from .text_memory import FINE, MEMORY_SIZE, News
from .views import Candidate, Method, Scorer

Kind = Literal["logs", "metrics", "traces", "llm"]


class SessionScorer:
    """Traces: the steps of each session (`sessions`), each ranked among the sessions before it."""

    weights: Mapping[str, float] = {"session": 1.0}
    method: Method = "conformal"

    def __init__(self, parameters: Parameters) -> None:
        self._sessions = Sessions()
        self._position = 0
        self._start = parameters.baseline_size + parameters.window_size
        self._past = Past(1, MEMORY_SIZE)
        self._past.begin(parameters.baseline_size)

    def text(self, event: Event) -> str:
        """Return the steps as words."""
        return " ".join("_".join(step.split()) for step in event.steps)

    def take(self, event: Event, learn: bool) -> Sequence[Candidate]:
        """Return how odd a session is, then learn it."""
        self._position += 1
        news = self._sessions.take(event.steps, event.number, learn)
        p_value = self._past.p_value(self._position, news.weight / FINE)
        if learn:
            self._past.see(self._position, news.weight / FINE)
        if self._position <= self._start or p_value >= 0.5:
            return ()
        return (_candidate("session", event.session, news, p_value, news.weight / FINE, event.number),)

    def train(self, events: Iterable[Event]) -> None:
        """Learn the sessions of a baseline."""
        for event in events:
            self.take(event, True)

    def knows(self, event: Event) -> bool:
        """Return whether a step of the session came before."""
        return any(map(self._sessions.knows, event.steps))

    def leave_out(self, acknowledged: Acknowledged) -> None:
        """Forget the sessions of these events."""
        self._sessions.leave_out(acknowledged)
        for first, last in acknowledged.spans():
            self._past.leave_out(first, last)

    def state(self) -> Any:
        """Return what it knows as plain JSON values, for `restore`."""
        return [self._position, self._sessions.sessions(), self._past.state()]

    def restore(self, state: Any) -> None:
        """Restore what `state` returned."""
        self._position, sessions, past = state
        self._sessions.learn_all(sessions)
        self._past.restore(past)


def _candidate(view: str, thing: str, news: News, p_value: float, bits: float, number: int) -> Candidate:
    return Candidate(view, thing, p_value, news.share, bits, (number,), number, news.why)


SCORERS: dict[Kind, Callable[[Parameters], Scorer]] = {
    "logs": LineScorer,
    "metrics": MetricScorer,
    "traces": SessionScorer,
    "llm": PromptScorer,
}
