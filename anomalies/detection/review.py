"""The oddest windows of a day that were not flagged, for readers who look beyond significance.

Where the history itself is a quarter anomalous, sound p-values have little power. These windows are ranked
and nothing else, and are never called significant.
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from .episodes import Alarm, Episode
from .state_json import from_plain, to_plain

_LEAST = 1_000  # events of a day: in a stream of a few a day each would be among its oddest
_DAY_OF_EVENTS = 10_000  # what counts as a day in a stream without times

Height = tuple[float, float]


class Review:
    """The `per_day` oddest windows of the current day, none of which touch each other.

    A day is one of UTC, by the newest time that the stream has shown, and goes on until it has 1,000 events;
    without times it is 10,000 events.
    """

    def __init__(self, per_day: int, is_text: bool = True) -> None:
        self._per_day = per_day
        self._is_text = is_text
        self._day: date | int | None = None
        self._begun = 0
        self._kept: list[Alarm] = []

    def turn_to(self, time: datetime | None, events: int) -> Iterator[Episode]:
        """Yield what is kept of the day before, where a later one has come."""
        day = _day(time, events)
        if self._day is None or type(day) is not type(self._day):
            self._day, self._begun = day, events
        elif _is_later(day, self._day) and events - self._begun >= _LEAST:
            yield from self.finish()
            self._day, self._begun = day, events

    def wants(self, begin: int, height: Height) -> bool:
        """Return whether a window from this position on would be among the oddest."""
        if not self._per_day:
            return False
        rivals = [one for one in self._kept if one.position + 1 >= begin]
        if not rivals and len(self._kept) >= self._per_day:
            rivals = [min(self._kept, key=_rank)]
        return all(_rank(one) < (*height, -begin) for one in rivals)

    def keep(self, alarm: Alarm) -> None:
        """Keep a window that is wanted; drop what touches it, and the least odd one beyond the number."""
        self.drop_touching(alarm.begin, alarm.position)
        self._kept.append(alarm)
        if len(self._kept) > self._per_day:
            self._kept.remove(min(self._kept, key=_rank))

    def drop_touching(self, first: int, last: int) -> None:
        """Drop what overlaps or touches these positions: it is part of what is reported there."""
        self._kept = [one for one in self._kept if one.position + 1 < first or last + 1 < one.begin]

    def finish(self) -> Iterator[Episode]:
        """Yield what is kept, in the order of the stream, and keep nothing."""
        kept, self._kept = sorted(self._kept, key=lambda one: one.position), []
        yield from (Episode.begun(alarm, self._is_text) for alarm in kept)

    def state(self) -> Any:
        """Return what it keeps as plain JSON values, for `restore`."""
        day = self._day.isoformat() if isinstance(self._day, date) else self._day
        return {"day": day, "begun": self._begun, "kept": to_plain(self._kept)}

    def restore(self, state: Any) -> None:
        """Restore what `state` returned."""
        day, self._begun = state["day"], state["begun"]
        self._day = date.fromisoformat(day) if isinstance(day, str) else day
        self._kept = from_plain(list[Alarm], state["kept"])


def _day(time: datetime | None, events: int) -> date | int:
    return time.date() if time else events // _DAY_OF_EVENTS


def _is_later(day: date | int, former: date | int) -> bool:
    if isinstance(day, date) and isinstance(former, date):
        return day > former
    return isinstance(day, int) and isinstance(former, int) and day > former


def _rank(alarm: Alarm) -> tuple[float, float, int]:
    """The sort key of windows: the oddest is the largest; of equals the earlier one."""
    return *alarm.height, -alarm.begin
