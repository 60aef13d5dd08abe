"""The model of one series: each point against the series' own level, season and noise.

Of each value what is left is taken beside the level, the median of the last 288 points without their
season, and where a season is used (`season`) beside its band. Six statistics of that, each with the tail of
its own past (`tail`), upwards and downwards apart:

    point    what is left                              a spike, a drop
    change   how the value changed at once             a jump; only as far as it leads away from the level
    short    the mean of 12 points, each limited       a shift of an hour, of five-minute points
    long     the mean of 60 points, each limited       a small shift that lasts
    drift    the mean of 72 points beside older ones   a ramp, too slow for a level that follows
    noise    the mean size of 24 changes               a variance that rises

and two of the raw series: how often a value came in a row (stuck), and the pause before it (gap).

In the first eight days a season of a day excuses a value, but does not accuse it: whether a week-end
differs is not known until one was seen.
"""

from array import array
from collections import deque
from collections.abc import Container, Iterable
from math import log2
from typing import Any

from .period import PAST, find_period
from .season import Profile, off
from .statistics import Departure, Statistics
from .tail import BLOCK

LATEST = 288  # points that the level is the median of
SHORT, LONG, NOISE, DRIFT = 12, 60, 24, 3 * BLOCK  # points
_DRIFTED = 0.25  # of the range of a day, season included: what a level that drifts has to move by
_OLDER = 84  # blocks that the older level is the median of
_ENOUGH = 48  # points, before which nothing is judged
_LIMIT = 4  # how far a point may pull a mean, in terms of what three points in four stay under
_STEPS = 64
_LARGEST = 1e140  # of a value: its square, and sums of squares, stay numbers
_FINE = 20  # noise is counted in doublings, down to a twentieth of the scale
_DAY, _WEEK = 86_400.0, 604_800.0
_KNOWN = 8 * _DAY  # until then a week-end may be the first one
_LEAST_PHASES = 8
_STRONG = 0.6  # of the error without a season: with less the past without it is no measure any more
_DAY_BINS, _WEEK_BINS = 288, 672


