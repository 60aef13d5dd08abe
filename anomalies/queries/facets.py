"""The figures beside a list: the count, the facets by status and stream, and the months with anomalies.

They come from one statement, whose reads are bounded (`bounded.counts`), or which reads no anomaly if a
roll-up answers. The months are found by a loose index scan: each step asks the index on time for the newest
row before the month just found, so the cost grows with the number of months, not of rows.
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

from .bounded import counts
from .bounded.listing import Listing
from .bounded.sql import Sql, sql, with_queries
from .bounded.value_counts import ValueCounts, counting_values, counts_of
from .hourly_rollup import Selection
from .patterns.rollup import Patterned
from .tag_rollup import Tagged

# A list that a roll-up can count.
Counted = Selection | Tagged | Patterned

_STEPS = 60  # months or days that are offered at most

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
    """The parts of the timeline to offer: each ``unit`` (month or day, in ``zone``) with an anomaly."""

    unit: str
    zone: str
    since: datetime | None = None
    until: datetime | None = None

    @property
    def values(self) -> list[Any]:
        """The parameters of the walk's statement, in order."""
        since, until = self.since or "-infinity", self.until or "infinity"
        return [self.unit, self.zone, since, until, self.unit, self.zone, since, _STEPS]


@dataclass(frozen=True, slots=True)
class Figures:
    """``count`` rows, or at least that many if ``is_least``; the ``parts`` of the timeline with rows, newest
    first.

    ``facets`` are counts by (status, stream) without the filters on these two, None while the roll-up is
    being built; lower bounds if ``is_sampled``. ``newest_run`` is the id of the newest detection run
    (`stats.chance_of`). ``values`` are the most frequent values of other filters.
    """

    count: int = 0
    is_least: bool = False
    facets: Counter[tuple[str, str]] | None = field(default_factory=Counter)
    parts: tuple[datetime, ...] = ()
    is_sampled: bool = False
    newest_run: int | None = None
    values: ValueCounts = field(default_factory=ValueCounts)


@contextmanager
def figures(
    listing: Listing,
    unfaceted: Listing,
    steps: Steps,
    selection: Counted | None = None,
    *,
    is_frequent: bool = False,
    pairs: str | None = None,
    is_least: bool = False,
    with_values: bool = False,
) -> Iterator[Callable[[], Figures]]:
    """The figures beside a list; ``unfaceted`` is the same list without conditions on status and stream.

    ``selection`` is ``unfaceted`` in terms of a roll-up, if one can count it: facets and count are then exact
    at any size. ``is_frequent`` if the list's page was walked: then no finder collects its rows, and none is
    looked for here. ``pairs`` are the counts of ``unfaceted``, if that page's reading gave them, as lower
    bounds if ``is_least`` (`bounded.pages.Page`). ``with_values`` also counts the values of other filters
    (`bounded.value_counts`).

    The server counts while the ``with`` block does other work (but no query); the function that the block
    receives waits for the result.
    """
    if selection is not None and not selection.answers_alone:
        selection = None
    try:
        counted = (
            _by_roll_up(listing, selection, is_frequent=is_frequent)
            if selection
            else _by_page(pairs, is_least=is_least)
            if pairs is not None
            else _by_reading(unfaceted, is_frequent=is_frequent)
        )
        values = counting_values(listing) if with_values else Sql("NULL")
    except EmptyResultSet:
        yield Figures
        return
    statement = f"""
        {counted.text},
               ({_WALK}),
               NOT {(selection or Selection).unbuilt()},
               {values.text},
               (SELECT max(id) FROM (
                   SELECT id FROM performance_metrics WHERE metric_type = 'detection' OFFSET 0) AS runs)
    """  # noqa: S608 - all of it is ours; values go beside it
    with connection.cursor() as cursor, connection.connection.pipeline():
        cursor.execute(statement, [*counted.values, *steps.values, *values.values])
        yield lambda: _figures(cursor.fetchone(), selection, listing)


def _figures(row: tuple[Any, ...], selection: Counted | None, listing: Listing) -> Figures:
    pairs, is_whole, facets, parts, is_built, values, newest_run = row
    read, found = _counter(pairs), _counter(facets)
    by_roll_up = selection is not None and is_built
    total = _sum_of(found if by_roll_up else read, listing)
    return Figures(
        count=min(total, counts.COUNTED),
        is_least=total > counts.COUNTED or not (by_roll_up or is_whole),
        facets=found if by_roll_up else read if selection is None else None,
        parts=tuple(parts or ()),
        is_sampled=not (by_roll_up or is_whole),
        newest_run=newest_run,
        values=counts_of(values) if values else ValueCounts(),
    )


def _counter(pairs: str | None) -> Counter[tuple[str, str]]:
    return Counter({(status, stream): n for status, stream, n in json.loads(pairs or "[]")})


def _sum_of(found: Counter[tuple[str, str]], listing: Listing) -> int:
    return sum(
        n
        for (status, stream), n in found.items()
        if (not listing.statuses or status in listing.statuses)
        and (not listing.streams or stream in listing.streams)
    )


def _by_roll_up(listing: Listing, selection: Counted, *, is_frequent: bool) -> Sql:
    """Facets from the roll-up; while it is being built, there are none and the rows are counted."""
    read, (text, values) = counts.counting(listing, is_frequent=is_frequent), selection.counts_as_sql()
    return sql(
        "{queries} SELECT CASE WHEN {unbuilt} THEN {pairs} END, CASE WHEN {unbuilt} THEN {is_whole} END, "
        "(SELECT jsonb_agg(jsonb_build_array(status, stream_type, n)) FROM ({facets}) AS each)",
        queries=with_queries(read.queries),
        unbuilt=selection.unbuilt(),
        pairs=read.pairs,
        is_whole=read.is_whole,
        facets=Sql(text, tuple(values)),
    )


def _by_page(pairs: str, *, is_least: bool) -> Sql:
    """Facets that are known; the count is the sum of the selected ones."""
    return Sql("SELECT %s::jsonb, NOT %s, NULL", (pairs, is_least))


def _by_reading(unfaceted: Listing, *, is_frequent: bool) -> Sql:
    """Facets from the rows; the count is the sum of the selected ones."""
    read = counts.counting(unfaceted, is_frequent=is_frequent)
    return sql(
        "{queries} SELECT {pairs}, {is_whole}, NULL",
        queries=with_queries(read.queries),
        pairs=read.pairs,
        is_whole=read.is_whole,
    )
