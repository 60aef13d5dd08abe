"""The scorer of metrics: a model for each series of the stream, and one budget of alarms a day for all.

An alarm budget: p is the chance that a day of the stream without an incident shows as much as this, in any
series and by any statistic, so `p_value_threshold` .05 allows one false alarm in twenty days. A day counts
as 1,440 points at most (1,000 where there are no times): for more a memory of 7,200 points can't vouch.

The thirteen tails of a series rise together, and an incident is one alarm however many blocks it fills: they
count as two and a half independent tests, with which as many clean days alarm as p says
(docs/detection-metrics.md).
The series of one stream move together as well, and n of them count as √n.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from math import isfinite, sqrt
from typing import Any

from ..acknowledged import Acknowledged
from ..events import Event
from ..parameters import Parameters
from ..scoring.views import Candidate, Method
from .series import Series
from .statistics import Departure
from .wording import Point, Sentence, quoted, shown_by

MOST_SERIES = 2_000
_TESTS = 2.5
_LINES = 50  # events of a series that are kept
_TOGETHER = 60  # rows after an alarm in which another one is of the same incident
_WORSE = 1e-3  # of the p of an incident: what is so much rarer is reported in any case
_LOOK = 64  # events between two looks for series that have fallen silent
VIEWS = ("level", "season", "change", "variance", "stuck", "gap")
_VIEW_OF = {
    "point": "level", "short": "level", "long": "level", "drift": "level", "change": "change",
    "noise": "variance", "stuck": "stuck", "gap": "gap",
}  # fmt: skip
_SHARE = 1 / len(VIEWS)


@dataclass(slots=True)
class _Incident:
    """The row of its latest alarm, of the latest one that was reported, its least p, and its series."""

    latest: int
    reported: int
    p_value: float
    series: list[str]


class MetricScorer:
    """The series of one stream, by name. `period` is the season in seconds (in points without times) where it
    is known."""

    weights: Mapping[str, float] = dict.fromkeys(VIEWS, _SHARE)
    method: Method = "tail"

    def __init__(self, parameters: Parameters, period: float | None = None) -> None:
        self._limit, self._period = parameters.p_value_threshold, period
        self._series: dict[str, Series] = {}
        self._silent: set[str] = set()
        self._latest: dict[str, deque[Point]] = {}
        self._incidents: dict[str, _Incident] = {}
        self._apart = parameters.window_size
        self._is_timed: bool | None = None
        self._moment = 0.0
        self._events = 0

    def take(self, event: Event, learn: bool = True) -> Sequence[Candidate]:
        """Return what departs at an event, for each of its values, then learn it unless `learn` is false."""
        moment = self._moment_of(event)
        self._events += 1
        found: list[Candidate] = []
        for name, value in event.values:
            if isfinite(value):
                series = self._series.get(name) or self._new(name)
                if series is not None:
                    before = series.moment
                    departures = series.take(event.number, moment, value, learn)
                    self._latest[name].append((event.number, value, series.rest, event.text))
                    for departure in departures:
                        found += self._candidate(name, series, departure, before)
        if len(event.values) > 1 and found:
            found = _one_gap(found, event)
        if self._events % _LOOK == 0:
            found += self._look(event, moment)
        return self._news(event, found) if found else ()

    def train(self, events: Iterable[Event]) -> None:
        """Learn the events of a baseline (`Scorer.train`)."""
        for event in events:
            self.take(event, True)
        for name, series in self._series.items():
            series.end_source()
            self._latest[name].clear()
        self._incidents.clear()
        self._silent.clear()

    def knows(self, event: Event) -> bool:
        """Return whether one of its series came before."""
        return any(name in self._series for name, _ in event.values)

    def _news(self, event: Event, found: list[Candidate]) -> Sequence[Candidate]:
        """The candidates without what continues an incident after a pause: one alarm for each incident.

        The columns of a row share their incidents, and a column that joins one later is an alarm of its own;
        in long form each series has its own incidents.
        """
        group = "" if len(event.values) > 1 else event.values[0][0] if event.values else ""
        count = self._events if not group else self._series[group].count
        p_value = min(one.p_value for one in found)
        former = self._incidents.get(group)
        names = list(dict.fromkeys(one.thing for one in found))
        if former is None or count - former.latest > _TOGETHER or p_value < _WORSE * former.p_value:
            self._incidents[group] = _Incident(count, count, p_value, names)
            return found
        former.latest = count
        if not set(names) <= set(former.series):
            former.reported, former.series = count, list(dict.fromkeys([*former.series, *names]))
            return found
        if count - former.reported > self._apart:
            return ()
        former.reported, former.p_value = count, min(former.p_value, p_value)
        return found

    def text(self, event: Event) -> str:
        """Return the values as a text of few symbols: each by how far from its level it is."""
        return " ".join(f"{name}={self._symbol(name, value)}" for name, value in event.values)

    def leave_out(self, acknowledged: Acknowledged) -> None:
        """Forget the blocks that hold events which analysts acknowledged."""
        for series in self._series.values():
            series.leave_out(acknowledged)

    def state(self) -> Any:
        """Return all it knows as plain JSON values, for `restore`."""
        return {
            "series": {name: series.state() for name, series in self._series.items()},
            "latest": {name: [point[:3] for point in one] for name, one in self._latest.items()},
            "texts": {str(number): text for one in self._latest.values() for number, _, _, text in one},
            "silent": sorted(self._silent),
            "incidents": {name: astuple(one) for name, one in self._incidents.items()},
            "is_timed": self._is_timed,
            "moment": self._moment,
            "events": self._events,
        }

    def restore(self, state: Any) -> None:
        """Restore what `state` returned. Raises ValueError, TypeError or KeyError for other values."""
        self._series = {name: Series.restored(one) for name, one in state["series"].items()}
        texts = state["texts"]
        self._latest = {
            name: deque(((number, value, rest, texts[str(number)]) for number, value, rest in one), _LINES)
            for name, one in state["latest"].items()
        }
        self._silent = set(state["silent"])
        self._incidents = {name: _Incident(*one) for name, one in state["incidents"].items()}
        self._is_timed, self._moment, self._events = state["is_timed"], state["moment"], state["events"]
        self._spread()

    def _moment_of(self, event: Event) -> float:
        """Seconds of the event's time; of one without a time those of the one before it.

        Without any times the events are counted."""
        if self._is_timed is None:
            self._is_timed = event.timestamp is not None
        if not self._is_timed:
            return float(event.number)
        if event.timestamp is not None:
            self._moment = event.timestamp.timestamp()
        return self._moment

    def _new(self, name: str) -> Series | None:
        if len(self._series) >= MOST_SERIES:
            return None
        series = self._series[name] = Series(self._limit, 1.0, bool(self._is_timed), self._period)
        self._latest[name] = deque(maxlen=_LINES)
        self._spread()
        return series

    def _spread(self) -> None:
        """Share the budget among the series."""
        tests = _TESTS * sqrt(len(self._series))
        for series in self._series.values():
            series.statistics.tests, series.statistics.limit = tests, self._limit

    def _candidate(
        self, name: str, series: Series, departure: Departure, before: float | None
    ) -> list[Candidate]:
        shown = shown_by(self._latest[name], departure)
        number, value, _, text = quoted(shown, departure)
        is_older = number != self._latest[name][-1][0]
        sentence = Sentence(name, series, value, text, bool(self._is_timed))
        if departure.statistic == "gap":
            if name in self._silent:
                self._silent.discard(name)
                return []
            said = sentence.silent((series.moment or 0.0) - (before or 0.0), now=False)
        else:
            said = sentence.of(departure, is_older)
        return [_made(name, series, departure, tuple(point[0] for point in shown), number, said)]

    def _look(self, event: Event, moment: float) -> list[Candidate]:
        """Series that have fallen silent while others continue: each gap is reported once."""
        found = []
        for name, series in self._series.items():
            departure = None if name in self._silent else series.silence(moment)
            if departure:
                self._silent.add(name)
                sentence = Sentence(name, series, series.last or 0.0, event.text, bool(self._is_timed))
                said = sentence.silent(moment - (series.moment or 0.0), now=True)
                found.append(_made(name, series, departure, (event.number,), event.number, said))
        return found

    def _symbol(self, name: str, value: float) -> str:
        series = self._series.get(name)
        if series is None or not series.scale or not isfinite(value):
            return "none"
        return f"s{max(-9, min(9, round((value - series.level) / series.scale)))}"


def _one_gap(found: list[Candidate], event: Event) -> list[Candidate]:
    """The candidates of a row; a gap that each column of it has is stated once, of no column."""
    gaps = [one for one in found if one.view == "gap"]
    if len(gaps) < len(event.values):
        return found
    first = min(gaps, key=lambda one: one.p_value)
    name = event.values[gaps.index(first)][0]
    said = first.said.removeprefix(f"{name}: ")
    whole = first._replace(said=said[:1].upper() + said[1:])
    return [whole, *(one for one in found if one.view != "gap")]


def _made(
    name: str, series: Series, departure: Departure, lines: tuple[int, ...], odd: int, said: str
) -> Candidate:
    view = _VIEW_OF[departure.statistic]
    if view == "level" and series.is_seasonal and departure.statistic != "drift":
        view = "season"
    novelty = max(0.0, 1 - departure.usual_bits / departure.bits) if departure.bits else 0.0
    beyond = max(0.0, departure.bits - departure.usual_bits)
    p_value = min(1.0, departure.p * _SHARE)
    return Candidate(view, name, p_value, novelty, beyond, lines, odd, said)
