"""The anomalies of a list that were stored after a moment: a count for a page that is already shown.

They are counted by the time of storage, by its index, since a detector may store anomalies of yesterday. At
most MOST entries of the index are read, each tested against the list's filter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import EmptyResultSet
from django.db import connection

from .listing import Listing
from .sql import Sql, condition_of, sql

MOST = 1_000


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The anomalies of a list that were stored after ``since``; ``is_least`` if MOST entries were read."""

    since: datetime
    count: int
    is_least: bool


def arrivals(listing: Listing, since: datetime | None, age: int = 0) -> Arrivals:
    """Count what was stored after ``since``, or in the last ``age`` milliseconds by the database's clock."""
    try:
        condition = condition_of(listing.rows)
    except EmptyResultSet:
        condition = Sql("false")
    statement = sql(
        "WITH start AS (SELECT {since} AS since) "
        "SELECT since, count(*) FILTER (WHERE {condition}), count(anomalies.id) = {most} "
        "FROM start LEFT JOIN LATERAL (SELECT * FROM anomalies WHERE created_at > since "
        "ORDER BY created_at DESC LIMIT {most}) AS anomalies ON true GROUP BY since",
        since=Sql("coalesce(%s::timestamptz, now() - %s * interval '1 millisecond')", (since, age)),
        condition=sql("anomalies.id IS NOT NULL AND ({condition})", condition=condition),
        most=MOST,
    )
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.values)
        return Arrivals(*cursor.fetchone())