class Series:
    """The model of one series. `limit` and `tests` are those of its `Statistics`; `period` is the season in
    seconds (in points without times) where it is given."""

    def __init__(self, limit: float, tests: float, is_timed: bool, period: float | None = None) -> None:
        self.statistics = Statistics(limit, tests)
        self._is_timed, self._given = is_timed, period
        self.count = 0
        self.moment: float | None = None
        self.step = 0.0
        self.level, self.scale = 0.0, 0.0
        self._scales: deque[float] = deque(maxlen=_OLDER)
        self._unit = 0.0  # the first scale: noise is counted in it for good, whatever season is used
        self.older: float | None = None
        self.last: float | None = None
        self.run = 0
        self.values: deque[float] = deque(maxlen=LATEST)
        self.left: deque[float] = deque(maxlen=LATEST)
        self._flat: deque[float] = deque(maxlen=LATEST)  # values without their season
        self.rest = 0.0  # what is left of the latest point beside level and season
        self.usual_at = 0.0  # what the season adds to the level at the latest point
        self.is_seasonal = self._was_seasonal = False
        self._steps: deque[float] = deque(maxlen=_STEPS)
        self._limited: deque[float] = deque(maxlen=LONG)
        self._short = self._long = self._noise = 0.0
        self._changes: deque[float] = deque(maxlen=NOISE)
        self._before: tuple[float, float] | None = None  # the last value, and what the season added to it
        self._in_block = 0
        self._block_sum = 0.0
        self._means: deque[float] = deque(maxlen=DRIFT // BLOCK)
        self._older: deque[float] = deque(maxlen=_OLDER)
        self._profiles: list[Profile] = []
        self._past = array("d")
        self._searched = LATEST

    def take(self, number: int, moment: float, value: float, learn: bool = True) -> list[Departure]:
        """Return in what the value of an event departs, then learn it. `moment` is in seconds, or counts."""
        statistics = self.statistics
        most = None if learn else statistics.most()
        value = max(-_LARGEST, min(_LARGEST, value))
        self.count += 1
        self._in_block += 1
        statistics.begin(number, self.count)
        self._pause(moment)
        self.run = self.run + 1 if value == self.last else 1
        statistics.see_one("stuck", statistics.stuck, self.run)
        if self.count > _ENOUGH and self.scale:
            self.rest, usual = self._rest(moment, value, learn)
            self._judge(self.rest, value, usual)
        self.last = value
        if most is None:
            self.values.append(value)
            self._flat.append(value - self.usual_at)
            self._past.append(value)
        else:
            statistics.undo(most)
        if self._in_block >= BLOCK:
            self._end_block(number)
        return statistics.found

    def silence(self, moment: float) -> Departure | None:
        """Return the gap that is open at a moment, where it is rarer than the limit already."""
        if self.moment is None or not self.step or moment - self.moment <= self.step:
            return None
        statistics, size = self.statistics, log2((moment - self.moment) / self.step)
        if size < statistics.gap.threshold:
            return None
        statistics.found = []
        statistics.hit("gap", "up", statistics.gap, size)
        return statistics.found[0] if statistics.found else None

    @property
    def older_points(self) -> int:
        """Return the number of points that the older level is the median of."""
        return BLOCK * len(self._older)

    @property
    def period(self) -> float:
        """The period of the season that is used, the shortest one; 0 for none."""
        return min((one.period for one in self._profiles if one.is_used), default=0.0)

    def noise(self) -> tuple[float, float]:
        """Return the mean size of the last changes, and what half of the blocks reached at most."""
        usual = (2 ** self.statistics.noise.usual() - 1) * self._unit / _FINE
        return max(0.0, self._noise) / max(1, len(self._changes)), usual

    def usual_run(self) -> int:
        """Return how often the same value came in a row at most, in half of the blocks."""
        return round(self.statistics.stuck.usual())

    def usual_range(self) -> tuple[float, float]:
        """Return what nine in ten of the latest values lie in; with a season, at this time of it."""
        if not self.is_seasonal:
            return _inner(self.values)
        low, high = _inner(self.left)
        return self.level + self.usual_at + low, self.level + self.usual_at + high

    def end_source(self) -> None:
        """Continue with another source: neither the pause before it nor the first change tells anything."""
        self.moment = self.last = self._before = None
        self.run = 0

    def leave_out(self, numbers: Container[int]) -> None:
        """Forget the blocks that hold these events."""
        self.statistics.leave_out(numbers)

    def state(self) -> dict[str, Any]:
        """Return what it knows as plain JSON values, for `restored`."""
        plain = {name: getattr(self, name) for name in _PLAIN_STATE}
        held = {name: list(getattr(self, name)) for name in _HELD_STATE}
        profiles = [profile.state() for profile in self._profiles]
        known = {"statistics": self.statistics.state(), "profiles": profiles, "past": self._past.tolist()}
        return {**plain, **held, **known}

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "Series":
        """Return the series that `state` was taken of."""
        series = cls(1.0, 1.0, state["_is_timed"], state["_given"])
        series.statistics.restore(state["statistics"])
        for name in _PLAIN_STATE:
            setattr(series, name, state[name])
        for name in _HELD_STATE:
            getattr(series, name).extend(state[name])
        series._before = series._before and (series._before[0], series._before[1])
        series._past = array("d", state["past"])
        series._profiles = [Profile.restored(one) for one in state["profiles"]]
        return series

    def _pause(self, moment: float) -> None:
        if self.moment is not None:
            pause = moment - self.moment
            if pause > 0:
                self._steps.append(pause)
            if self.step and pause > self.step:
                self.statistics.see_one("gap", self.statistics.gap, log2(pause / self.step))
        self.moment = moment

    def _rest(self, moment: float, value: float, learn: bool) -> tuple[float, float]:
        """Return a value less its level and season, and what the season adds at this time."""
        left = value - self.level
        usual, best = 0.0, None
        for profile in self._profiles:
            band = profile.take(moment, left, _LIMIT * self.scale, learn)
            if band and profile.is_used:
                rest = off(left, band)
                if profile.period == _DAY and moment - profile.since < _KNOWN:
                    rest = _lesser(rest, left)
                if best is None or abs(rest) < abs(best):
                    best, usual = rest, profile.mean()
        self.usual_at = usual
        return (left if best is None else best), usual

    def _judge(self, left: float, value: float, usual: float) -> None:
        statistics, before = self.statistics, self._before
        self._before = (value, usual)
        self._block_sum += value - usual
        statistics.see("point", statistics.point, left)
        self.left.append(left)
        if before is not None:
            change = value - before[0] - usual + before[1]
            # A jump counts as far as it leads away from the level: the way back is no news.
            away = min(abs(change), 2 * abs(left)) if change * left > 0 else 0.0
            statistics.see("change", statistics.change, away if change > 0 else -away)
            self._see_noise(abs(change))
        self._see_means(left)

    def _see_means(self, left: float) -> None:
        statistics, limited = self.statistics, self._limited
        most = _LIMIT * self.scale
        left = -most if left < -most else most if left > most else left
        count = len(limited)
        if count >= SHORT:
            self._short -= limited[-SHORT]
        if count == LONG:
            self._long -= limited[0]
        limited.append(left)
        self._short += left
        self._long += left
        if count >= SHORT:
            statistics.see("short", statistics.short, self._short / SHORT)
        if count >= LONG - 1:
            statistics.see("long", statistics.long, self._long / LONG)

    def _see_noise(self, change: float) -> None:
        changes = self._changes
        change = min(change, 2 * _LIMIT * self.scale)
        if len(changes) == NOISE:
            self._noise -= changes[0]
        changes.append(change)
        self._noise += change
        if len(changes) == NOISE:
            size = log2(1 + _FINE * max(0.0, self._noise) / NOISE / self._unit)
            self.statistics.see_one("noise", self.statistics.noise, size)

    def _end_block(self, number: int) -> None:
        """Once in 24 points: the levels, the noise, the season, the tails."""
        self._measure()
        self._drift()
        # The median of past scales: an incident widens the present one for as long as it is among the points.
        self._scales.append(self.scale)
        usual = sorted(self._scales)[len(self._scales) // 2]
        self.statistics.end_block(number, usual, self.step, self._is_timed)
        self._in_block = 0
        self._older.append(self._means[-1])
        if len(self._older) >= _OLDER // 7:
            self.older = sorted(self._older)[len(self._older) // 2]
        self._decide()
        self._short = sum(list(self._limited)[-SHORT:])
        self._long, self._noise = sum(self._limited), sum(self._changes)

    def _measure(self) -> None:
        if self._steps:
            self.step = sorted(self._steps)[len(self._steps) // 2]
        ordered = sorted(self._flat)
        if not ordered:
            return
        count = len(ordered)
        self.level = ordered[count // 2]
        spread = ordered[count * 9 // 10] - ordered[count // 10] or ordered[-1] - ordered[0]
        strayed = sorted(map(abs, self.left))
        self.scale = (strayed[len(strayed) * 3 // 4] or strayed[-1] if strayed else 0.0) or spread
        self.scale = self.scale or abs(self.level) * 1e-3 or 1.0
        self._unit = self._unit or self.scale
        self._begin_profiles()

    def _drift(self) -> None:
        judged = min(self._in_block, max(1, len(self.left)))
        self._means.append(self._block_sum / judged if self.left else self.level)
        self._block_sum = 0.0
        if self.older is not None and len(self._means) == self._means.maxlen:
            size = sum(self._means) / len(self._means) - self.older
            low, high = _inner(self.values)
            self.statistics.see("drift", self.statistics.drift, size, _DRIFTED * (high - low))

    def _begin_profiles(self) -> None:
        if not self._profiles and self.count >= LATEST and self.step:
            timed = self._is_timed and _DAY / self.step >= _LEAST_PHASES
            periods = ([self._given] if self._given else []) + ([_DAY, _WEEK] if timed else [])
            self._profiles = [self._profile(period) for period in periods]
        if len(self._past) >= 2 * PAST:
            del self._past[:PAST]
        if self.count >= self._searched and not self.is_seasonal and not self._given and self.step:
            self._searched = 2 * self._searched if self.count < PAST else self.count + PAST
            period = find_period(self._past[-PAST:])
            if period and not any(abs(one.period / self.step - period) < 2 for one in self._profiles):
                clock = [one for one in self._profiles if one.period in (_DAY, _WEEK)]
                self._profiles = [*clock, self._profile(period * self.step)]

    def _profile(self, period: float) -> Profile:
        most = _WEEK_BINS if period > _DAY else _DAY_BINS
        return Profile(period, max(2, min(most, round(period / self.step))))

    def _decide(self) -> None:
        for profile in self._profiles:
            profile.decide(self.moment or 0.0)
        is_seasonal = any(profile.is_used for profile in self._profiles)
        begins, self.is_seasonal = is_seasonal and not self.is_seasonal, is_seasonal
        if begins and not self._was_seasonal:
            self._was_seasonal = True
            self.statistics.begin_season()
        if begins and min(profile.gain for profile in self._profiles if profile.is_used) < _STRONG:
            self.statistics.start_again()
            for held in (self.left, self._limited, self._changes, self._means, self._older, self._scales):
                held.clear()
            self.older = self._before = None


_PLAIN_STATE = (
    "_is_timed", "_given", "count", "moment", "step", "level", "_unit", "older", "scale", "last", "run",
    "usual_at", "is_seasonal", "_was_seasonal", "_short", "_long", "_noise", "_before", "_in_block",
    "_block_sum", "_searched",
)  # fmt: skip
_HELD_STATE = ("values", "left", "_flat", "_steps", "_limited", "_changes", "_means", "_older", "_scales")


def _lesser(one: float, other: float) -> float:
    """The lesser of two departures; none where they lie on different sides."""
    if one * other <= 0:
        return 0.0
    return one if abs(one) < abs(other) else other


def _inner(values: Iterable[float]) -> tuple[float, float]:
    """The range that nine in ten lie in."""
    ordered = sorted(values)
    count = len(ordered)
    return (ordered[count // 20], ordered[count - 1 - count // 20]) if ordered else (0.0, 0.0)
