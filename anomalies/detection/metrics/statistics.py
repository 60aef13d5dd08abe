"""The statistics of a series, each with the tails of its own past, and their p-values per day.

The tail of a statistic gives the chance that a block of 24 points reaches a value (`tail`). Multiplied by the
number of independent tests and by the blocks of a day it bounds the chance that any test of a day does (the
union bound); the alarm budget is set in this unit (`scorer`).
"""

from collections import deque
from collections.abc import Container, Sequence
from dataclasses import dataclass
from math import log2
from typing import Any

from .tail import BLOCK, BLOCKS, ENOUGH, Tail

TOGETHER = 60  # points after an alarm that belong to it
_HELD = 6  # blocks of one incident that count as one
_WAIT = 3  # blocks that are not measured with yet
_WEAK = 48  # blocks with a season that takes less than two fifths of the error off
_LATE = 12  # and of the drift of a seasonal series: else a ramp of days becomes what it is compared with
_DAY = 86_400.0  # seconds
_MOST_A_DAY = 1_440  # points that a day counts as, at most
_OF_POINTS = 1_000  # points of a day, of a series without times
# The least σ of each tail, in terms of what three points in four stay under; of the last three as it is.
_FLOORS = {
    "point": 0.1, "change": 0.1, "short": 0.03, "long": 0.015, "drift": 0.015,
    "noise": 0.05, "stuck": 1.0, "gap": 0.2,
}  # fmt: skip
_PLAIN = ("noise", "stuck", "gap")  # one-sided, in a unit of their own
_RAW = ("stuck", "gap")  # that no season changes
_LEAST_P = 1e-300


@dataclass(frozen=True, slots=True)
class Departure:
    """A point that departs from its series: by which statistic and to which side, how rare that is.

    `p` is the chance that a day of the stream shows as much, by this statistic or any other; `bits` the
    surprise of the block, `usual_bits` what half of the blocks show. `size` is the statistic's value, in the
    unit of the series but for the stuck (points) and the gap and the noise (doublings).
    """

    statistic: str
    side: str
    p: float
    bits: float
    usual_bits: float
    size: float


Pair = tuple[Tail, Tail]


