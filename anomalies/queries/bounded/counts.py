"""The number of anomalies in a list by status and stream: exact, or a lower bound.

The newest COUNTED entries of the index on time are tested; if the list's time range has no more, or a finder
collected all matches, the count is exact, otherwise it is a lower bound. The cost doesn't depend on the
table's size.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import EmptyResultSet
from django.db import connection

from .finding import Named, finding
from .listing import Listing
from .sql import Sql, condition_of, joined, sql, with_queries
from .walks import BY_STATUS, NEWEST_FIRST, Walk, range_walk

COUNTED = 10_000  # index entries that are tested


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


def count(listing: Listing) -> Count:
    """The number of rows in a list, at most COUNTED."""
    try:
        read = counting(listing)
    except EmptyResultSet:
        return Count(0, is_exact=True)
    statement = sql(
        "{queries} SELECT coalesce(sum(n), 0)::bigint, {is_whole} FROM counted",
        queries=with_queries(read.queries),
        is_whole=read.is_whole,
    )
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.values)
        found, is_whole = cursor.fetchone()
    return Count(min(found, COUNTED), is_exact=is_whole and found <= COUNTED)


def counting(listing: Listing) -> Counting:
    """The count of a list: of all its rows if a finder collects them, else among its newest COUNTED.

    Raises EmptyResultSet for a list that can't have rows.
    """
    condition, walk = condition_of(listing.rows), range_walk(listing, NEWEST_FIRST.tail)
    queries: list[Named] = []
    is_known, counted = Sql("false"), [_looked(walk, condition)]
    if not listing.columns <= BY_STATUS.answers:
        queries, is_known = finding(listing, condition)
    if queries:
        found = "SELECT status, stream_type, count(*), 0 FROM found WHERE fits AND {is_known} GROUP BY 1, 2"
        counted.append(sql(found, is_known=is_known))
    segment = walk.given(sql("NOT {is_known}", is_known=is_known))
    return Counting(
        (*queries, ("newest", segment), ("counted", joined(" UNION ALL ", counted))),
        Sql("(SELECT jsonb_agg(jsonb_build_array(status, stream_type, n)) FROM counted)"),
        Sql(f"(SELECT coalesce(sum(looked), 0) <= {COUNTED} FROM counted)"),  # noqa: S608 - a constant
    )


def _looked(walk: Walk, condition: Sql) -> Sql:
    """The matches among the newest COUNTED + 1 entries of the list's time range."""
    return sql(
        "SELECT status, stream_type, count(*) FILTER (WHERE {condition}) AS n, "
        "count(*) FILTER (WHERE {end}) AS looked "
        "FROM newest AS segment CROSS JOIN LATERAL "
        "(SELECT anomalies.* {entries} LIMIT {most}) AS anomalies GROUP BY 1, 2",
        condition=condition,
        end=walk.end,
        entries=walk.entries,
        most=COUNTED + 1,
    )
