"""Times that run backwards: old lines among new ones, as of a replay or of a clock that jumps.

Logs of several processes are never quite in order, so a step back from one event to the next is compared with
its own record (`own_past`) and with the longest pause. One step says little (a clock that is set, two files
that were joined); n of them among the last 60 events, in a stream of N that had none, have the Poisson
deviance of n where 60 / N are expected (Cameron & Trivedi, "Regression Analysis of Count Data", 1998).
"""

from collections import deque
from math import log2
from typing import Any, NamedTuple

from ..scoring.own_past import WINDOW, Record

_TIMES = 2.0  # the record, or the longest pause: a step beyond it counts
_LEAST = 3  # steps
_LOG2_E = 1.4427


class Disorder(NamedTuple):
    """The `lines` of the last 60 that step back further than any before: up to `seconds`, `record` before."""

    seconds: float
    record: float
    lines: tuple[int, ...]
    bits: float
    novelty: float


class Backwards:
    """The steps back of a stream's times, from one event to the next."""

    def __init__(self) -> None:
        self._before: float | None = None
        self._back = 0.0  # seconds of the last step back
        self._record = Record()
        self._far: deque[tuple[int, int, float]] = deque()  # position, number, seconds

    def is_back(self, now: float) -> bool:
        """Note the time of an event; return whether it is before that of the event before it."""
        before, self._before = self._before, now
        if before is None or now >= before:
            return False
        self._back = before - now
        return True

    def take(self, pause: float, position: int, number: int, learn: bool) -> Disorder | None:
        """Return the disorder that an event adds to which `is_back`; the longest pause is `pause` seconds."""
        seconds, record = self._back, self._record.value(position)
        if learn:
            self._record.add(position, seconds)
        if seconds <= _TIMES * max(record, pause, 1.0):
            return None
        far = self._far
        far.append((position, number, seconds))
        while far[0][0] <= position - WINDOW:
            far.popleft()
        count, usual = len(far), WINDOW / max(position, WINDOW)
        if count < _LEAST:
            return None
        bits = count * log2(count / usual) - (count - usual) * _LOG2_E
        lines = tuple(number for _, number, _ in far)[-50:]
        return Disorder(max(one for _, _, one in far), record, lines, bits, 1 - usual / count)

    def end_source(self) -> None:
        """Continue with another source, which may be older."""
        self._before = None

    def leave_out(self, first: int, last: int) -> None:
        """Forget the records that were set between two positions, both included."""
        self._record.leave_out(first, last)

    def state(self) -> list[Any]:
        """Return it as plain JSON values, for `restore`."""
        return [self._before, self._record.state(), list(map(list, self._far))]

    def restore(self, state: list[Any]) -> None:
        """Restore what `state` returned."""
        self._before, record, far = state
        self._record.restore(record)
        self._far = deque((int(at), int(number), float(seconds)) for at, number, seconds in far)
