"""The time view: pauses between events, and the number of events in each hour.

A pause is compared with the longest one before: its surprise is α log2(pause / record), with the tail index α
of the twenty longest of the last 500 (Hill 1975), so that where pauses span decades a long one says little.
An hour is compared with the same hour of the days before, once two of them are known, and with the same hour
of the same weekday once two weeks are: twice the most or half the least, by the Poisson deviance. A stream
that comes in bursts departs in many hours: what counts is the part beyond the largest such departure before.
"""

from collections import deque
from collections.abc import Sequence
from math import log, log2
from typing import Any, NamedTuple

from ..scoring.own_past import Record

_HELD = 500  # pauses
_LONGEST = 20
_ENOUGH = 60  # pauses before one can be long
_LEAST_INDEX, _MOST_INDEX = 0.3, 8.0
_PERIODS = 2  # that have to be known
_DENSE = 0.25  # of the hours
_KEPT = 28  # days
_NEWEST = 3  # hours that are left out of a record
_LOG2_E = 1.4427
_WEEK = 24 * 7
HOUR = 3600


class Pause(NamedTuple):
    """A pause in seconds, the longest one before it, and its surprise in bits."""

    seconds: float
    record: float
    bits: float


class HourCount(NamedTuple):
    """The number of `events` in an hour, where the same hour of `periods` days or weeks had `least` to
    `most`; `novelty` is the share of the departure that is beyond the largest one before."""

    begin: int
    events: int
    least: int
    most: int
    periods: int
    bits: float
    novelty: float


class Pauses:
    """The pauses between the events of a stream, by the latest time that it has shown."""

    def __init__(self) -> None:
        self._record = Record()
        self._held: deque[float] = deque(maxlen=_HELD)

    def take(self, seconds: float, position: int, learn: bool) -> Pause | None:
        """Return a pause that is longer than any before; `seconds` is more than 0."""
        record = self._record.value(position)
        found = None
        if seconds > record > 0 and len(self._held) >= _ENOUGH:
            found = Pause(seconds, record, self._index() * log2(seconds / record))
        if learn:
            self._record.add(position, seconds)
            self._held.append(seconds)
        return found

    def longest(self, position: int) -> float:
        """Return the longest pause so far, in seconds, as it stands for an event at this position."""
        return self._record.value(position)

    def _index(self) -> float:
        longest = sorted(self._held)[-_LONGEST - 1 :]
        spread = sum(log(one / longest[0]) for one in longest)
        return min(_MOST_INDEX, max(_LEAST_INDEX, _LONGEST / max(spread, 1e-9)))

    def leave_out(self, first: int, last: int) -> None:
        """Forget the records that were set between two positions, both included."""
        self._record.leave_out(first, last)

    def state(self) -> list[Any]:
        """Return it as plain JSON values, for `restore`."""
        return [self._record.state(), list(self._held)]

    def restore(self, state: list[Any]) -> None:
        """Restore what `state` returned."""
        self._record.restore(state[0])
        self._held.extend(state[1])


class Hours:
    """The number of events in each hour (UTC) of the last four weeks.

    The hour in which a source begins is not compared: it may have begun at any minute of it.
    """

    def __init__(self) -> None:
        self._hour = -1
        self._first = -1
        self._begun = -1  # the hour in which the present source begins
        self._unknown = range(0)  # hours between a baseline and the present source
        self._count = 0
        self._counts: deque[tuple[int, int]] = deque()
        self._departures: deque[tuple[int, float]] = deque()

    def take(self, seconds: float) -> HourCount | None:
        """Count an event of this time since 1970; return the hour that it ended where that was unusual."""
        hour = int(seconds // HOUR)
        if hour == self._hour:
            self._count += 1
            return None
        if hour < self._hour:
            return None
        if self._hour < 0:
            self._begin(hour)
            return None
        found = self._closed() if self._hour > self._begun else None
        if self._hour > self._begun or self._begun == self._first:
            self._counts.append((self._hour, self._count))
        while self._counts and self._counts[0][0] < hour - 24 * _KEPT:
            self._counts.popleft()
        self._hour, self._count = hour, 1
        return found

    def end_source(self) -> None:
        """Continue with another source; the last hour of this one was not complete."""
        self._hour, self._count = -1, 0

    def _begin(self, hour: int) -> None:
        """Begin a source: what is known of another one is moved by whole weeks to just before it."""
        if self._first < 0:
            self._first = hour
        else:
            last = self._counts[-1][0] if self._counts else self._first
            moved = (hour - 1 - last) // _WEEK * _WEEK
            self._first += moved
            self._counts = deque((one + moved, count) for one, count in self._counts)
            self._departures = deque((one + moved, bits) for one, bits in self._departures)
            self._unknown = range(last + moved + 1, hour + 1)
        self._hour, self._begun, self._count = hour, hour, 1

    def _closed(self) -> HourCount | None:
        for period in (_WEEK, 24):
            past = self._same_hour(period)
            if len(past) >= _PERIODS and self._is_dense():
                return self._compared(past)
        if past:
            self._compared(past)  # how far hours depart in this stream, from the second day on
        return None

    def _is_dense(self) -> bool:
        """Return whether a quarter of the last hours held events; with fewer, hours of the day are chance."""
        begin = self._hour - 24 * _PERIODS
        known = sum(hour not in self._unknown for hour in range(begin, self._hour))
        return sum(hour >= begin for hour, _ in self._counts) >= _DENSE * known

    def _same_hour(self, period: int) -> Sequence[int]:
        """The counts of the same hour in the periods before, 0 for none; without unknown hours."""
        known = dict(self._counts)
        hours = range(self._hour - period, max(self._first, self._hour - 24 * _KEPT), -period)
        return [known.get(hour, 0) for hour in hours if hour not in self._unknown]

    def _compared(self, past: Sequence[int]) -> HourCount | None:
        least, most, count = min(past), max(past), self._count
        usual = max(1, most) if count > most else least
        if not (count > 2 * most or 2 * count < least):
            return None
        bits = (count * log2(count / usual) if count else 0.0) - (count - usual) * _LOG2_E
        record = self._record()
        self._departures.append((self._hour, bits))
        if bits <= record:
            return None
        return HourCount(self._hour * HOUR, count, least, most, len(past), bits - record, 1 - record / bits)

    def _record(self) -> float:
        """The largest departure of the last four weeks without the last hours."""
        departures = self._departures
        while departures and departures[0][0] < self._hour - 24 * _KEPT:
            departures.popleft()
        return max((bits for hour, bits in departures if hour < self._hour - _NEWEST), default=0.0)

    def state(self) -> list[Any]:
        """Return it as plain JSON values, for `restore`."""
        held = [list(map(list, one)) for one in (self._counts, self._departures)]
        unknown = [self._unknown.start, self._unknown.stop]
        return [self._hour, self._first, self._begun, self._count, unknown, *held]

    def restore(self, state: list[Any]) -> None:
        """Restore what `state` returned."""
        self._hour, self._first, self._begun, self._count, unknown, counts, departures = state
        self._unknown = range(*unknown)
        self._counts.extend((int(hour), int(count)) for hour, count in counts)
        self._departures.extend((int(hour), float(bits)) for hour, bits in departures)
