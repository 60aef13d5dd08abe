"""The tail of one statistic of a series: how rare a value is, also beyond everything that was seen.

The stream is cut into blocks of 24 points, and of each block the greatest value of the statistic is kept:
one incident fills a few blocks however many points it has, so blocks are what a chance per incident is
counted in. Above a high quantile u of these maxima the tail is a generalised Pareto distribution (Pickands,
Ann. Stat. 3(1), 1975; as SPOT does for single points: Siffer et al., KDD 2017):

    P(max > x) = s (1 + ξ (x - u) / σ)^(-1/ξ),    s the share of blocks above u.

- σ is the mean of the normalised spacings i (X(i) - X(i+1)) of the k maxima above u without the largest
  three (Rényi 1953: for an exponential tail they are independent, each with mean σ). Up to three earlier
  incidents therefore do not widen the tail and hide the next one.
- ξ compares the upper half of the spacings with the lower one: for a tail of shape ξ the logarithm of their
  ratio is about ξ. It is shrunk towards 0.05 and kept within 0 and 0.5.
- 1/k is added to ξ: an exponential tail whose σ was estimated from k spacings predicts a Lomax tail of that
  shape. With few blocks p is therefore careful, and no p is given with fewer than eight.
- Two thresholds u (a quarter and a twentieth of the blocks above) are tried and the smaller p counts, times
  1.5: series with usual spikes have two tails, one above the other.

Where the same size came five times or more, counting says more than any tail: the 95 % lower bound of a
Poisson rate (Garwood 1936) of the distinct earlier incidents is then the least p.
"""

from array import array
from bisect import bisect_left, insort
from dataclasses import dataclass
from math import inf, isfinite, log
from typing import Any

BLOCK = 24  # points
BLOCKS = 300  # that are remembered
ENOUGH = 8
_FITS = ((4, 3), (20, 5))  # one in so many blocks is above u; with fewer than so many above there is no fit
_TWO_FITS = 1.5
_LEFT_OUT = 3  # largest maxima that σ and ξ are not estimated from
_NONE = -1.0  # of a block in which the statistic was not there
_SHAPE, _SHAPE_WEIGHT, _MOST_SHAPE = 0.05, 40, 0.5
_APART = 3  # blocks between two incidents
_USUAL = 5  # incidents of a size from which it is counted how often they come
# Lower 95 % bounds of a Poisson mean after so many events.
_AT_LEAST = (0.0, 0.0513, 0.3554, 0.8177, 1.3663, 1.9702, 2.6130, 3.2853, 3.9808, 4.6952)


@dataclass(frozen=True, slots=True)
class Fit:
    """The tail above `start`: its scale, its shape, and the share of blocks that reach it."""

    start: float
    scale: float
    shape: float
    share: float

    def p(self, value: float) -> float:
        """Return the chance of a block to reach a value."""
        beyond = (value - self.start) / self.scale
        return 1.0 if beyond <= 0 else self.share * float((1 + self.shape * beyond) ** (-1 / self.shape))

    def value(self, p: float) -> float:
        """Return what a block reaches with a chance of p, less than `share`."""
        return self.start + self.scale * float((self.share / p) ** self.shape - 1) / self.shape


