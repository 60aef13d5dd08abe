"""The number of anomalies in a list by status and stream: exact, or a lower bound.

The newest COUNTED entries of the index on time are tested. If the list's time range has no more, or a
finder collected all matches, the count is exact, otherwise it is a lower bound, from the newest FETCHED
entries if the index doesn't answer the list. The cost doesn't depend on the table's size. Whether there are
more is read from the index alone, so the matches are selected by a WHERE: its conditions are tested in the
order of their costs, a number before the words of a text.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import EmptyResultSet

from .finding import Named, finding
from .listing import Listing
from .sql import Sql, condition_of, joined, sql, with_queries
from .together import Read, Rows
from .walks import BY_STATUS, NEWEST_FIRST, Walk, range_walk

COUNTED = 10_000  # index entries that are tested
# Entries that are tested if there are more than COUNTED and the rows have to be fetched: the count is a lower
# bound in any case.
FETCHED = 2_000


@dataclass(frozen=True, slots=True)
class Count:
    """The number of rows: exactly ``least``, or at least that many if not ``is_exact``."""

    least: int
    is_exact: bool


@dataclass(frozen=True, slots=True)
class Counting:
    """Named ``queries`` and two expressions over them: ``pairs`` is JSON of (status, stream, n), ``is_whole``
    is true if these count all rows."""

    queries: tuple[Named, ...]
    pairs: Sql
    is_whole: Sql


def count(listing: Listing, *, is_frequent: bool = False) -> Count:
    """The number of rows in a list, at most COUNTED; ``is_frequent`` as in ``counting``."""
    return count_read(listing, is_frequent=is_frequent).now()


def count_read(listing: Listing, *, is_frequent: bool = False) -> Read[Count]:
    """The read of ``count``."""
    try:
        read = counting(listing, is_frequent=is_frequent)
    except EmptyResultSet:
        return Read(Sql("SELECT 0, true"), _count)
    return Read(
        sql(
            "{queries} SELECT coalesce(sum(n), 0)::bigint, {is_whole} FROM counted",
            queries=with_queries(read.queries),
            is_whole=read.is_whole,
        ),
        _count,
    )


def _count(rows: Rows) -> Count:
    [(found, is_whole)] = rows
    return Count(min(found, COUNTED), is_exact=is_whole and found <= COUNTED)


def counting(listing: Listing, *, is_frequent: bool = False) -> Counting:
    """The count of a list: of all its rows if a finder collects them, else among its newest COUNTED.

    ``is_frequent`` if it is known that no finder collects them. Raises EmptyResultSet for a list that can't
    have rows.
    """
    condition, walk = condition_of(listing.rows), range_walk(listing, NEWEST_FIRST.tail)
    queries: list[Named] = []
    is_answered = listing.columns <= BY_STATUS.answers
    is_known, counted = Sql("false"), [_looked(walk, condition, COUNTED if is_answered else FETCHED)]
    if not (is_frequent or is_answered):
        queries, is_known = finding(listing, condition)
    if queries:
        found = "SELECT status, stream_type, count(*) FROM found WHERE fits AND {is_known} GROUP BY 1, 2"
        counted.append(sql(found, is_known=is_known))
    segment = walk.given(sql("NOT {is_known}", is_known=is_known))
    return Counting(
        (
            *queries,
            ("newest", segment),
            ("further", _further(walk)),
            ("counted", joined(" UNION ALL ", counted)),
        ),
        Sql("(SELECT jsonb_agg(jsonb_build_array(status, stream_type, n)) FROM counted)"),
        Sql("(NOT EXISTS (SELECT FROM further))"),
    )


def _looked(walk: Walk, condition: Sql, fetched: int) -> Sql:
    """The matches among the newest COUNTED entries of the list's time range; ``fetched`` if it has more."""
    return sql(
        "SELECT status, stream_type, count(*) AS n FROM newest AS segment CROSS JOIN LATERAL (SELECT ahead.* "
        "FROM (SELECT anomalies.* {entries} LIMIT {most}) AS ahead "
        "LIMIT CASE WHEN EXISTS (SELECT FROM further) THEN {fetched} ELSE {most} END) AS anomalies "
        "WHERE {condition} GROUP BY 1, 2",
        condition=condition,
        entries=walk.entries,
        most=COUNTED + 1,
        fetched=fetched + 1,
    )


def _further(walk: Walk) -> Sql:
    """The entry after the newest COUNTED ones, if it is in the list's time range."""
    return sql(
        "SELECT FROM newest AS segment CROSS JOIN LATERAL "
        "(SELECT anomalies.{column} {entries} LIMIT 1 OFFSET {counted}) AS anomalies WHERE {end}",
        column=walk.index.tail[0],
        entries=walk.entries,
        counted=COUNTED,
        end=walk.end,
    )
