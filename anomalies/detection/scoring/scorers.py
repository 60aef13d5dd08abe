"""The scorer of each kind of stream."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from ..acknowledged import Acknowledged
from ..events import Event
from ..lines.scorer import LineScorer, PromptScorer
from ..parameters import Parameters
from .metric_series import Metrics
from .own_past import Past
from .sessions import Sessions
from .text_memory import FINE, MEMORY_SIZE, News
from .views import Candidate, Scorer

Kind = Literal["logs", "metrics", "traces", "llm"]


class SessionScorer:
    """Traces: the steps of each session (`sessions`), each ranked among the sessions before it."""

    weights: Mapping[str, float] = {"session": 1.0}

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

    def leave_out(self, acknowledged: Acknowledged) -> None:
        """Forget the sessions of these events."""
        self._sessions.leave_out(acknowledged)
        for first, last in acknowledged.spans():
            self._past.leave_out(first, last)

    def state(self) -> Any:
        """Return what it knows as plain JSON values, for `restore`."""
        return [self._position, self._sessions.sessions(), self._past.state()]

    def restore(self, state: Any) -> None:
        """Know what another one knew."""
        self._position, sessions, past = state
        self._sessions.learn_all(sessions)
        self._past.restore(past)


class MetricScorer:
    """Metrics: the levels and changes of each value (`metric_series`), sharp ones and lasting ones."""

    weights: Mapping[str, float] = {"spike": 0.5, "lasting": 0.5}

    def __init__(self, parameters: Parameters) -> None:
        self._metrics = Metrics()
        self._position = 0
        self._start = parameters.baseline_size + parameters.window_size
        self._pasts = {view: Past(1, MEMORY_SIZE) for view in self.weights}
        for past in self._pasts.values():
            past.begin(parameters.baseline_size)

    def text(self, event: Event) -> str:
        """Return the values as a text of few symbols."""
        return self._metrics.text(event.values)

    def take(self, event: Event, learn: bool) -> Sequence[Candidate]:
        """Return what is odd among an event's values, then learn them."""
        self._position += 1
        news = self._metrics.take(event.values, event.number, learn)
        odd = news.where or event.number  # the weight is a mean over points before it too
        found = []
        for view, weight in (("spike", news.weight), ("lasting", news.lasting)):
            past = self._pasts[view]
            p_value = past.p_value(self._position, weight / FINE)
            if learn:
                past.see(self._position, weight / FINE)
            if self._position > self._start and p_value < 0.25:
                found.append(_candidate(view, "series", news, p_value, weight / FINE, odd))
        return found

    def leave_out(self, acknowledged: Acknowledged) -> None:
        """Forget the events that analysts acknowledged."""
        self._metrics.leave_out(acknowledged)
        for first, last in acknowledged.spans():
            for past in self._pasts.values():
                past.leave_out(first, last)

    def state(self) -> Any:
        """Return what it knows as plain JSON values, for `restore`."""
        return [
            self._position,
            self._metrics.state(),
            {view: past.state() for view, past in self._pasts.items()},
        ]

    def restore(self, state: Any) -> None:
        """Know what another one knew."""
        self._position, metrics, pasts = state
        self._metrics.restore(metrics)
        for view, past in self._pasts.items():
            past.restore(pasts[view])


def _candidate(view: str, thing: str, news: News, p_value: float, bits: float, number: int) -> Candidate:
    return Candidate(view, thing, p_value, news.share, bits, (number,), number, news.why)


SCORERS: dict[Kind, Callable[[Parameters], Scorer]] = {
    "logs": LineScorer,
    "metrics": MetricScorer,
    "traces": SessionScorer,
    "llm": PromptScorer,
}
