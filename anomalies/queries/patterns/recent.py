"""Patterns at a glance: the newest anomalies of each, and how many fell into each part of a time line.

Both read a bounded number of entries of the index by pattern, status and time, whatever a pattern's size. As
in ``queries.bounded.walks`` a row comparison over all columns of the index makes it the only possible plan;
what lies beyond a pattern and status is dropped afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from anomalies.models import Pattern, Status

SHOWN = 5  # anomalies of a pattern
PARTS = 24  # of the time line
MOST = 30  # anomalies counted in a part

_OPEN = (Status.PENDING, Status.INVESTIGATING)
_KEYS = 'anomalies.pattern, anomalies.status COLLATE "POSIX", anomalies.timestamp, anomalies.id'
_DOWN = ", ".join(f"{key} DESC NULLS LAST" for key in _KEYS.split(", "))
_BEFORE = f"""
    FROM anomalies WHERE ROW({_KEYS}) < ROW(wanted.key, wanted.status, {{place}})
        AND anomalies.pattern >= wanted.key ORDER BY {_DOWN}
"""
_WANTED = (
    "unnest(%(keys)s::uuid[], %(statuses)s::text[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[]) "
    "AS wanted (key, status, first, last)"
)
# A part ends with its last microsecond: no row there has the lowest id of the next one.
_FIRST, _LAST = f"'{UUID(int=0)}'::uuid", f"'{UUID(int=2**128 - 1)}'::uuid"
_END_OF_PART = f"%(end)s::timestamptz - %(step)s * ({PARTS} - part.no) + interval '1 us', {_FIRST}"
_NEWEST = f"""
    SELECT wanted.key, newest.* FROM {_WANTED} CROSS JOIN LATERAL (
        SELECT id, timestamp, status, pattern, ncd_score, left(glass_box_explanation, 300) AS headline,
               left(metadata ->> 'host', 200) AS host
        {_BEFORE.format(place=f"'infinity'::timestamptz, {_LAST}")} LIMIT {SHOWN}
    ) AS newest WHERE newest.pattern = wanted.key AND newest.status = wanted.status
    ORDER BY newest.status NOT IN ('{_OPEN[0]}', '{_OPEN[1]}'), newest.timestamp DESC, newest.id DESC
"""  # noqa: S608 -- constants
_COUNTS = f"""
    SELECT wanted.key, part.no, least(sum(found.n), {MOST}) FROM {_WANTED}
    JOIN generate_series(1, {PARTS}) AS part (no)
        ON wanted.first <= %(end)s::timestamptz - %(step)s * ({PARTS} - part.no)
        AND wanted.last > %(end)s::timestamptz - %(step)s * ({PARTS} + 1 - part.no)
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (
            WHERE pattern = wanted.key AND status = wanted.status
              AND timestamp > %(end)s::timestamptz - %(step)s * ({PARTS} + 1 - part.no)
        ) AS n FROM (
            SELECT pattern, status, timestamp
            {_BEFORE.format(place=_END_OF_PART)}
            LIMIT {MOST}
        ) AS entries
    ) AS found
    WHERE found.n > 0 GROUP BY wanted.key, part.no
"""  # noqa: S608 -- constants


@dataclass(frozen=True, slots=True)
class Example:
    """An anomaly of a pattern, with the first 300 characters of its explanation."""

    id: UUID
    timestamp: datetime
    status: str
    ncd_score: float
    headline: str
    host: str


@dataclass(frozen=True, slots=True)
class Activity:
    """The anomalies of each pattern in PARTS parts of time, the last one up to ``end``; at most MOST each."""

    end: datetime
    step: timedelta
    counts: dict[UUID, tuple[int, ...]]


def newest(patterns: Sequence[Pattern]) -> dict[UUID, tuple[Example, ...]]:
    """The newest anomalies of each pattern, undecided ones first."""
    found: dict[UUID, list[Example]] = {pattern.key: [] for pattern in patterns}
    for key, pk, moment, status, _pattern, ncd, headline, host in _rows(_NEWEST, _wanted(patterns)):
        found[key].append(Example(pk, moment, status, ncd, headline, host or ""))
    return {key: tuple(each[:SHOWN]) for key, each in found.items()}


def activity(patterns: Sequence[Pattern]) -> Activity | None:
    """Their activity up to the newest of their anomalies: by hours if all are of one day, else by days."""
    ends = [pattern.last_seen for pattern in patterns if pattern.last_seen]
    begins = [pattern.first_seen for pattern in patterns if pattern.first_seen]
    if not ends or not begins:
        return None
    end = max(ends)
    step = timedelta(hours=1) if end - min(begins) < timedelta(hours=PARTS) else timedelta(days=1)
    counts = {pattern.key: [0] * PARTS for pattern in patterns}
    for key, number, count in _rows(_COUNTS, {**_wanted(patterns), "end": end, "step": step}):
        counts[key][number - 1] = int(count)
    return Activity(end, step, {key: tuple(each) for key, each in counts.items()})


def _wanted(patterns: Sequence[Pattern]) -> dict[str, Any]:
    """Each pattern with each status that anomalies of it have, and its span."""
    pairs = [(each, status) for each in patterns for status in Status.values if getattr(each, status)]
    return {
        "keys": [each.key for each, _ in pairs],
        "statuses": [status for _, status in pairs],
        "firsts": [each.first_seen for each, _ in pairs],
        "lasts": [each.last_seen for each, _ in pairs],
    }


def _rows(statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