class Tail:
    """The block maxima of one statistic, not negative. `most` is the greatest value of the current block, -1
    for none; `threshold` what a value has to reach to be rarer than was asked for; infinite at first."""

    __slots__ = ("_fits", "_maxima", "_sorted", "most", "threshold")

    def __init__(self) -> None:
        self.most = _NONE
        self.threshold = inf
        self._maxima = array("d")
        self._sorted = array("d")
        self._fits: tuple[Fit, ...] = ()

    def end(self) -> float:
        """End the current block, and return its maximum: -1 for none."""
        most, self.most = float(f"{self.most:.6g}"), _NONE
        return most

    def add(self, most: float, floor: float, p: float) -> None:
        """Remember the maximum of a block, if there is one, and fit the tail (`fit`)."""
        if most < 0:
            return
        self._maxima.append(most)
        insort(self._sorted, most)
        if len(self._maxima) > BLOCKS:
            del self._sorted[bisect_left(self._sorted, self._maxima.pop(0))]
        self.fit(floor, p)

    def forget(self, places: set[int]) -> None:
        """Forget some blocks, named by their place from the latest one, 0."""
        last = len(self._maxima) - 1
        kept = [most for at, most in enumerate(self._maxima) if last - at not in places]
        self._maxima, self._sorted = array("d", kept), array("d", sorted(kept))

    def p(self, value: float) -> float:
        """Return the chance of a block to reach a value by the tail; 1 while too little is known."""
        least = min((fit.p(value) for fit in self._fits), default=1.0)
        return min(1.0, least * _TWO_FITS)

    def rate(self, value: float) -> float:
        """Return how many distinct incidents a block of at least this size come, at the least; 0 for few."""
        if not self._sorted or self._sorted[-1] < value:
            return 0.0
        incidents, last = 0, -_APART - 1
        for at, most in enumerate(self._maxima):
            if most >= value:
                incidents += at - last > _APART
                last = at
        if incidents < _USUAL:
            return 0.0
        lower = _AT_LEAST[incidents] if incidents < len(_AT_LEAST) else incidents / 2
        return lower / len(self._maxima)

    def usual(self) -> float:
        """Return what half of the blocks reach; 0 where there is none."""
        return self._sorted[len(self._sorted) // 2] if self._sorted else 0.0

    def state(self) -> dict[str, Any]:
        """Return what it knows as plain JSON values, for `restore`."""
        threshold = self.threshold if isfinite(self.threshold) else None
        fits = [[fit.start, fit.scale, fit.shape, fit.share] for fit in self._fits]
        return {"maxima": self._maxima.tolist(), "most": self.most, "threshold": threshold, "fits": fits}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        self._maxima = array("d", state["maxima"])
        self._sorted = array("d", sorted(self._maxima))
        self.most = state["most"]
        self.threshold = inf if state["threshold"] is None else state["threshold"]
        self._fits = tuple(Fit(*fit) for fit in state["fits"])

    def fit(self, floor: float, p: float) -> None:
        """Find the tail of what is remembered, and what is reached with a chance of `p` a block.

        `floor` is the least σ, in the statistic's unit.
        """
        count = len(self._sorted)
        self._fits = ()
        if count >= ENOUGH:
            above = [max(3, count // share) for share, least in _FITS if max(3, count // share) >= least]
            self._fits = tuple(self._fitted(k, floor) for k in above)
        self.threshold = min((fit.value(p / _TWO_FITS) for fit in self._fits), default=inf)

    def _fitted(self, above: int, floor: float) -> Fit:
        ordered, count = self._sorted, len(self._sorted)
        left_out = min(_LEFT_OUT, above // 4)
        start = ordered[count - 1 - above]
        scale = max(floor, self._spacing(left_out, above))
        shape = self._shape(left_out, above, floor) + 1 / (above - left_out)
        return Fit(start, scale, shape, (above + 1) / (count + 1))

    def _spacing(self, first: int, end: int) -> float:
        """The mean of the normalised spacings from rank `first` (0 is the largest) to before rank `end`."""
        ordered, count = self._sorted, len(self._sorted)
        start = ordered[count - 1 - end]
        total = sum(ordered[count - end : count - first]) - (end - first) * start
        return (total + first * (ordered[count - 1 - first] - start)) / (end - first)

    def _shape(self, left_out: int, above: int, floor: float) -> float:
        half = above // 2
        if half - left_out < 3:
            return _SHAPE
        upper, lower = self._spacing(left_out, half), self._spacing(half, above)
        weight = above / (above + _SHAPE_WEIGHT)
        found = weight * log(max(upper, floor) / max(lower, floor)) + (1 - weight) * _SHAPE
        return max(0.0, min(_MOST_SHAPE, found))
