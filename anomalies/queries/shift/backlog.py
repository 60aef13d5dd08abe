"""The backlog: how many anomalies are undecided now, and for how long.

The number and the ages come from the roll-up by hour: an age is counted from the beginning of the hour of the
anomaly's timestamp, so it is up to an hour too high. The hours of the last DAYS days are read, a bounded
number; a percentile that lies before them is None. The oldest anomaly is read by its index.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from django.http import QueryDict

from anomalies.models import OPEN, Anomaly
from anomalies.schema.search_path import ours

from .. import hourly_rollup
from ..bounded.filter_listing import listing_of
from ..bounded.pages import Page, page_after
from ..bounded.sql import Sql, named
from ..bounded.together import Answers, Read, Rows, moment, together
from ..filters import AnomalyFilter

DAYS = 90
_OLDEST_FIRST = ("timestamp", "id")
# Without the infinite times, which Python can't hold.
_EVER = "since=0002-01-02T00:00:00Z&until=9998-12-31T00:00:00Z"
_OPEN = "&".join([_EVER, *(f"status={status}" for status in OPEN)])
_STATUSES = ", ".join(f"'{status}'" for status in OPEN)
_TOTAL = f"""
    SELECT CASE WHEN NOT {{unbuilt}} THEN (
        SELECT coalesce(sum(total), 0)::bigint FROM {{totals}} WHERE status IN ({_STATUSES})
    ) END
"""  # noqa: S608 -- constants
_BY_HOUR = f"""
    SELECT hour, sum(total)::bigint FROM {{hours}}
    WHERE hour >= %(since)s AND hour < 'infinity' AND status IN ({_STATUSES})
    GROUP BY hour HAVING sum(total) > 0 ORDER BY hour DESC
"""  # noqa: S608 -- constants


@dataclass(frozen=True, slots=True)
class Backlog:
    """The undecided anomalies: ``count``, the median and 90th percentile of their age, the oldest one.

    A percentile is None where it is more than DAYS days, or nothing is open. ``count`` is None as long as the
    roll-up is not built.
    """

    count: int | None
    median: timedelta | None
    p90: timedelta | None
    oldest: Anomaly | None

    @property
    def is_long(self) -> bool:
        """True if a percentile is more than DAYS days."""
        return bool(self.count) and self.p90 is None


@dataclass(frozen=True, slots=True)
class BacklogReads:
    """The number of undecided anomalies (None as long as the roll-up is not built), and that of each hour."""

    count: Read[int | None]
    hours: Read[Rows]

    @classmethod
    def of(cls, now: datetime) -> BacklogReads:
        """Return them for a time."""
        total = _TOTAL.format(unbuilt=hourly_rollup.Selection.unbuilt(), totals=ours("anomaly_totals_now"))
        by_hour = named(_BY_HOUR.format(hours=ours("anomaly_hours_now")), since=now - timedelta(days=DAYS))
        return cls(Read(Sql(total), lambda rows: rows[0][0]), Read(by_hour, list, {0: moment}))


def backlog(now: datetime) -> Backlog:
    """The backlog at present; ages are counted up to ``now``."""
    reads = BacklogReads.of(now)
    return backlog_of(reads, together(reads.count, reads.hours), now)


def backlog_of(reads: BacklogReads, found: Answers, now: datetime) -> Backlog:
    """The backlog by what was read; the oldest anomaly is read in addition."""
    oldest = next(iter(first_open(1).rows), None)
    count, hours = found[reads.count], found[reads.hours]
    if count is None:
        return Backlog(None, None, None, oldest)
    # No age is above that of the oldest one, whose hour began before it.
    longest = now - oldest.timestamp if oldest else timedelta.max
    ages = [(max(min(now - hour, longest), timedelta()), number) for hour, number in hours]
    return Backlog(count, _percentile(ages, count, 0.5), _percentile(ages, count, 0.9), oldest)


def first_open(most: int, *, assigned_to: str = "") -> Page:
    """The undecided anomalies that happened first, the oldest one first: all, or those of an assignee."""
    query = f"{_OPEN}&assigned=me" if assigned_to else _OPEN
    listing = listing_of(AnomalyFilter(QueryDict(query), me=assigned_to))
    return page_after(listing, _OLDEST_FIRST, "", most, Anomaly.objects.for_list())


def _percentile(ages: list[tuple[timedelta, int]], count: int, fraction: float) -> timedelta | None:
    """The smallest age that at least this share does not exceed (nearest rank); None if it is not known."""
    rank, seen = max(1, ceil(fraction * count)), 0
    for age, number in ages:
        seen += number
        if seen >= rank:
            return age
    return None
