"""Pages of a list by keyset: a page begins behind a row, and costs the same wherever that is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.query import RawQuerySet

from anomalies.models import Anomaly
from anomalies.queries import keyset

from .finding import Named, finding
from .listing import Listing
from .sql import Sql, condition_of, joined, sql, with_queries
from .walks import Order, Walk, walk_of

# Entries of an index that a page looks at: rows of one time lie together, those of one NCD all over the
# table.
LOOKED_AT = {"timestamp": 10_000, "ncd_score": 5_000, "p_value": 5_000}
# Of several segments each is looked at so far at least, all together.
_IN_SEGMENTS, _LEAST = 16_000, 2_000


@dataclass(frozen=True, slots=True)
class Page:
    """A page's rows, and whether there are any before and behind it.

    ``edge`` is the anomaly at which the search for more rows stopped, where it stopped before the page was
    full: beyond it, in the direction in which the page was read, there may be more.
    """

    rows: list[Any]
    has_previous: bool = False
    has_next: bool = False
    edge: Any = None


def page_after(
    listing: Listing,
    ordering: Sequence[str],
    cursor: str,
    size: int,
    shown: QuerySet[Anomaly],
    *,
    skipped: int = 0,
) -> Page:
    """The rows that follow the cursor's, the first ones for '', without the first ``skipped`` of them.

    They have the columns of ``shown``, which is all anomalies. Raises CursorError.
    """
    rows, edge = _read(listing, ordering, cursor, size + 1, shown, skipped)
    return Page(rows[:size], bool(cursor or skipped), len(rows) > size or edge is not None, edge)


def page_before(
    listing: Listing, ordering: Sequence[str], cursor: str, size: int, shown: QuerySet[Anomaly]
) -> Page:
    """The rows right before the cursor's, in the list's order; the last ones for ''. Raises CursorError."""
    rows, edge = _read(listing, keyset.reverse(ordering), cursor, size + 1, shown)
    return Page(rows[:size][::-1], len(rows) > size or edge is not None, bool(cursor), edge)


def answered(
    listing: Listing, ordering: Sequence[str], cursor: str, size: int, shown: QuerySet[Anomaly]
) -> QuerySet[Anomaly]:
    """The rows behind the cursor's of a list that the index of its order answers. Raises CursorError."""
    listing, walk = _behind(listing, ordering, cursor)
    return _answered(listing, walk, size, shown).order_by()


def _behind(listing: Listing, ordering: Sequence[str], cursor: str) -> tuple[Listing, Walk]:
    """The part of a list that is behind a place, and the walk that reads it."""
    place = keyset.values_of(Anomaly, ordering, cursor) if cursor else []
    listing = listing.showing(keyset.beyond(listing.rows, ordering, cursor))
    return listing, walk_of(listing, Order(tuple(ordering), tuple(place)))


def _read(
    listing: Listing,
    ordering: Sequence[str],
    cursor: str,
    size: int,
    shown: QuerySet[Anomaly],
    skipped: int = 0,
) -> tuple[list[Any], Any]:
    """The first rows of the order, at most ``size``, and the anomaly at which the search for more stopped."""
    listing, walk = _behind(listing, ordering, cursor)
    if not walk.segments:
        return [], None
    try:
        if listing.columns <= walk.index.answers:
            return list(_answered(listing, walk, size, shown, skipped)), None
        return _cut(_looked_for(listing, walk, size, shown, skipped))
    except EmptyResultSet:
        return [], None


def _answered(
    listing: Listing, walk: Walk, size: int, shown: QuerySet[Anomaly], skipped: int = 0
) -> QuerySet[Anomaly]:
    """The rows of a list that the index answers by itself."""
    hits = walked(walk, condition_of(listing.rows), size + skipped, size + skipped)
    ids = sql(
        "{queries} SELECT id FROM walked ORDER BY {order} LIMIT {size} OFFSET {skipped}",
        queries=with_queries([("segment", walk.given()), ("walked", hits)]),
        order=walk.order.as_sql(),
        size=size,
        skipped=skipped,
    )
    rows = shown.filter(pk__in=RawSQL(ids.text, ids.values))  # noqa: S611 - values are beside it
    return rows.order_by(*walk.order.names)


def _cut(rows: Iterable[Any]) -> tuple[list[Any], Any]:
    """The rows that fit, up to the first edge of what was looked at, and that edge."""
    found = []
    for row in rows:
        if row.is_hit:
            found.append(row)
        if row.is_edge:
            return found, row
    return found, None


