"""The mix view: the count of each template in a window of 60 lines, against its largest count in one before.

Counts of log lines are bursty: their variance is many times their mean, and differently so for each template.
So no distribution is fitted. A template's own record takes the place of the mean: the surprise of n lines
where r was the most is the Poisson deviance n log2(n / r) - (n - r) log2 e, the bits by which the rate that
fits describes the window better than the rate at the record (Cameron & Trivedi, "Regression Analysis of Count
Data", 1998). A second figure looks at the window as a whole: the bits by which its own shares code it better
than the stream's (the G statistic, Sokal & Rohlf, "Biometry"), beyond their running mean, against its own
record.
"""

from collections import deque
from math import fsum, log2
from typing import Any

from ..scoring.own_past import WINDOW, Record
from .templates import Pattern, Templates
from .things import Thing

_EVERY = 6  # events after which the window as a whole is looked at
_LEARN = 0.02  # share of a new figure in the running mean
_HALVE = 20_000  # events after which shares are counted half
_LOG2_E = 1.4427
_LEAST = 4  # lines that are many of a kind


class Mix:
    """The last 60 lines by their templates."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates
        self._window: deque[tuple[Pattern, int]] = deque()
        self._inside: dict[Thing, int] = {}
        self._events = 0
        self._mean = -1.0
        self._record = Record()

    def take(self, pattern: Pattern, position: int, number: int, learn: bool) -> float:
        """Count a line; return by how many bits its template is beyond its own record, mostly 0."""
        window, inside = self._window, self._inside
        window.append((pattern, number))
        if len(window) > WINDOW:
            gone = window.popleft()[0].template.thing
            gone.now = now = gone.now - 1
            if now:
                inside[gone] = now
            else:
                inside.pop(gone, None)
        thing = pattern.template.thing
        thing.now = now = thing.now + 1
        inside[thing] = now
        if not learn:
            return 0.0
        thing.seen += 1
        self._events += 1
        if self._events >= _HALVE:
            self._halve()
        bits = 0.0
        if now >= _LEAST:
            record = max(1.0, thing.record.value(position))
            if now > record:
                bits = now * log2(now / record) - (now - record) * _LOG2_E
        if now > 1:  # a record of one is as none
            thing.record.add(position, now)
        return bits

    def whole(self, position: int) -> tuple[float, float]:
        """Return by how many bits the whole window is beyond its record, and the share that this is."""
        if position % _EVERY or self._events <= WINDOW:
            return 0.0, 0.0
        outside = self._events - WINDOW + 1
        each = WINDOW / outside
        # Rounded once, so that the order of the sum does not matter.
        bits = fsum(
            [
                now * log2(now / usual)
                for thing, now in self._inside.items()
                if now > (usual := ((thing.seen - now if thing.seen > now else 0) + 0.5) * each)
            ]
        )
        if self._mean < 0:
            self._mean = bits
        self._mean += (bits - self._mean) * _LEARN
        beyond = bits - self._mean
        if beyond <= 0:
            return 0.0, 0.0
        record = self._record.value(position)
        self._record.add(position, beyond)
        return max(0.0, beyond - record), max(0.0, 1 - record / beyond)

    def most_unusual(self) -> tuple[Thing, float]:
        """Return the template that adds most to the window's surprise, and how often it is usual in one."""
        outside = max(1, self._events - WINDOW + 1)

        def usual(thing: Thing) -> float:
            return (max(thing.seen - self._inside[thing], 0) + 0.5) / outside * WINDOW

        found = max(
            self._inside,
            key=lambda one: (self._inside[one] * log2(self._inside[one] / usual(one)), -one.number),
        )
        return found, usual(found)

    def numbers(self, thing: Thing) -> list[int]:
        """Return the numbers of a template's events in the window, in order."""
        return [number for pattern, number in self._window if pattern.template.thing is thing]

    def end_window(self) -> None:
        """Begin a new window: the next line is the first one in it."""
        for thing in self._inside:
            thing.now = 0
        self._window.clear()
        self._inside.clear()

    def _halve(self) -> None:
        self._events //= 2
        for template in self._templates:
            template.thing.seen //= 2

    def leave_out(self, first: int, last: int) -> None:
        """Forget the record of the whole that was set between two positions, both included."""
        self._record.leave_out(first, last)

    def state(self) -> list[Any]:
        """Return it as plain JSON values, for `restore`."""
        window = [[pattern.text, number] for pattern, number in self._window]
        return [window, self._events, self._mean, self._record.state()]

    def restore(self, state: list[Any]) -> None:
        """Restore what `state` returned; the templates have their counts already."""
        window, self._events, self._mean, record = state
        self._record.restore(record)
        for text, number in window:
            pattern = self._templates.patterns[text]
            self._window.append((pattern, number))
            thing = pattern.template.thing
            self._inside[thing] = thing.now
