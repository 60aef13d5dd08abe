"""The p-value of a window, ranked in its own stream."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

from .compression import novelty
from .ranks import Ranks

Method = Literal["conformal", "circular shifts"]

HISTORY_SIZE = 500
_ENOUGH = 99  # from here on ranks alone are about as sound as with 500
_SOME = 20  # from here on a rank can tell something
_MOST_SHIFTS = 199


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights that a window is ranked by, in millionths of a bit per byte: all lines, and the newest one.

    A metric's window has its sustained and its sharpest departure instead (`numeric`).
    """

    total: int
    peak: int


@dataclass(frozen=True, slots=True)
class Judged:
    """A window that was tested: the numbers of its first and last event, and its weights."""

    first: int
    last: int
    weights: Weights


@dataclass(frozen=True, slots=True)
class Significance:
    """A p-value in 0..1, how it was found, the number of values that it was ranked among, and how many of
    them reached it: by all of the lines, and by the newest one, None where only one thing was ranked."""

    p_value: float
    method: Method
    compared: int
    reached: int
    newest_reached: int | None = None

    @property
    def is_provisional(self) -> bool:
        """True where the stream's own past was too short for a firm p-value."""
        return self.method == "circular shifts"


class History:
    """The weights of a stream's latest windows (500 at most), flagged ones included.

    Leaving flagged windows out would make the next ones look rarer than they are: it takes the share of false
    alarms at p ≤ .05 from 5.7 % to 14.8 % (docs/detection.md). Only windows that an analyst acknowledged
    leave it.
    """

    def __init__(self, size: int = HISTORY_SIZE, windows: Sequence[Judged] = ()) -> None:
        self._size = size
        self._windows: deque[Judged] = deque()
        self._totals, self._peaks = Ranks(), Ranks()
        for window in windows:
            self.add(window)

    def __len__(self) -> int:
        return len(self._windows)

    def windows(self) -> list[Judged]:
        """The windows it remembers, oldest first."""
        return list(self._windows)

    def add(self, window: Judged) -> None:
        """Remember the window that was just judged, and forget the oldest beyond the size."""
        self._windows.append(window)
        self._totals.add(window.weights.total)
        self._peaks.add(window.weights.peak)
        if len(self._windows) > self._size:
            oldest = self._windows.popleft().weights
            self._totals.remove(oldest.total)
            self._peaks.remove(oldest.peak)

    def reached(self, weights: Weights) -> tuple[int, int]:
        """Return how many windows weigh as much in all or more, and how many have as new a line or newer."""
        return self._totals.at_least(weights.total), self._peaks.at_least(weights.peak)


def significance(
    weights: Weights, history: History, lines: Callable[[], Sequence[bytes]], window_size: int
) -> Significance:
    """Return how rare a window is; `lines` gives its baseline and itself, in order, normalised.

    The rank among the stream's past windows. While there are fewer than 99, circular shifts stand in, and
    from 20 on the larger of the two p-values counts: each alone gives about 8 % of false alarms at p < .05
    there, the larger 4 % (docs/detection.md).
    """
    if len(history) >= _ENOUGH:
        return conformal(weights, history)
    shifts = circular_shifts(lines(), window_size)
    if len(history) < _SOME:
        return shifts
    return max(shifts, conformal(weights, history), key=lambda found: found.p_value)


def conformal(weights: Weights, history: History) -> Significance:
    """Return the rank of a window in the stream's past, by both of its weights.

    Each gives (1 + #{past ≥ now}) / (K + 1), a conformal p-value (Vovk, Gammerman & Shafer, "Algorithmic
    Learning in a Random World", 2005); of the two, twice the lesser counts, or the larger where that is less
    (Simes, "An improved Bonferroni procedure", Biometrika 73(3), 1986, which holds for statistics that rise
    together: Sarkar, Ann. Stat. 26(2), 1998). It cannot go below 1 / (K + 1). Events in a stream are not
    exchangeable, so validity is a matter of measuring: docs/detection.md.
    """
    past = len(history)
    totals, peaks = history.reached(weights)
    lesser, larger = sorted(((1 + totals) / (past + 1), (1 + peaks) / (past + 1)))
    return Significance(min(2 * lesser, larger), "conformal", past, totals, peaks)


def circular_shifts(lines: Sequence[bytes], window_size: int) -> Significance:
    """Return the rank of a window's novelty by compression among those of its lines turned round in a circle.

    `lines` are baseline and window in order. Turning keeps neighbours together, which a shuffle, the classic
    permutation test, does not: it takes ordinary bursts for rare ones. At most 199 shifts, evenly spread.
    """
    count = len(lines)
    shifts = range(1, count, max(1, ceil((count - 1) / _MOST_SHIFTS)))
    score = _shifted(lines, 0, window_size)
    reached = sum(_shifted(lines, shift, window_size) >= score for shift in shifts)
    return Significance((1 + reached) / (len(shifts) + 1), "circular shifts", len(shifts), reached)


def _shifted(lines: Sequence[bytes], shift: int, window_size: int) -> float:
    turned = [*lines[shift:], *lines[:shift]]
    return novelty(b"".join(turned[:-window_size]), b"".join(turned[-window_size:]))
