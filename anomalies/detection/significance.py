"""How rare a window is in its own stream."""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

from .compression import novelty

Method = Literal["conformal", "circular shifts"]

HISTORY_SIZE = 500
_ENOUGH = 99  # from here on the smallest p is 1/100, and ranks alone are about as sound as with 500
_SOME = 20  # from here on a rank can be below .05
_MOST_SHIFTS = 199


@dataclass(frozen=True, slots=True)
class Significance:
    """A p-value in 0..1, how it was found, and the number of values that it was ranked among."""

    p_value: float
    method: Method
    compared: int


class History:
    """The scores of a stream's latest windows (500 at most), flagged ones included.

    Leaving flagged windows out would make the next ones look rarer than they are: it takes the share of false
    alarms at p ≤ .05 from 5.7 % to 14.8 % (docs/detection.md).
    """

    def __init__(self, size: int = HISTORY_SIZE) -> None:
        self._size = size
        self._in_order: deque[float] = deque()
        self._sorted: list[float] = []

    def __len__(self) -> int:
        return len(self._in_order)

    def add(self, score: float) -> None:
        """Remember the score of the window that was just judged, and forget the oldest beyond the size."""
        self._in_order.append(score)
        insort(self._sorted, score)
        if len(self._in_order) > self._size:
            oldest = self._in_order.popleft()
            del self._sorted[bisect_left(self._sorted, oldest)]

    def at_least(self, score: float) -> int:
        """Return how many remembered scores are as high as this one or higher."""
        return len(self._sorted) - bisect_left(self._sorted, score)


def significance(score: float, history: History, lines: Sequence[bytes], window_size: int) -> Significance:
    """Return how rare a window's score is; `lines` are its baseline and itself, in order, normalised.

    The rank among the stream's past windows. While there are fewer than 99, circular shifts stand in, and
    from 20 on the larger of the two p-values counts: each alone gives about 8 % of false alarms at p < .05
    there, the larger 4 % (docs/detection.md).
    """
    if len(history) >= _ENOUGH:
        return conformal(score, history)
    shifts = circular_shifts(lines, window_size)
    if len(history) < _SOME:
        return shifts
    return max(shifts, conformal(score, history), key=lambda found: found.p_value)


def conformal(score: float, history: History) -> Significance:
    """Return the rank of a score among the stream's past: (1 + #{past ≥ score}) / (K + 1).

    Vovk, Gammerman & Shafer, "Algorithmic Learning in a Random World", 2005. It cannot go below 1 / (K + 1).
    Events in a stream are not exchangeable, so validity is a matter of measuring: docs/detection.md.
    """
    past = len(history)
    return Significance((1 + history.at_least(score)) / (past + 1), "conformal", past)


def circular_shifts(lines: Sequence[bytes], window_size: int) -> Significance:
    """Return the rank of a window's novelty by compression among those of its lines turned round in a circle.

    `lines` are baseline and window in order. Turning keeps neighbours together, which a shuffle, the classic
    permutation test, does not: it takes ordinary bursts for rare ones. At most 199 shifts, evenly spread.
    """
    count = len(lines)
    shifts = range(1, count, max(1, ceil((count - 1) / _MOST_SHIFTS)))
    score = _shifted(lines, 0, window_size)
    reached = sum(_shifted(lines, shift, window_size) >= score for shift in shifts)
    return Significance((1 + reached) / (len(shifts) + 1), "circular shifts", len(shifts))


def _shifted(lines: Sequence[bytes], shift: int, window_size: int) -> float:
    turned = [*lines[shift:], *lines[:shift]]
    return novelty(b"".join(turned[:-window_size]), b"".join(turned[-window_size:]))
