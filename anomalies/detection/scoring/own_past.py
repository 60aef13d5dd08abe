"""The past of a thing: it is compared with itself first, and then with the rest of its stream.

Two steps, because a stream holds many things of many kinds. If raw surprise were ranked, a template that
comes in bursts would set the record for all others. So each thing has a *record* of its own, and what goes
beyond it, in bits, is ranked in the *past* of its view: what other things went beyond theirs. What is newer
than three windows is left out of a record, so that an incident is not its own excuse.
"""

from bisect import bisect_left, insort
from collections import deque
from math import exp2
from typing import Any

WINDOW = 60  # events that rates are counted over
LAG = 3 * WINDOW
HORIZON = 10_000  # events that a record lasts
_GRAIN = 30  # events: one value is kept for each stretch of so many
_MOST_RECENT = 24  # stretches that may be recent until they are looked at: LAG has six
_BLOCKS = 500  # that a past remembers
_TAIL = 0.1  # of a past's surprises, that its tail is fitted to
_LEAST_TAIL = 4  # surprises
_LEAST_BLOCKS = 20  # before which nothing is known of a tail
_MEAN_EXCESS = 1.4427  # bits, log2(e): the mean excess where a surprise of b bits has the chance 2 ** -b
_LEAST = 1e-12


class Record:
    """The largest value of the last 10,000 events without the last 180; 0 for none.

    In a young stream a third of its events is left out instead. Holds the values of the last stretches, and
    of those before only what no later one has passed.
    """

    __slots__ = ("_recent", "_settled")

    def __init__(self) -> None:
        self._recent: deque[tuple[int, float]] = deque()
        self._settled: deque[tuple[int, float]] = deque()

    def add(self, position: int, value: float) -> None:
        """Note a value at an event's position in the stream."""
        recent, stretch = self._recent, position // _GRAIN
        if recent:
            last, most = recent[-1]
            if last == stretch:
                if value > most:
                    recent[-1] = stretch, value
                return
        recent.append((stretch, value))
        if len(recent) > _MOST_RECENT:
            self._settle(position)

    def value(self, position: int) -> float:
        """Return the record as it stands for an event at this position."""
        recent, settled = self._recent, self._settled
        if recent and recent[0][0] < (position - (LAG if position > 3 * LAG else position // 3)) // _GRAIN:
            self._settle(position)
        if not settled:
            return 0.0
        oldest = (position - HORIZON) // _GRAIN
        while settled and settled[0][0] < oldest:
            settled.popleft()
        return settled[0][1] if settled else 0.0

    def _settle(self, position: int) -> None:
        recent, settled = self._recent, self._settled
        until = (position - min(LAG, position // 3)) // _GRAIN
        while recent and recent[0][0] < until:
            one = recent.popleft()
            value = one[1]
            while settled and settled[-1][1] <= value:
                settled.pop()
            settled.append(one)

    def leave_out(self, first: int, last: int) -> None:
        """Forget what was set between two positions, both included."""
        for part in (self._settled, self._recent):
            kept = [one for one in part if not first // _GRAIN <= one[0] <= last // _GRAIN]
            part.clear()
            part.extend(kept)

    def state(self) -> list[Any]:
        """Return it as plain JSON values, for `restore`."""
        return [list(map(list, self._settled)), list(map(list, self._recent))]

    def restore(self, state: list[Any]) -> None:
        """Restore what `state` returned."""
        for part, held in zip((self._settled, self._recent), state, strict=True):
            part.clear()
            part.extend((int(stretch), float(value)) for stretch, value in held)


class Past:
    """The surprises of one view, in bits: the largest of each block of `unit` events, of the last `blocks`.

    The p-value of a surprise is (1 + blocks that reached it) / (1 + blocks), a conformal p-value (Vovk,
    Gammerman & Shafer, "Algorithmic Learning in a Random World", 2005): one entry for each block, and not one
    for each of the overlapping windows that an incident fills. Beyond the largest it falls as the tail does,
    by 2 ** -(excess / scale), with the scale from the mean excess of the largest tenth (peaks over threshold,
    as in Siffer et al., "Anomaly detection in streams with extreme value theory", KDD 2017); not so without
    `has_tail`, where surprises are not bits.
    """

    def __init__(self, unit: int, blocks: int = _BLOCKS, has_tail: bool = True) -> None:
        self._unit = unit
        self._has_tail = has_tail
        self._size = blocks
        self._begin = 0  # the first block that counts; those without a surprise are not stored
        self._block = -1
        self._top = 0.0
        self._values: deque[tuple[int, float]] = deque()
        self._sorted: list[float] = []

    def begin(self, position: int) -> None:
        """Count from the block after this position on."""
        self._begin = position // self._unit + 1

    def see(self, position: int, bits: float) -> None:
        """Note a surprise at an event's position; positions never fall."""
        self._turn_to(position)
        if bits > self._top:
            self._top = bits

    def p_value(self, position: int, bits: float) -> float:
        """Return the p-value of a surprise at this position, from the blocks before its own."""
        self._turn_to(position)
        if bits <= 0:
            return 1.0
        blocks = self.blocks(position)
        reached = len(self._sorted) - bisect_left(self._sorted, bits)
        p = (1 + reached) / (1 + blocks)
        if reached or blocks < _LEAST_BLOCKS or not self._has_tail:
            return p
        largest = self._sorted[-1] if self._sorted else 0.0
        return p * max(exp2(-min(100.0, (bits - largest) / self._scale())), _LEAST)

    def blocks(self, position: int) -> int:
        """Return how many blocks a surprise at this position is compared with."""
        return max(0, min(self._size, position // self._unit - self._begin))

    def leave_out(self, first: int, last: int) -> None:
        """Forget the surprises between two positions, both included."""
        unit = self._unit
        kept = [one for one in self._values if not first // unit <= one[0] <= last // unit]
        self._values = deque(kept)
        self._sorted = sorted(value for _, value in kept)

    def _scale(self) -> float:
        values = self._sorted
        if len(values) < _LEAST_TAIL:
            return max(1.0, (values[-1] if values else 0.0) / 8)
        top = values[-max(_LEAST_TAIL, int(len(values) * _TAIL)) :]
        return max(1.0, (sum(top) / len(top) - top[0]) / _MEAN_EXCESS)

    def _turn_to(self, position: int) -> None:
        block = position // self._unit
        if block == self._block:
            return
        if self._top > 0 and self._block >= self._begin:
            self._values.append((self._block, self._top))
            insort(self._sorted, self._top)
        self._block, self._top = block, 0.0
        while self._values and self._values[0][0] < block - self._size:
            _, value = self._values.popleft()
            del self._sorted[bisect_left(self._sorted, value)]

    def state(self) -> list[Any]:
        """Return it as plain JSON values, for `restore`."""
        return [self._begin, self._block, self._top, list(map(list, self._values))]

    def restore(self, state: list[Any]) -> None:
        """Restore what `state` returned."""
        begin, block, top, values = state
        self._begin, self._block, self._top = int(begin), int(block), float(top)
        self._values = deque((int(at), float(value)) for at, value in values)
        self._sorted = sorted(value for _, value in self._values)
