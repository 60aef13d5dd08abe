"""Rates, errors and percentiles by name, from the rows of a stretch of time.

At most READ rows are read, the newest, by the index on the time: however many there are, a page's time is
bounded, and the report says from when on it is complete. Rows of other programs, whose metadata is theirs,
count as one duration each.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from .timings import middle_of, part_of

READ = 20_000  # rows
ROWS = 100  # names of a table
_SHOWN = 300  # characters of an error


def _whole(key: str, otherwise: str) -> str:
    """SQL for a whole number of the metadata; a case, so that nothing else is cast that a program wrote."""
    value = f"metadata ->> '{key}'"
    return f"CASE WHEN {value} ~ '^[0-9]{{1,9}}$' THEN ({value})::bigint ELSE {otherwise} END"


_READ = f"""
    WITH newest AS MATERIALIZED (
        SELECT timestamp, metric_type, coalesce(endpoint, '') AS name, duration_ms, success,
               left(error_message, {_SHOWN}) AS error,
               CASE WHEN jsonb_typeof(metadata -> 'parts') = 'object' THEN metadata -> 'parts' END AS parts,
               metadata
        FROM performance_metrics WHERE timestamp > %(since)s AND timestamp <= %(until)s
        ORDER BY timestamp DESC LIMIT {READ}
    ), counted AS (
        SELECT metric_type, name, key::int AS part, sum(value::text::bigint) AS times
        FROM newest CROSS JOIN LATERAL jsonb_each(parts)
        WHERE key ~ '^[0-9]{{1,2}}$' AND jsonb_typeof(value) = 'number' AND value::text ~ '^[0-9]{{1,9}}$'
        GROUP BY 1, 2, 3
    ), single AS (
        SELECT metric_type, name, duration_ms, count(*) AS times
        FROM newest WHERE parts IS NULL GROUP BY 1, 2, 3
    )
    SELECT 'name', metric_type, name, NULL, NULL, jsonb_build_object(
               'failed', sum({_whole("failed", "(NOT success)::int")}),
               'longest', max({_whole("longest_ms", "duration_ms")}),
               'amount', sum({_whole("events", "0")}),
               'error', (array_agg(error ORDER BY timestamp DESC) FILTER (WHERE NOT success))[1]
           )::text, max(timestamp)
    FROM newest GROUP BY metric_type, name
    UNION ALL SELECT 'part', metric_type, name, part, times, NULL, NULL FROM counted
    UNION ALL SELECT 'single', metric_type, name, duration_ms, times, NULL, NULL FROM single
    UNION ALL SELECT 'all', NULL, NULL, NULL, count(*), NULL, min(timestamp) FROM newest
"""  # noqa: S608 -- constants


@dataclass(slots=True)
class Timed:
    """The durations of one name. ``amount`` is of events, where its rows say how many they took in."""

    kind: str
    name: str
    count: int = 0
    failed: int = 0
    longest: float = 0.0
    amount: int = 0
    error: str = ""
    last: datetime | None = None
    parts: dict[int, int] = field(default_factory=dict)

    def percentile(self, share: float) -> float | None:
        """Return the duration in seconds that so large a share of all, 0 to 1, did not exceed."""
        rest = share * self.count
        for part in sorted(self.parts):
            rest -= self.parts[part]
            if rest <= 0:
                return min(middle_of(part), self.longest)
        return None


@dataclass(frozen=True, slots=True)
class Report:
    """The names of a stretch of time, by their total time; ``reached`` is set if not all rows were read."""

    since: datetime
    until: datetime
    names: Sequence[Timed]
    reached: datetime | None

    @property
    def minutes(self) -> float:
        """The length of what was read."""
        return max((self.until - (self.reached or self.since)).total_seconds() / 60, 1 / 60)

    def of(self, *kinds: str) -> list[Timed]:
        """Return the names of these kinds, at most ROWS."""
        return [each for each in self.names if each.kind in kinds][:ROWS]


def report(since: datetime, until: datetime) -> Report:
    """Read the durations after ``since``, up to ``until``, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(_READ, {"since": since, "until": until})
        rows = cursor.fetchall()
    return _report(since, until, rows)


def _report(since: datetime, until: datetime, rows: Iterable[tuple[Any, ...]]) -> Report:
    found: dict[tuple[str, str], Timed] = {}
    reached = None
    for what, kind, name, number, times, about, moment in rows:
        if what == "all":
            reached = moment if times >= READ else None
            continue
        one = found.setdefault((kind, name), Timed(kind, name))
        if what == "name":
            said = json.loads(about)
            one.failed, one.longest = int(said["failed"]), said["longest"] / 1000
            one.amount, one.error, one.last = int(said["amount"]), said["error"] or "", moment
            continue
        part = number if what == "part" else part_of(number / 1000)
        one.parts[part] = one.parts.get(part, 0) + int(times)
        one.count += int(times)
    busiest = sorted(found.values(), key=lambda one: (-_total(one), one.kind, one.name))
    return Report(since, until, busiest, reached)


def _total(one: Timed) -> float:
    return sum(middle_of(part) * times for part, times in one.parts.items())
