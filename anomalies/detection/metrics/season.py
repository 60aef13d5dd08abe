"""The seasonal profile of a series: the usual departure at each phase of a period, and when it is used.

A profile has a bin for each phase, and in each bin the mean of its last visits, each new one limited to how
far the series usually strays, so that an incident does not become what is usual at its hour (Huber 1964). A
value is compared with the band of its own bin and the two beside it: what comes a bin earlier or later is
no news.

Whether there is a season is a matter of code length (prequential: Dawid, J. R. Stat. Soc. A 147, 1984): the
profile is used as soon as predicting with it errs by less than three quarters of what predicting without it
does, over some 600 points and after a period and a quarter, and no longer once that is nine tenths.
"""

from array import array
from typing import Any

_CYCLES = 6  # visits that a bin remembers
_LATEST = 600  # points that both errors are a mean of
_LEAST = 200  # points before a profile is used
_USED, _DROPPED = 0.75, 0.9
_SEEN = 1.25  # periods before a profile is used
_NEXT_TO_NOTHING = 1e-12

Band = tuple[float, float]


class Profile:
    """The usual departure from the level at each phase of a period in seconds (or points)."""

    __slots__ = (
        "_bin", "_count", "_counts", "_error", "_means", "_plain", "_since", "_total", "_width", "bins",
        "is_used", "period", "points",
    )  # fmt: skip

    def __init__(self, period: float, bins: int) -> None:
        self.period, self.bins = period, bins
        self._width = period / bins
        self._means = array("d", [0.0]) * bins
        self._counts = array("b", [0]) * bins
        self._bin, self._total, self._count = -1, 0.0, 0  # the current visit
        self._error = self._plain = 0.0
        self._since: float | None = None
        self.points = 0
        self.is_used = False

    def take(self, moment: float, value: float, most: float, learn: bool) -> Band | None:
        """Return the band that was usual at this phase so far, then learn the value's departure.

        None where the phase was not seen before. `most` limits an error, and how far a visit moves the mean.
        """
        place = int(moment % self.period / self._width) % self.bins
        if place != self._bin:
            self._end_visit(most)
            self._bin = place
        if self._since is None:
            self._since = moment
        if learn:
            self._total += value
            self._count += 1
        if not self._counts[place]:
            return None
        self._compare(abs(value - self._means[place]), abs(value), 3 * most)
        return self._band(place)

    def decide(self, moment: float) -> None:
        """Use the profile from now on, or no longer."""
        if self.points < _LEAST or self._since is None or moment - self._since < _SEEN * self.period:
            return
        limit = _DROPPED if self.is_used else _USED
        self.is_used = self._error < limit * self._plain - _NEXT_TO_NOTHING

    @property
    def since(self) -> float:
        """The moment of the first value."""
        return self._since or 0.0

    @property
    def gain(self) -> float:
        """Return the prediction error with the profile as a share of the error without it; 1 at first."""
        return self._error / self._plain if self._plain else 1.0

    def mean(self) -> float:
        """Return the mean at the phase of the latest value."""
        return self._means[self._bin]

    def state(self) -> list[Any]:
        """Return what it knows as plain JSON values, for `restored`."""
        means, counts = self._means.tolist(), self._counts.tolist()
        visit = [self._bin, self._total, self._count, self._since]
        return [self.period, means, counts, visit, self._error, self._plain, self.points, self.is_used]

    @classmethod
    def restored(cls, state: list[Any]) -> "Profile":
        """Return the profile that `state` was taken of."""
        period, means, counts, visit, error, plain, points, is_used = state
        profile = cls(period, len(means))
        profile._means, profile._counts = array("d", means), array("b", counts)
        profile._bin, profile._total, profile._count, profile._since = visit
        profile._error, profile._plain, profile.points, profile.is_used = error, plain, points, is_used
        return profile

    def _compare(self, error: float, plain: float, most: float) -> None:
        self._error += (min(error, most) - self._error) / _LATEST
        self._plain += (min(plain, most) - self._plain) / _LATEST
        self.points += 1

    def _band(self, place: int) -> Band:
        mean = low = high = self._means[place]
        for beside in (place - 1, place + 1 - self.bins):
            if self._counts[beside]:
                mean = self._means[beside]
                low, high = min(low, mean), max(high, mean)
        return low, high

    def _end_visit(self, most: float) -> None:
        if not self._count:
            return
        place, value = self._bin, self._total / self._count
        known = self._counts[place]
        error = value - self._means[place]
        if known > 1:
            error = max(-most, min(most, error))
        self._means[place] += error / min(known + 1, _CYCLES)
        self._counts[place] = min(known + 1, _CYCLES)
        self._total, self._count = 0.0, 0


def off(value: float, band: Band) -> float:
    """Return how far a value lies beyond a band, negative below it."""
    low, high = band
    return value - high if value > high else value - low if value < low else 0.0
