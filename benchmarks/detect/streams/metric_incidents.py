"""One incident of a known kind put into a series: seven kinds, and where each is."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from statistics import fmean, pstdev

from benchmarks.detect.streams.generators import Made

Place = tuple[int, int]  # first point, and the one after the last
_RAMP, _GAP = 600, 50  # points
Change = Callable[[list[float], int, int, float, Random], Place]


def _spike(values: list[float], first: int, last: int, spread: float, draw: Random) -> Place:
    values[first] += 6 * spread
    return first, first + 1


def _level(values: list[float], first: int, last: int, spread: float, draw: Random) -> Place:
    values[first:last] = [value + 4 * spread for value in values[first:last]]
    return first, last


def _ramp(values: list[float], first: int, last: int, spread: float, draw: Random) -> Place:
    last = min(len(values), first + _RAMP)
    for at in range(first, last):
        values[at] += 5 * spread * (at - first) / (last - first)
    return first, last


def _stuck(values: list[float], first: int, last: int, spread: float, draw: Random) -> Place:
    values[first:last] = [values[first]] * (last - first)
    return first, last


def _context(values: list[float], first: int, last: int, spread: float, draw: Random) -> Place:
    half_a_day = len(values) // 28  # of fourteen
    last = min(last, len(values) - half_a_day)
    values[first:last] = values[first + half_a_day : last + half_a_day]
    return first, last


def _variance(values: list[float], first: int, last: int, spread: float, draw: Random) -> Place:
    values[first:last] = [value + draw.gauss(0, 3 * spread) for value in values[first:last]]
    return first, last


CHANGES: dict[str, Change] = {
    "spike": _spike,
    "level": _level,
    "ramp": _ramp,
    "stuck": _stuck,
    "context": _context,
    "variance": _variance,
}
INCIDENTS = (*CHANGES, "missing")


def with_incident(kind: str, series: Made, seed: int) -> tuple[Made, Place]:
    """The series with the incident somewhere behind its first 60 %; the rest stays as it was."""
    draw = Random(f"{kind} {seed}")
    count = len(series.values)
    first = int(count * 0.6) + draw.randrange(max(1, count // 10))
    last = min(count, first + draw.randrange(36, 145))
    if kind == "missing":
        kept = [at for at in range(count) if not first <= at < first + _GAP]
        times, values = [series.times[at] for at in kept], [series.values[at] for at in kept]
        return Made(series.kind, times, values), (first, first + 1)
    values = list(series.values)
    spread = pstdev(values, fmean(values)) or 1.0
    place = CHANGES[kind](values, first, last, spread, draw)
    return Made(series.kind, series.times, [float(f"{value:.6g}") for value in values]), place