class Statistics:
    """The tails of a series. `limit` is the p of a day that a point must reach to be reported, `tests` how
    many independent tests a point stands for, over all statistics and all series of the stream."""

    def __init__(self, limit: float, tests: float) -> None:
        self.limit, self.tests = limit, tests
        self.found: list[Departure] = []
        sides = [(name, side) for name in _FLOORS for side in ("up", "down")]
        self._tails = {key: Tail() for key in sides if key[1] == "up" or key[0] not in _PLAIN}
        self.point, self.change, self.short = self._pair("point"), self._pair("change"), self._pair("short")
        self.long, self.drift = self._pair("long"), self._pair("drift")
        self.noise = self._tails["noise", "up"]
        self.stuck, self.gap = self._tails["stuck", "up"], self._tails["gap", "up"]
        self._spans: deque[tuple[int, int]] = deque(maxlen=BLOCKS)
        self._waiting: deque[tuple[int, int, list[float]]] = deque()
        self._late: deque[list[float]] = deque()  # of each block the greatest drift up and down
        self._first = 0  # event of the current block
        self._alarm = -TOGETHER - 1  # the point of the last one
        self._held = 0
        self._young: int | None = None  # blocks since a season is used
        self._is_seasonal = False
        self._enough = ENOUGH  # of those, after which the blocks before them are forgotten
        self._blocks = 12.0  # of a day
        self._scale = 1.0
        self._points = 0

    def begin(self, number: int, points: int) -> None:
        """Begin with the event of this number; `points` is the number of points of the series so far."""
        self._first = self._first or number
        self._points = points
        if self.found:
            self.found = []

    def see(self, name: str, tails: Pair, size: float, least: float = 0.0) -> None:
        """Add a value of a two-sided statistic, and report it where it is rare and `least` or more."""
        if size >= 0:
            tail = tails[0]
        else:
            tail, size = tails[1], -size
        if size > tail.most:
            tail.most = size
        if size >= tail.threshold and size >= least:
            self.hit(name, "up" if tail is tails[0] else "down", tail, size)

    def see_one(self, name: str, tail: Tail, size: float) -> None:
        """Add a value of a one-sided statistic, and report it where it is rare."""
        if size > tail.most:
            tail.most = size
        if size >= tail.threshold:
            self.hit(name, "up", tail, size)

    def hit(self, name: str, side: str, tail: Tail, size: float) -> None:
        """Report a value that is as rare as the limit asks for."""
        block = tail.p(size)
        p = max(block * self.tests, tail.rate(size)) * self._blocks
        if p <= self.limit:
            self._alarm = self._points
            usual = -log2(tail.p(tail.usual()))
            self.found.append(Departure(name, side, p, -log2(max(block, _LEAST_P)), usual, size))

    def most(self) -> list[float]:
        """Return the greatest values of the current block, for `undo`."""
        return [tail.most for tail in self._tails.values()]

    def undo(self, most: list[float]) -> None:
        """Forget what was seen since `most`."""
        for tail, value in zip(self._tails.values(), most, strict=True):
            tail.most = value

    def end_block(self, latest: int, scale: float, step: float, is_timed: bool) -> None:
        """End the block with its latest event.

        While an incident lasts, its blocks and those just before it count as one: what was too small for an
        alarm may have been its beginning. For that reason a block is only measured with once three more
        have ended, fewer while few are known. `scale` is what three points in four stay under, `step` the
        usual pause between points, 0 if unknown.
        """
        self._scale = scale
        if self._points - self._alarm <= TOGETHER and self._held < _HELD:
            self._held += 1
            self._join()
            return
        self._held = 0
        points = _DAY / step if is_timed and step else _OF_POINTS
        self._blocks = max(1.0, min(points, _MOST_A_DAY)) / BLOCK
        self._even(step)
        self._waiting.append((self._first, latest, [tail.end() for tail in self._tails.values()]))
        self._first = 0
        if len(self._waiting) > min(_WAIT, max(0, len(self._spans) - ENOUGH)):
            self._remember(*self._waiting.popleft())
        self._mature()

    def _join(self) -> None:
        """Make the blocks that wait a part of the current one."""
        for first, _, most in self._waiting:
            self._first = min(self._first, first) or first
            for tail, value in zip(self._tails.values(), most, strict=True):
                tail.most = max(tail.most, value)
        self._waiting.clear()

    def _remember(self, first: int, latest: int, most: list[float]) -> None:
        self._spans.append((first, latest))
        late = []
        for ((name, _), tail), value in zip(self._tails.items(), most, strict=True):
            if name == "drift":
                late.append(value)
            else:
                tail.add(value, self._floor(name), self._chance)
        self._late.append(late)
        wait = min(_LATE, len(self._spans) // 3) if self._is_seasonal else 0
        while len(self._late) > wait:
            for tail, value in zip(self.drift, self._late.popleft(), strict=True):
                tail.add(value, self._floor("drift"), self._chance)

    def start_again(self) -> None:
        """Begin new tails: from now on a season is taken off, so residuals are much smaller.

        The former tails overestimate p then, and serve until there are enough new blocks.
        """
        self._young, self._enough = 0, ENOUGH
        self._waiting.clear()

    def begin_season(self) -> None:
        """Note that a season is used for the first time: it was a part of all that was measured before.

        How far the level drifted is forgotten at once, the other tails once there are four days of new ones.
        """
        self._young, self._enough, self._is_seasonal = 0, _WEAK, True
        self._late.clear()
        for tail in self.drift:
            tail.forget(set(range(BLOCKS)))
            tail.fit(self._floor("drift"), self._chance)

    def leave_out(self, numbers: Container[int]) -> None:
        """Forget the blocks that hold these events."""
        kept_waiting = [one for one in self._waiting if not _holds(one, numbers)]
        self._waiting = deque(kept_waiting)
        last = len(self._spans) - 1
        places = {last - at for at, span in enumerate(self._spans) if _holds(span, numbers)}
        if places:
            late = len(self._late)
            for (name, _), tail in self._tails.items():
                tail.forget({at - late for at in places if at >= late} if name == "drift" else places)
                tail.fit(self._floor(name), self._chance)
            self._late = deque(one for at, one in enumerate(self._late) if late - 1 - at not in places)
            kept = [span for at, span in enumerate(self._spans) if last - at not in places]
            self._spans = deque(kept, maxlen=BLOCKS)

    def state(self) -> dict[str, Any]:
        """Return what it knows as plain JSON values, for `restore`."""
        plain = {name: getattr(self, name) for name in _STATE}
        tails = [tail.state() for tail in self._tails.values()]
        held = {"spans": list(self._spans), "waiting": list(self._waiting), "late": list(self._late)}
        return {**plain, **held, "tails": tails}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        for name in _STATE:
            setattr(self, name, state[name])
        self._spans.extend((first, latest) for first, latest in state["spans"])
        self._waiting.extend((first, latest, most) for first, latest, most in state["waiting"])
        self._late.extend(state["late"])
        for tail, known in zip(self._tails.values(), state["tails"], strict=True):
            tail.restore(known)

    def _pair(self, name: str) -> Pair:
        return self._tails[name, "up"], self._tails[name, "down"]

    def _even(self, step: float) -> None:
        """Record a statistic that was seen on one side only as zero on the other."""
        for pair in (self.point, self.change, self.short, self.long, self.drift):
            if max(pair[0].most, pair[1].most) >= 0:
                for tail in pair:
                    tail.most = max(0.0, tail.most)
        if step:
            self.gap.most = max(0.0, self.gap.most)

    def _mature(self) -> None:
        """Forget the blocks from before a season was used, once there are enough since."""
        if self._young is not None:
            self._young += 1
            if self._young >= self._enough:
                self._young = None
                for (name, _), tail in self._tails.items():
                    if name not in _RAW:
                        tail.forget(set(range(self._enough, BLOCKS)))

    @property
    def _chance(self) -> float:
        """The p of a block that `limit` is for a day, all tests together."""
        return self.limit / self.tests / self._blocks

    def _floor(self, name: str) -> float:
        return _FLOORS[name] * (1.0 if name in _PLAIN else self._scale)


def _holds(span: Sequence[Any], numbers: Container[int]) -> bool:
    return any(number in numbers for number in range(span[0], span[1] + 1))


_STATE = (
    "limit",
    "tests",
    "_first",
    "_alarm",
    "_held",
    "_young",
    "_enough",
    "_is_seasonal",
    "_blocks",
    "_scale",
    "_points",
)
