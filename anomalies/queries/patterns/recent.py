"""Patterns at a glance: the newest anomalies of each, and how many fell into each part of a time line.

Both read a bounded number of entries of the index by pattern, status and time, whatever a pattern's size
(``newest_of_pattern``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from anomalies.models import OPEN, Pattern, Status, newest_of_pattern

SHOWN = 5  # anomalies of a pattern
PARTS = 24  # of the time line
MOST = 10  # anomalies counted in a part

_WANTED = (
    "unnest(%(keys)s::uuid[], %(statuses)s::text[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[]) "
    "AS wanted (key, status, first, last)"
)
_COLUMNS = """id, timestamp, status, ncd_score, left(glass_box_explanation, 300) AS headline,
               left(metadata ->> 'host', 200) AS host"""
_NEWEST = f"""
    SELECT wanted.key, newest.* FROM {_WANTED}
    CROSS JOIN LATERAL {newest_of_pattern(_COLUMNS, "wanted.key", "wanted.status", SHOWN)} AS newest
    ORDER BY newest.status NOT IN ('{OPEN[0]}', '{OPEN[1]}'), newest.timestamp DESC, newest.id DESC
"""  # noqa: S608 -- constants
_PARTS = (
    "unnest(%(begins)s::timestamptz[], %(ends)s::timestamptz[]) WITH ORDINALITY AS part (begins, ends, no)"
)
_IN_PART = newest_of_pattern(
    "1", "wanted.key", "wanted.status", MOST, since="part.begins", before="part.ends"
)
_COUNTS = f"""
    SELECT wanted.key, part.no, least(sum(found.n), {MOST}) FROM {_WANTED}
    JOIN {_PARTS} ON wanted.first < part.ends AND wanted.last >= part.begins
    CROSS JOIN LATERAL (SELECT count(*) AS n FROM {_IN_PART} AS entries) AS found
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
    for key, pk, moment, status, ncd, headline, host in _rows(_NEWEST, _wanted(patterns)):
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
    # A part ends with its last microsecond, and begins behind that of the one before it.
    edges = [end - step * (PARTS - number) + timedelta(microseconds=1) for number in range(PARTS + 1)]
    for key, number, count in _rows(_COUNTS, {**_wanted(patterns), "begins": edges[:-1], "ends": edges[1:]}):
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
