"""The counters of a thing that comes and goes in a stream: a template, or one of the patterns in it."""

from collections.abc import Sequence
from copy import copy
from typing import Any

from ..scoring.own_past import Record

GAPS = 6  # longest ones that are kept


class Thing:
    """The recent counts of a thing, and its gaps, in events and in seconds.

    now          times in the last window
    record       the most times in a window, before (`own_past`)
    seen         times in all, halved now and then: its share of the stream
    count        times in all
    last         position of the event that it came with last; `last_number`, `last_text`, `last_time` of it
    gaps         the six longest gaps between two of it, in events, shortest first; that before the first too
    longest_time the longest gap in seconds
    gap_sum …    sums of gaps and of their squares, in events and in seconds
    due          position from which on it is looked at as absent, 0 while it came too rarely
    is_gone      it was reported absent, and has not come since then
    """

    __slots__ = (
        "count", "due", "gap_squares", "gap_sum", "gaps", "is_gone", "last", "last_number", "last_text",
        "last_time", "longest_time", "now", "number", "record", "seen", "time_squares", "time_sum",
    )  # fmt: skip

    def __init__(self, number: int, position: int) -> None:
        self.number = number
        self.now = self.seen = self.count = self.due = 0
        self.last = position
        self.last_number = 0
        self.last_text = ""
        self.last_time = 0.0
        self.gaps = [0.0] * (GAPS - 1) + [float(position)]
        self.gap_sum = self.gap_squares = 0.0
        self.longest_time = self.time_sum = self.time_squares = 0.0
        self.is_gone = False
        self.record = Record()

    def copy(self, number: int) -> "Thing":
        """Return another thing that came just as this one did."""
        thing = Thing.from_state([number, *self.state()[1:]])
        thing.due = 0
        return thing

    def state(self) -> list[Any]:
        """Return it as plain JSON values, for `from_state`."""
        return [copy(getattr(self, name)) for name in _PLAIN] + [self.record.state()]

    @classmethod
    def from_state(cls, state: Sequence[Any]) -> "Thing":
        """Return the thing that gave this state."""
        thing = cls(0, 0)
        for name, value in zip(_PLAIN, state[:-1], strict=True):
            setattr(thing, name, copy(value))
        thing.record.restore(state[-1])
        return thing


_PLAIN = ("number", *(name for name in Thing.__slots__ if name not in ("number", "record")))
