"""The numbers of a metric before and during an anomaly, for the chart of its card.

The band is what was usual: the middle 90 % of the values before. An event is odd where the detector marked
it; where it marked none, one that lies beyond every value before is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime

from anomalies.detection.metrics.wording import plain

from ..evidence_events import Event

MOST_SERIES = 3
LEAST_POINTS = 3  # fewer are read faster in the evidence
_TAIL = 0.05  # of the values before, left out of the band at each end


@dataclass(frozen=True, slots=True)
class Point:
    """A value of the series; ``x`` is its time in seconds, or its place where some point has no time."""

    x: float
    value: float
    is_odd: bool


@dataclass(frozen=True, slots=True)
class Series:
    """One series: its points ``before`` and in the ``window``, the usual band, and its times as seconds.

    ``low`` and ``high`` are None where nothing is known of before.
    """

    name: str
    before: tuple[Point, ...]
    window: tuple[Point, ...]
    low: float | None
    high: float | None
    is_timed: bool

    @property
    def points(self) -> tuple[Point, ...]:
        """All points in their order."""
        return self.before + self.window

    @property
    def odd(self) -> tuple[Point, ...]:
        """The odd points."""
        return tuple(point for point in self.window if point.is_odd)


def series_of(baseline: Sequence[Event], window: Sequence[Event]) -> tuple[Series, ...]:
    """Return at most MOST_SERIES series that have values in the window, in the order of their first value."""
    names = dict.fromkeys(name for event in window for name, _ in event.numbers)
    made = (_series(name, _values(baseline, name), _values(window, name)) for name in [*names][:MOST_SERIES])
    return tuple(one for one in made if len(one.points) >= LEAST_POINTS)


def figure(value: float) -> str:
    """Return a value with six digits at most, written as in the detector's sentences."""
    return plain(float(f"{value:.6g}"))


def _values(events: Sequence[Event], name: str) -> list[tuple[Event, float]]:
    return [(event, value) for event in events for found, value in event.numbers if found == name]


def _series(name: str, before: list[tuple[Event, float]], window: list[tuple[Event, float]]) -> Series:
    usual = sorted(value for _, value in before)
    is_marked = any(event.odd for event, _ in window)
    places, is_timed = _places([event for event, _ in [*before, *window]])

    def is_odd(event: Event, value: float) -> bool:
        return event.odd if is_marked else bool(usual) and not usual[0] <= value <= usual[-1]

    # Two lists of evidence can overlap in time where clocks do; each is drawn as it was written.
    early = [Point(x, value, False) for x, (_, value) in zip(places, before, strict=False)]
    late = [Point(x, v, is_odd(e, v)) for x, (e, v) in zip(places[len(before) :], window, strict=True)]
    low, high = (_quantile(usual, _TAIL), _quantile(usual, 1 - _TAIL)) if usual else (None, None)
    return Series(name, tuple(early), tuple(late), low, high, is_timed)


def _places(events: Sequence[Event]) -> tuple[list[float], bool]:
    """The events' times in seconds if all have one and they never run backwards, else 0, 1, 2 and so on."""
    times = [_seconds(event.at) for event in events]
    known = [time for time in times if time is not None]
    if len(known) == len(events) and known == sorted(known) and known and known[0] < known[-1]:
        return known, True
    return [float(place) for place in range(len(events))], False


def _seconds(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not MINYEAR < moment.year < MAXYEAR:  # in some zone it would be another year
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, max(0, round(share * (len(ordered) - 1))))]
