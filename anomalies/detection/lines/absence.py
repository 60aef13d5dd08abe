"""The absence view: the time since a frequent thing last came, against the longest gap that it ever had.

A gap is looked at when it is twice the longest one, in events and, where the lines have times, in seconds
too: a flood of others makes a gap in events only, a quiet night one in seconds only. Its surprise is the
smaller of two: the excess over the longest gap by the waiting time Σgap² / 2Σgap (exponential gaps; of
bursts, where the mean says little, that of a random moment: the inspection paradox), and α log2(gap /
longest) with the tail index α of the six longest gaps (Hill, "A simple general approach to inference about
the tail of a distribution", Ann. Stat. 3, 1975). So what comes by the clock is missed at once, what comes in
bursts is not.
"""

from collections.abc import Iterable
from heapq import heappop, heappush
from math import log, log2
from typing import NamedTuple

from .things import Thing

ENOUGH = 20  # times a thing came before it can be missed
_TWICE = 2.0
_FADE_EVERY, _FADE = (
    64,
    0.97,
)  # times, a power of two; the longest gaps are forgotten slowly, as the thing comes
_HALVE = 1_000
_MOST_INDEX = 20.0
_WEIGHT = 2.0  # of the bits by the tail index, which is estimated from few gaps and low
_LOG2_E = 1.4427
_GONE = 500  # events after which a thing that was reported absent is looked at again


class Absent(NamedTuple):
    """A thing that stays away: for `events` and `seconds` (0 where there are no times) since it came last."""

    thing: Thing
    bits: float
    novelty: float
    events: int
    seconds: float


class Absence:
    """The things of a stream that came often enough to be missed, by when they have to be looked at."""

    def __init__(self) -> None:
        self._due: list[tuple[int, int, Thing]] = []

    def take(self, things: tuple[Thing, ...], position: int, number: int, text: str, now: float) -> None:
        """Note that things came with an event; `now` is its time in seconds since the first, 0 for none."""
        for thing in things:
            count = thing.count
            if count:
                gap, pause = position - thing.last, now - thing.last_time
                gaps = thing.gaps
                if gap > gaps[0]:
                    gaps[0] = gap
                    gaps.sort()
            else:
                gap, pause = position, now
            thing.gap_sum += gap
            thing.gap_squares += gap * gap
            if pause:
                thing.time_sum += pause
                thing.time_squares += pause * pause
                if pause > thing.longest_time:
                    thing.longest_time = pause
            thing.count = count = count + 1
            thing.last = position
            thing.last_number = number
            thing.last_text = text
            thing.last_time = now
            if thing.is_gone:
                thing.is_gone = False
            if not count & (_FADE_EVERY - 1):
                self._fade(thing)
            if not thing.due and count >= ENOUGH:
                self._look(thing, position + int(_TWICE * thing.gaps[-1]) + 1)

    def overdue(self, position: int, now: float) -> Iterable[Absent]:
        """Yield what is absent for at least twice its longest gap at this position and time."""
        while self._due and self._due[0][0] <= position:
            due, _, thing = heappop(self._due)
            if due != thing.due:
                continue  # its template was forgotten
            found = self._absent(thing, position, now)
            if isinstance(found, Absent):
                yield found
                step = _GONE if thing.is_gone else max(1, found.events // 8)
                self._look(thing, position + step)
            else:
                self._look(thing, found)

    def next_due(self) -> int:
        """Return the position from which on `overdue` has something to look at."""
        return self._due[0][0] if self._due else 1 << 62

    def hold(self, things: Iterable[Thing]) -> None:
        """Look at these things when they are due."""
        self._due = []
        for thing in things:
            if thing.due:
                heappush(self._due, (thing.due, thing.number, thing))

    def _look(self, thing: Thing, due: int) -> None:
        thing.due = due
        heappush(self._due, (due, thing.number, thing))

    def _absent(self, thing: Thing, position: int, now: float) -> Absent | int:
        """The absence of a thing, or the position from which on it has to be looked at again."""
        gap, longest = position - thing.last, thing.gaps[-1]
        if thing.is_gone:
            return position + _GONE
        if gap <= _TWICE * longest:
            return thing.last + int(_TWICE * longest) + 1
        novelty = 1 - longest / gap
        bits = min(
            (gap - longest) / _wait(thing.gap_sum, thing.gap_squares, thing.count) * _LOG2_E,
            _tail(thing, gap),
        )
        seconds = now - thing.last_time
        if thing.time_sum > 0:
            if seconds < _TWICE * thing.longest_time or seconds <= 0:
                return position + max(1, gap // 10)
            if seconds > thing.time_sum:
                return position + _GONE  # away for longer than it was ever there: a phase that is over
            novelty = min(novelty, 1 - thing.longest_time / seconds)
            wait = _wait(thing.time_sum, thing.time_squares, thing.count)
            bits = min(bits, (seconds - thing.longest_time) / wait * _LOG2_E)
        return Absent(thing, bits, novelty, gap, seconds)

    @staticmethod
    def _fade(thing: Thing) -> None:
        thing.gaps = [gap * _FADE for gap in thing.gaps]
        thing.longest_time *= _FADE
        if thing.count >= _HALVE:
            thing.count //= 2
            for name in ("gap_sum", "gap_squares", "time_sum", "time_squares"):
                setattr(thing, name, getattr(thing, name) / 2)


def _wait(total: float, squares: float, count: int) -> float:
    return max(total / count, squares / (2 * total))


def _tail(thing: Thing, gap: int) -> float:
    shortest = max(1.0, thing.gaps[0])
    spread = sum(log(max(shortest, one) / shortest) for one in thing.gaps[1:])
    index = min(_MOST_INDEX, (len(thing.gaps) - 1) / max(spread, 1e-9))
    return _WEIGHT * index * log2(gap / thing.gaps[-1])
