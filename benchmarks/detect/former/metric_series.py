"""The former engine, frozen. The surprise of a value: its level and its change, in bits, each ranked.

A code length needs no unit and no distribution: the bits of a value are those of its two-sided conformal rank
among the last two thousand, and beyond all of them how far beyond, in terms of the range in between. What is
short and sharp shows in the mean of 5 points, what is small and lasts in the mean of 60 (docs/detection.md).
"""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Container, Iterable
from dataclasses import dataclass
from itertools import islice
from math import inf, isfinite, log2
from sys import float_info
from typing import Any

FINE = 1_000_000  # parts of a bit


@dataclass(frozen=True, slots=True)
class News:
    """The surprise of an event: share of weight beyond the usual, bits, weight, events, lasting part, why."""

    share: float
    rate: float
    weight: int
    events: int
    lasting: int = 0
    why: str = ""


MEMORY = 2_000  # values of a series
SHORT, LONG = 5, 60  # points
_ENOUGH = 20  # values, before which nothing can be called odd
_BEYOND = 4  # how much a distance beyond all values counts, in ranges from the 10th to the 90th percentile
_MOST_SERIES = 200
_LARGEST = float_info.max


class Values:
    """The last values of one kind, in order, with the numbers of their events."""

    def __init__(self, size: int = MEMORY) -> None:
        self._size = size
        self._held: deque[tuple[int, float]] = deque()
        self._sorted: list[float] = []

    def __len__(self) -> int:
        return len(self._sorted)

    def bits(self, value: float) -> float:
        """Return what a finite value costs: 0 for one in the middle, and while there are fewer than 20."""
        count = len(self._sorted)
        if count < _ENOUGH:
            return 0.0
        as_low, as_high = bisect_right(self._sorted, value), count - bisect_left(self._sorted, value)
        rank = min(as_low, as_high)
        bits = -log2(min(1.0, 2 * (1 + rank) / (count + 1)))
        return bits if rank else bits + log2(1 + self._beyond(value))

    def usual(self) -> tuple[float, float]:
        """Return the range that nine in ten lie in."""
        count = len(self._sorted)
        return self._sorted[count // 20], self._sorted[count - 1 - count // 20]

    def decile(self, value: float) -> int:
        """Return which tenth of what was seen a value falls in, 0 to 9."""
        return min(9, 10 * bisect_left(self._sorted, value) // max(1, len(self._sorted)))

    def add(self, number: int, value: float) -> None:
        """Take a finite value in under its event's number, and forget the oldest beyond the size."""
        self._held.append((number, value))
        insort(self._sorted, value)
        if len(self._held) > self._size:
            _, oldest = self._held.popleft()
            del self._sorted[bisect_left(self._sorted, oldest)]

    def held(self) -> list[tuple[int, float]]:
        """Return what it holds, oldest first."""
        return list(self._held)

    def hold(self, values: Iterable[tuple[int, float]]) -> None:
        """Hold these and nothing else."""
        self._held = deque((number, value) for number, value in values)
        self._sorted = sorted(value for _, value in self._held)

    def _beyond(self, value: float) -> float:
        least, most = self._sorted[0], self._sorted[-1]
        low, high = self._sorted[len(self) // 10], self._sorted[-1 - len(self) // 10]
        span = _bounded(high - low) or _bounded(most - least) or abs(low) or 1.0
        return min(_LARGEST, _BEYOND * _bounded(max(value - most, least - value)) / span)


@dataclass(frozen=True, slots=True)
class Taken:
    """The surprise of a value, in millionths of a bit: the mean of 5 points and of 60, the point alone, and
    what is usual; `why` says what the oddest of the 5 lies in."""

    short: int
    lasting: int
    weight: int
    usual: int
    why: str


class Series:
    """One value of a metric over time. NaN and the infinities are kept apart from numbers, and counted."""

    def __init__(self) -> None:
        self.levels, self.changes = Values(), Values()
        self._odd: Values = Values()  # 1 for what was no number, 0 for the others
        self._last: float | None = None
        self._weights: deque[int] = deque()
        self._sum = 0
        self._whys: deque[tuple[int, str]] = deque(maxlen=SHORT)

    def take(self, number: int, value: float, learn: bool) -> "Taken":
        """Return how odd a value is, then learn it."""
        change = _bounded(value - self._last) if isfinite(value) and self._last is not None else None
        bits, why = self._bits(value, change)
        usual = self._usual()
        weight = round(bits * FINE)
        self._weigh(weight)
        self._whys.append((weight, why))
        latest = list(islice(reversed(self._weights), LONG))
        short, lasting = sum(latest[:SHORT]) // SHORT, sum(latest) // LONG
        if learn:
            self._learn(number, value, change)
        if isfinite(value):
            self._last = value
        return Taken(short, lasting, weight, usual, max(self._whys)[1])

    def _usual(self) -> int:
        """Return the average cost of a point, at most that of a series drawn at random."""
        return min(_RANDOM, self._sum // max(1, len(self._weights)))

    def _weigh(self, weight: int) -> None:
        self._weights.append(weight)
        self._sum += weight
        if len(self._weights) > MEMORY:
            self._sum -= self._weights.popleft()

    def leave_out(self, numbers: Container[int]) -> None:
        """Forget the values of these events."""
        for values in (self.levels, self.changes, self._odd):
            values.hold([one for one in values.held() if one[0] not in numbers])

    def state(self) -> list[Any]:
        """Return what it knows as plain JSON values, for `restore`."""
        held = [values.held() for values in (self.levels, self.changes, self._odd)]
        return [*held, self._last, list(self._weights), list(self._whys)]

    def restore(self, state: list[Any]) -> None:
        """Know what another one knew."""
        levels, changes, odd, self._last, weights, whys = state
        for values, held in ((self.levels, levels), (self.changes, changes), (self._odd, odd)):
            values.hold(held)
        self._weights.extend(weights)
        self._sum = sum(weights)
        self._whys.extend((weight, why) for weight, why in whys)

    def _bits(self, value: float, change: float | None) -> tuple[float, str]:
        if not isfinite(value):
            return self._odd.bits(1.0), "is no number"
        level = self.levels.bits(value)
        step = self.changes.bits(change) if change is not None else 0.0
        if step > level and change is not None:
            return level + step, f"changed by {change:+.4g}, usually {_range(self.changes)}"
        return level + step, f"is {value:.6g}, usually {_range(self.levels)}"

    def _learn(self, number: int, value: float, change: float | None) -> None:
        self._odd.add(number, 0.0 if isfinite(value) else 1.0)
        if isfinite(value):
            self.levels.add(number, value)
        if change is not None:
            self.changes.add(number, change)


class Metrics:
    """The series of one stream, by name. An event weighs what its oddest value weighs."""

    def __init__(self) -> None:
        self._series: dict[str, Series] = {}

    def take(self, values: Iterable[tuple[str, float]], number: int, learn: bool = True) -> News:
        """Return how odd an event's values are, then learn them under its number.

        `rate` is the point's own code length in bits, `weight` that of the last 5 points on average, and
        `lasting` that of the last 60. `share` is the part of the weight beyond what a value of its series
        costs on average, at most the 2.9 bits (level and change together) of one that is drawn at random.
        """
        found = []
        for name, value in values:
            series = self._series_of(name)
            if series:
                found.append((series.take(number, value, learn), name))
        if not found:
            return News(0.0, 0.0, 0, 0)
        oddest, name = max(found, key=lambda one: one[0].short)
        lasting = max(one.lasting for one, _ in found)
        rate = max(one.weight for one, _ in found) / FINE
        share = max(0.0, 1 - oddest.usual / oddest.short) if oddest.short else 0.0
        events = len(self._series[name].levels)
        return News(share, rate, oddest.short, events, lasting, f"{name} {oddest.why}")

    def text(self, values: Iterable[tuple[str, float]]) -> str:
        """Return the values as a text of few symbols, for compression: each by the tenth it falls in."""
        return " ".join(f"{name}={self._symbol(name, value)}" for name, value in values)

    def leave_out(self, numbers: Container[int]) -> None:
        """Forget the events of these numbers."""
        for series in self._series.values():
            series.leave_out(numbers)

    def state(self) -> dict[str, Any]:
        """Return what it knows as plain JSON values, for `restore`."""
        return {name: series.state() for name, series in self._series.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Know what another one knew."""
        for name, known in state.items():
            self._series[name] = Series()
            self._series[name].restore(known)

    def _series_of(self, name: str) -> Series | None:
        if name not in self._series and len(self._series) < _MOST_SERIES:
            self._series[name] = Series()
        return self._series.get(name)

    def _symbol(self, name: str, value: float) -> str:
        if not isfinite(value):
            return "none"
        series = self._series.get(name)
        return f"t{series.levels.decile(value) if series else 0}"


# The mean of -log2(u) over u drawn evenly from 0 to 1 is log2(e); level and change are two of them.
_RANDOM = round(2 * 1.4426950408889634 * FINE)


def _bounded(value: float) -> float:
    return (
        min(_LARGEST, max(-_LARGEST, value)) if abs(value) != inf else (_LARGEST if value > 0 else -_LARGEST)
    )


def _range(values: Values) -> str:
    if not len(values):
        return "anything: it is the first"
    low, high = values.usual()
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
