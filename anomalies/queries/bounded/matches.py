"""All anomalies of a list, or as many as one bulk decision may cover: for exports and decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from anomalies.models import Anomaly

from .finding import finding
from .listing import Listing
from .pages import walked
from .sql import Sql, condition_of, sql, with_queries
from .walks import Order, Walk, walk_of

LOOKED_AT = 500_000  # index entries read for a bulk decision
FOUND = 5_000  # rows that a finder collects; without it, an export reads the whole table


@dataclass(frozen=True, slots=True)
class Selection:
    """``rows`` in a list's order; ``is_part`` if the search for them stopped before the list's end."""

    rows: QuerySet[Anomaly]
    is_part: bool


def every(listing: Listing) -> QuerySet[Anomaly]:
    """All rows of a list, unordered: through a finder if there are few, else from the whole table."""
    collected = _collected(listing)
    return listing.rows if collected is None else collected


def first(listing: Listing, ordering: Sequence[str], most: int) -> Selection:
    """The first rows in a list's order: ``most`` of them, or more if a finder collected them all.

    They are searched for among LOOKED_AT entries of an index.
    """
    order, collected = Order(tuple(ordering)), _collected(listing)
    if collected is not None:
        return Selection(collected.order_by(*order.names), is_part=False)
    walk = walk_of(listing, order)
    if listing.columns <= walk.index.answers:
        budget, is_part = most, False
    else:
        budget = LOOKED_AT // len(walk.segments)
        is_part = _goes_on(walk, budget)
    hits = walked(walk, condition_of(listing.rows), most, budget)
    ids = sql(
        "{queries} SELECT id FROM walked ORDER BY {order} LIMIT {most}",
        queries=with_queries([("segment", walk.given()), ("walked", hits)]),
        order=order.as_sql(),
        most=most,
    )
    return Selection(_with_ids(ids).order_by(*order.names), is_part)


def _collected(listing: Listing) -> QuerySet[Anomaly] | None:
    """All rows, if a finder collects them; None if there may be many."""
    try:
        condition = condition_of(listing.rows)
    except EmptyResultSet:
        return listing.rows
    queries, is_known = finding(listing, condition, FOUND)
    if not queries:
        return None
    found = "{queries} SELECT {is_known}, (SELECT array_agg(id) FROM found WHERE fits AND {is_known})"
    is_complete, ids = _row(sql(found, queries=with_queries(queries), is_known=is_known))
    if not is_complete:
        return None
    if not ids:
        return listing.rows.none()
    # The condition is tested again on the rows' present values; OFFSET 0 keeps the plan to the key's index.
    rows = (
        "SELECT id FROM (SELECT * FROM anomalies WHERE id = ANY (ARRAY(SELECT unnest({ids}))) OFFSET 0"
        ") AS anomalies WHERE {condition}"
    )
    given = Sql("%s::uuid[]", (ids,))
    return _with_ids(sql(rows, ids=given, condition=condition))


def _with_ids(ids: Sql) -> QuerySet[Anomaly]:
    """The anomalies of these ids. An array hides their number from the planner: each is read by its key."""
    hidden_ids = sql("SELECT unnest(ARRAY({ids}))", ids=ids)
    return Anomaly.objects.filter(pk__in=RawSQL(hidden_ids.text, hidden_ids.values))  # noqa: S611 - values are beside it


def _goes_on(walk: Walk, budget: int) -> bool:
    """True if a segment has more entries than ``budget``."""
    (count,) = _row(
        sql(
            "{queries} SELECT count(*) FROM segment CROSS JOIN LATERAL (SELECT FROM "
            "(SELECT anomalies.* {entries} LIMIT 1 OFFSET {budget}) AS anomalies WHERE {same} AND {end}"
            ") AS next",
            queries=with_queries([("segment", walk.given())]),
            entries=walk.entries,
            budget=budget,
            same=walk.same,
            end=walk.end,
        )
    )
    return bool(count)


def _row(statement: Sql) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.values)
        row: tuple[Any, ...] = cursor.fetchone()
    return row
