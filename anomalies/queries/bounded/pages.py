"""Pages of a list by keyset: a page begins after a given row and costs the same wherever that row is.

The rows of a page come from a finder if the sample shows that it collects all matches (`finding`), else from
a walk with a budget of index entries (`walks`); both are bounded, so a page is too. If a walk uses up its
budget before the page is full, the page ends at that entry (`Page.edge`), from which the next one goes on.
"""

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
from .walks import BY_TIME, NEWEST_FIRST, Order, Walk, walk_of

# Index entries read for a page, in all segments together. Rows of one time are stored together, those of one
# status, source or NCD lie apart: each is a block to read.
LOOKED_AT, LOOKED_AT_APART = 4_000, 2_000
_COUNTED = ("status", "stream_type")


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of a page; ``has_previous`` and ``has_next`` if there are rows before and after them.

    ``edge`` is the anomaly at which the search stopped before the page was full: beyond it, in the direction
    of reading, there may be more. ``is_walked`` if it is known that no finder collects the list's rows.
    ``pairs`` is JSON of (status, stream, n): on a first or last page, the counts of all rows that its reading
    came upon, unless it stopped at a full page; ``is_least`` if these are lower bounds.
    """

    rows: list[Any]
    has_previous: bool = False
    has_next: bool = False
    edge: Any = None
    is_walked: bool = False
    pairs: str | None = None
    is_least: bool = False


@dataclass(frozen=True, slots=True)
class _Reading:
    """The first rows of an order, and what Page has beside them."""

    rows: list[Any]
    edge: Any = None
    is_walked: bool = False
    pairs: str | None = None
    is_least: bool = False


_NOTHING = _Reading([])


def page_after(
    listing: Listing,
    ordering: Sequence[str],
    cursor: str,
    size: int,
    shown: QuerySet[Anomaly],
    *,
    skipped: int = 0,
) -> Page:
    """The page after the cursor's row (the first page for ''), without its first ``skipped`` rows.

    ``shown`` is a queryset of all anomalies with the columns to read. Raises CursorError.
    """
    read = _read(listing, ordering, cursor, size + 1, shown, skipped)
    rows, has_more = read.rows[:size], len(read.rows) > size or read.edge is not None
    return Page(rows, bool(cursor or skipped), has_more, read.edge, read.is_walked, read.pairs, read.is_least)


def page_before(
    listing: Listing, ordering: Sequence[str], cursor: str, size: int, shown: QuerySet[Anomaly]
) -> Page:
    """The page before the cursor's row, in the list's order; the last page for ''. Raises CursorError."""
    read = _read(listing, keyset.reverse(ordering), cursor, size + 1, shown)
    rows, has_more = read.rows[:size][::-1], len(read.rows) > size or read.edge is not None
    return Page(rows, has_more, bool(cursor), read.edge, read.is_walked, read.pairs, read.is_least)


def newest_ids(listing: Listing, most: int) -> Sql:
    """``WITH …`` up to ``page``: the ids of the newest matches, at most ``most``, and the edge of the search.

    Raises EmptyResultSet for a list that can't have rows.
    """
    walk = walk_of(listing, NEWEST_FIRST)
    if not listing.columns <= walk.index.answers:
        return with_queries(_page(listing, walk, most, 0))
    hits = walked(walk, condition_of(listing.rows), most, most)
    page = sql(
        "SELECT id, false AS is_edge FROM walked ORDER BY {order} LIMIT {most}",
        order=walk.order.as_sql(),
        most=most,
    )
    return with_queries([("segment", walk.given()), ("walked", hits), ("page", page)])


def answered(
    listing: Listing, ordering: Sequence[str], cursor: str, size: int, shown: QuerySet[Anomaly]
) -> QuerySet[Anomaly]:
    """The rows after the cursor's, of a list that the index of its order answers. Raises CursorError."""
    listing, walk = _behind(listing, ordering, cursor)
    return _answered(listing, walk, size, shown).order_by()


def _behind(listing: Listing, ordering: Sequence[str], cursor: str) -> tuple[Listing, Walk]:
    """The part of a list after a place, and the walk that reads it."""
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
) -> _Reading:
    """The first rows of the order, at most ``size``, and what their reading showed."""
    listing, walk = _behind(listing, ordering, cursor)
    if not walk.segments:
        return _NOTHING
    try:
        if listing.columns <= walk.index.answers:
            return _Reading(list(_answered(listing, walk, size, shown, skipped)))
        return _cut(_looked_for(listing, walk, size, shown, skipped, is_whole=not cursor))
    except EmptyResultSet:
        return _NOTHING


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