def _looked_for(
    listing: Listing, walk: Walk, size: int, shown: QuerySet[Anomaly], skipped: int
) -> RawQuerySet[Any]:
    """The rows of ``page``: those that fit, and edges of what was looked at."""
    rows = shown.filter(pk__in=RawSQL("SELECT id FROM page", ())).annotate(
        is_hit=_is_in_page("NOT is_edge"), is_edge=_is_in_page("is_edge")
    )
    text, values = rows.order_by(*walk.order.names).query.sql_with_params()
    queries = with_queries(_page(listing, walk, size, skipped))
    statement = sql("{queries} {rows}", queries=queries, rows=Sql(text, tuple(values)))
    return Anomaly.objects.raw(statement.text, statement.values)


def _is_in_page(kind: str) -> RawSQL:
    rows = f"anomalies.id IN (SELECT id FROM page WHERE {kind})"  # noqa: S608 - constants
    return RawSQL(rows, (), output_field=BooleanField())  # noqa: S611 - constants


def _page(listing: Listing, walk: Walk, size: int, skipped: int) -> list[Named]:
    """The named queries up to ``page``: ids in the list's order, with the first edge where there is one."""
    condition, most, budget = condition_of(listing.rows), size + skipped, _budget(walk)
    queries, is_known = finding(listing, condition)
    either = _either(walk, is_known, is_found=bool(queries))
    page = sql(
        "SELECT id, is_edge FROM (SELECT id, is_edge, row_number() OVER (ORDER BY {order}, is_edge) AS number"
        " FROM ({either}) AS either ORDER BY {order}, is_edge LIMIT {most}) AS page"
        " WHERE number > {skipped} OR is_edge",
        either=either,
        order=walk.order.as_sql(),
        most=most,
        skipped=skipped,
    )
    return [
        *queries,
        ("segment", walk.given(sql("NOT {is_known}", is_known=is_known))),
        ("walked", walked(walk, condition, most, budget)),
        ("edge", _edge(walk, most, budget)),
        ("page", page),
    ]


def _either(walk: Walk, is_known: Sql, *, is_found: bool) -> Sql:
    """What was found, where that is all there is; what was walked, and its edges."""
    columns = ", ".join(walk.order.columns)
    parts = [
        Sql(f"SELECT {columns}, false AS is_edge FROM walked"),  # noqa: S608 - names of columns
        Sql(f"SELECT {columns}, true FROM edge"),  # noqa: S608 - names of columns
    ]
    if is_found:
        found = "SELECT {columns}, false FROM found WHERE fits AND {is_known}"
        parts.append(sql(found, columns=columns, is_known=is_known))
    return joined(" UNION ALL ", parts)


def _budget(walk: Walk) -> int:
    """How many entries of each segment are looked at."""
    count = len(walk.segments)
    return max(1, LOOKED_AT[walk.order.tail] // count, min(_LEAST, _IN_SEGMENTS // count))


def walked(walk: Walk, condition: Sql, size: int, budget: int) -> Sql:
    """Of each segment the first rows that fit, at most ``size`` of them among so many entries."""
    return sql(
        "SELECT segment.no, hit.* FROM segment CROSS JOIN LATERAL ("
        "SELECT {columns} FROM (SELECT anomalies.* {entries} LIMIT {budget}) AS anomalies"
        " WHERE {same} AND {condition} LIMIT {size}) AS hit",
        columns=", ".join(f"anomalies.{name}" for name in walk.order.columns),
        entries=walk.entries,
        budget=budget,
        same=walk.same,
        condition=condition,
        size=size,
    )


def _edge(walk: Walk, size: int, budget: int) -> Sql:
    """Of each segment that goes on although too little was found in it, the last entry that was looked at."""
    columns = dict.fromkeys((*walk.index.prefix, *walk.order.columns))
    return sql(
        "SELECT last.* FROM segment CROSS JOIN LATERAL (SELECT anomalies.* "
        "FROM (SELECT {columns} {entries} LIMIT 1 OFFSET {skipped}) AS anomalies "
        "WHERE (SELECT count(*) FROM walked WHERE walked.no = segment.no) < {size} AND {same} AND {end}"
        ") AS last",
        columns=", ".join(f"anomalies.{name}" for name in columns),
        entries=walk.entries,
        skipped=budget - 1,
        size=size,
        same=walk.same,
        end=walk.end,
    )
