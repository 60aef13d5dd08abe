"""What stands in a list's margins: how many there are, of which status and stream, and in which months.

All of it in one statement that reads COUNTED rows at most, none where the roll-up answers, and goes from
month to month by the index of times: at ten million rows it takes as long as at ten thousand.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

from anomalies.models import Anomaly

from .hourly_rollup import Selection
from .tag_rollup import Tagged

# A list as a roll-up knows it.
Counted = Selection | Tagged

COUNTED = 10_000
_STEPS = 60  # months or days that are offered

# From the newest row down: each step asks the index for the newest row before the month (or day) just found.
_WALK = """
    WITH RECURSIVE walk (part, step) AS (
        (SELECT date_trunc(%s, timestamp, %s), 1 FROM anomalies
         WHERE timestamp >= %s AND timestamp < %s ORDER BY timestamp DESC LIMIT 1)
        UNION ALL
        SELECT (SELECT date_trunc(%s, timestamp, %s) FROM anomalies
                WHERE timestamp >= %s AND timestamp < walk.part ORDER BY timestamp DESC LIMIT 1), step + 1
        FROM walk WHERE walk.part IS NOT NULL AND step < %s
    )
    SELECT array_agg(part ORDER BY part DESC) FROM walk WHERE part IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Steps:
    """Which parts of the time line to offer: each ``unit`` (month or day) of a zone that holds anything."""

    unit: str
    zone: str
    since: datetime | None = None
    until: datetime | None = None

    @property
    def values(self) -> list[Any]:
        """What the walk asks for, in its order."""
        since, until = self.since or "-infinity", self.until or "infinity"
        return [self.unit, self.zone, since, until, self.unit, self.zone, since, _STEPS]


@dataclass(frozen=True, slots=True)
class Margins:
    """``count`` rows, COUNTED + 1 for more; ``parts`` of the time line that hold any, newest first.

    ``facets`` counts by (status, stream) what there would be without a filter on these two, None while the
    roll-up is being built; ``is_sampled``: there are more than were counted, so each is at least that many.
    ``newest_run`` is the newest record of a detector's run (`stats.chance_of`).
    """

    count: int = 0
    facets: Counter[tuple[str, str]] | None = field(default_factory=Counter)
    parts: tuple[datetime, ...] = ()
    is_sampled: bool = False
    newest_run: int | None = None


@contextmanager
def counting(
    shown: QuerySet[Anomaly],
    unfaceted: QuerySet[Anomaly],
    steps: Steps,
    selection: Counted | None = None,
    chosen: Counted | None = None,
) -> Iterator[Callable[[], Margins]]:
    """The margins of the ``shown`` rows; ``unfaceted`` is the same list of any status and stream.

    ``selection`` is that list as a roll-up knows it, where one does: its facets are then exact at any size,
    and so is the count, by the statuses and streams of ``chosen``, which is the list that is shown.

    The server counts while the block does something else, anything but ask it; what the block is given waits
    for the answer.
    """
    if selection is not None and not selection.is_told_alone:
        selection = None
    try:
        lists = _lists(shown, unfaceted)
        counts, values = _by_roll_up(lists, selection) if selection else _by_reading(lists)
    except EmptyResultSet:
        yield Margins
        return
    statement = f"""
        {counts},
               ({_WALK}),
               NOT {(selection or Selection).unbuilt()},
               (SELECT max(id) FROM (
                   SELECT id FROM performance_metrics WHERE metric_type = 'detection' OFFSET 0) AS runs)
    """  # noqa: S608 - all of it is ours; values go beside it
    with connection.cursor() as cursor, connection.connection.pipeline():
        cursor.execute(statement, [*values, *steps.values])
        yield lambda: _told(cursor.fetchone(), selection, chosen)


def _told(row: tuple[Any, ...], selection: Counted | None, chosen: Counted | None) -> Margins:
    total, counted, parts, is_built, newest_run = row
    found = Counter({(status, stream): n for status, stream, n in json.loads(counted or "[]")})
    if total is None:
        total = min(COUNTED + 1, _sum_of(found, chosen))
    return Margins(
        count=total,
        facets=found if is_built or selection is None else None,
        parts=tuple(parts or ()),
        is_sampled=selection is None and found.total() > COUNTED,
        newest_run=newest_run,
    )


def _sum_of(found: Counter[tuple[str, str]], chosen: Counted | None) -> int:
    statuses, streams = (chosen.statuses, chosen.streams) if chosen else ((), ())
    return sum(
        n
        for (status, stream), n in found.items()
        if (not statuses or status in statuses) and (not streams or stream in streams)
    )


_Sql = tuple[str, tuple[Any, ...]]
_PAIRS = "SELECT jsonb_agg(jsonb_build_array(status, stream_type, n))"


def _lists(shown: QuerySet[Anomaly], unfaceted: QuerySet[Anomaly]) -> tuple[_Sql, _Sql]:
    """Both lists up to the cap, as SQL: the same SQL where no status and no stream is asked for."""
    columns = ("status", "stream_type")
    return _capped(shown, *columns), _capped(unfaceted, *columns)


def _by_roll_up(lists: tuple[_Sql, _Sql], selection: Counted) -> _Sql:
    """Facets by the roll-up; the count with them, or read (else NULL) while that is being built."""
    (shown, shown_values), _ = lists
    facets, facet_values = selection.counts_as_sql()
    statement = f"""
        SELECT CASE WHEN {selection.unbuilt()}
                    THEN (SELECT count(*) FROM ({shown}) AS shown) END,
               ({_PAIRS} FROM ({facets}) AS each)"""  # noqa: S608 - all of it is ours; values go beside it
    return statement, (*shown_values, *facet_values)


def _by_reading(lists: tuple[_Sql, _Sql]) -> _Sql:
    """Count and facets from the rows; NULL for the count where both are of the same list: to be added up."""
    (shown, shown_values), (unfaceted, values) = lists
    count = "NULL::bigint"
    if lists[0] != lists[1]:
        count, values = f"(SELECT count(*) FROM ({shown}) AS shown)", (*shown_values, *values)  # noqa: S608
    statement = f"""
        SELECT {count},
               ({_PAIRS} FROM (
                   SELECT status, stream_type, count(*) AS n FROM ({unfaceted}) AS unfaceted
                   GROUP BY 1, 2) AS each)"""  # noqa: S608 - all of it is ours; values go beside it
    return statement, values


def _capped(queryset: QuerySet[Anomaly], *columns: str) -> _Sql:
    """SQL for these columns of COUNTED + 1 rows at most. Raises EmptyResultSet for what can't hold any."""
    rows = queryset.order_by().values(*columns)[: COUNTED + 1]
    capped: _Sql = rows.query.sql_with_params()
    return capped