def _cut(rows: Iterable[Any]) -> _Reading:
    """The matching rows up to the first edge, and that edge (None without one).

    What each row has beside its columns is the same in all; without a row to show, one has nothing else.
    """
    found: list[Any] = []
    edge = row = None
    for row in rows:
        if row.is_hit:
            found.append(row)
        if row.is_edge:
            edge = row
            break
    if row is None:
        return _NOTHING
    return _Reading(found, edge, row.is_walked, row.pairs, row.is_least)


def _looked_for(
    listing: Listing, walk: Walk, size: int, shown: QuerySet[Anomaly], skipped: int, *, is_whole: bool
) -> RawQuerySet[Any]:
    """The rows of ``page``: matches, and the edges at which the search stopped; an empty row for none.

    If it ``is_whole``, the list and not its part behind a place, they have the ``pairs`` of a Page: a walk
    that used up its budget has tested as many rows as a count would.
    """
    rows = shown.filter(pk__in=RawSQL("SELECT id FROM page", ())).annotate(
        is_hit=_is_in_page("NOT is_edge"),
        is_edge=_is_in_page("is_edge"),
        place=RawSQL(f"row_number() OVER (ORDER BY {walk.order.as_sql()})", ()),  # noqa: S611 - names of columns
    )
    text, values = rows.order_by().query.sql_with_params()
    queries = _page(listing, walk, size, skipped)
    statement = sql(
        "{queries} SELECT shown.*, EXISTS (SELECT FROM segment) AS is_walked, {pairs} AS pairs, "
        "EXISTS (SELECT FROM edge) AS is_least "
        "FROM (VALUES (true)) AS once (is_once) LEFT JOIN shown ON true ORDER BY place",
        queries=with_queries([*queries, ("shown", Sql(text, tuple(values)))]),
        pairs=_pairs(size + skipped, is_found="known" in dict(queries)) if is_whole else "NULL",
    )
    return Anomaly.objects.raw(statement.text, statement.values)


def _pairs(most: int, *, is_found: bool) -> Sql:
    """The counts of the finder's matches, or of the walk's, if fewer than ``most`` ended it."""
    walk = "SELECT status, stream_type FROM walked"
    either = "{walk} UNION ALL SELECT status, stream_type FROM found WHERE fits AND {known}"
    known = Sql("(SELECT is_complete FROM known)" if is_found else "false")
    hits = sql(either if is_found else walk, walk=walk, known=known)
    return sql(
        "(SELECT coalesce(jsonb_agg(jsonb_build_array(status, stream_type, n)), '[]')::text "
        "FROM (SELECT status, stream_type, count(*) AS n FROM ({hits}) AS hits GROUP BY 1, 2) AS counted "
        "HAVING {known} OR (SELECT count(*) FROM walked) < {most})",
        hits=hits,
        known=known,
        most=most,
    )


def _is_in_page(kind: str) -> RawSQL:
    rows = f"anomalies.id IN (SELECT id FROM page WHERE {kind})"  # noqa: S608 - constants
    return RawSQL(rows, (), output_field=BooleanField())  # noqa: S611 - constants


def _page(listing: Listing, walk: Walk, size: int, skipped: int) -> list[Named]:
    """The named queries up to ``page``: ids in the list's order, with the first edge if there is one."""
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
    """The finder's matches, if it found all; the walk's matches, and its edges."""
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
    """The number of entries read from each segment."""
    most = LOOKED_AT if walk.index == BY_TIME else LOOKED_AT_APART
    return max(1, most // len(walk.segments))


def walked(walk: Walk, condition: Sql, size: int, budget: int) -> Sql:
    """The first matches of each segment, at most ``size`` among its first ``budget`` entries."""
    return sql(
        "SELECT segment.no, hit.* FROM segment CROSS JOIN LATERAL ("
        "SELECT {columns} FROM (SELECT anomalies.* {entries} LIMIT {budget}) AS anomalies"
        " WHERE {same} AND {condition} LIMIT {size}) AS hit",
        columns=", ".join(f"anomalies.{name}" for name in dict.fromkeys((*walk.order.columns, *_COUNTED))),
        entries=walk.entries,
        budget=budget,
        same=walk.same,
        condition=condition,
        size=size,
    )


def _edge(walk: Walk, size: int, budget: int) -> Sql:
    """The last entry read from each segment that has more entries although fewer than ``size`` matched."""
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
