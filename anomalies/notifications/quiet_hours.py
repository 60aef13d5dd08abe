"""Quiet hours: the times of a day in a zone in which nothing is sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From ``start`` until ``end`` by the clocks of ``zone``; over midnight if the end is the earlier one."""

    start: time
    end: time
    zone: str

    def next_allowed(self, now: datetime) -> datetime:
        """``now``, or the end of the quiet hours that it falls in.

        Where clocks are put forward over the end, it is the first moment after it; where they are put back,
        the second of the two.
        """
        local = now.astimezone(ZoneInfo(self.zone))
        if not self._includes(local.time()):
            return now
        day = local.date()
        if self.start > self.end and local.time() >= self.start:
            day += timedelta(days=1)
        end = datetime.combine(day, self.end, local.tzinfo).replace(fold=1)
        return max(end.astimezone(now.tzinfo), now)

    def _includes(self, moment: time) -> bool:
        if self.start < self.end:
            return self.start <= moment < self.end
        return moment >= self.start or moment < self.end
