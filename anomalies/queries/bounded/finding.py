"""The choice of a finder that collects all rows of a list, decided by a sample of the table.

Theory: a simple random sample of 64 blocks (TABLESAMPLE SYSTEM) is read and each finder's condition tested on
its rows. If at most two of the blocks contain a match, then with 95 % confidence fewer than about one block
in nine of the table does (the upper Clopper-Pearson limit of 2 in 64 is 0.108). A condition whose share of
the sampled rows is below the cap's share of the table is likely to stay below the cap. The finder with the
fewest rows is run up to the cap: a B-tree's are counted in the index, which reads no row, those of a GIN
index are expected by the sample. A wrong choice costs at most the cap. The sample has a fixed seed, so a list
that is read twice is read in the same way.

Blocks are counted before rows, because anomalies come in bursts: a hundred adjacent rows are one observation,
not a hundred. Source: W. G. Cochran, Sampling Techniques (1977), chapter 9, on cluster sampling.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .finders import Finder
from .listing import Listing
from .sql import Sql, joined, sql
from .walks import Walk, range_walk, state_walk

# Rows collected at most: each lies in a block of its own, so they are most of what a page costs. With more
# matches, a walk finds some of them among few entries.
FOUND = 1_500
_BLOCKS = 64  # sampled
_FEW_BLOCKS = 2  # with a match, at most, for a condition to count as rare
_RARE = 20  # a condition that at least one row in 20 meets is better walked
COLUMNS = ("id", "timestamp", "status", "stream_type", "ncd_score", "p_value")

Named = tuple[str, Sql]


def finding(listing: Listing, condition: Sql, most: int | None = None) -> tuple[list[Named], Sql]:
    """The named queries that collect a list's rows, and an SQL condition that is true if they found all.

    ``found`` has the COLUMNS of each row that the finder gives; ``fits`` is true if it meets ``condition``.
    """
    most = FOUND if most is None else most
    finders = [*(finder.counted(most) for finder in listing.finders), *_of_columns(listing, most)]
    if not finders:
        return [], Sql("false")
    is_complete = "EXISTS (SELECT FROM choice) AND (SELECT count(*) FROM found) <= {most}"
    queries = [query for finder in finders for query in finder.queries]
    queries += [
        ("share", _SHARE),
        ("sample", _sample(finders)),
        ("choice", _choice(finders, most)),
        ("found", _found(finders, condition, most)),
        ("known", sql(f"SELECT {is_complete} AS is_complete", most=most)),
    ]
    return queries, Sql("(SELECT is_complete FROM known)")


def _of_columns(listing: Listing, most: int) -> list[Finder]:
    """Finders by the list's own columns: its state, and each range of values."""
    finders = []
    if listing.statuses or listing.streams or listing.significant is not None:
        finders.append(_by_state(listing, most))
    for column in listing.ranges:
        finders.append(_by_range(range_walk(listing, column), column, most))
    return finders


def _by_state(listing: Listing, most: int) -> Finder:
    """By status, stream and significance."""
    walk = state_walk(listing)
    return _by_index(walk, "state", _state(listing), walk.same, most)


def _state(listing: Listing) -> Sql:
    """The condition on a row's status, stream and significance."""
    asked = {
        "anomalies.status = ANY (%s)": list(listing.statuses) or None,
        "anomalies.stream_type = ANY (%s)": list(listing.streams) or None,
        "anomalies.is_statistically_significant = %s": listing.significant,
    }
    return joined(" AND ", [Sql(text, (value,)) for text, value in asked.items() if value is not None])


def _by_range(walk: Walk, column: str, most: int) -> Finder:
    """By a range of values."""
    bounds = {">=": walk.within.low, "<" if column == "timestamp" else "<=": walk.within.high}
    holds = [
        Sql(f"anomalies.{column} {operator} %s", (bound,))
        for operator, bound in bounds.items()
        if bound is not None
    ]
    return _by_index(walk, column, joined(" AND ", holds), walk.end, most)


def _by_index(walk: Walk, name: str, holds: Sql, belongs: Sql, most: int) -> Finder:
    """By a walked index, whose matches are the first entries of each segment: those that meet ``belongs``.

    They are counted in the index first, which reads no row. So no row beyond them is fetched, and none at all
    if there are more than ``most``. The constant LIMIT is for the planner: it would sort the table.
    """
    segment, size = f"{name}_segment", f"{name}_size"
    sizes = sql(
        "SELECT no, count(*) AS rows FROM (SELECT segment.no FROM {segment} AS segment CROSS JOIN LATERAL ("
        "SELECT {columns} {entries} LIMIT {most}) AS anomalies WHERE {belongs} LIMIT {most}) AS near "
        "GROUP BY no",
        segment=segment,
        columns=", ".join(f"anomalies.{each}" for each in (*walk.index.prefix, *walk.index.tail)),
        entries=walk.entries,
        belongs=belongs,
        most=most + 1,
    )
    rows = sql(
        "(SELECT near.* FROM {segment} AS segment CROSS JOIN LATERAL (SELECT ahead.* FROM ("
        "SELECT anomalies.* {entries} LIMIT {most}) AS ahead "
        "LIMIT (SELECT coalesce(sum(rows), 0) FROM {size} WHERE {size}.no = segment.no)"
        ") AS near) AS anomalies",
        segment=segment,
        size=size,
        entries=walk.entries,
        most=most + 1,
    )
    total = Sql(f"(SELECT coalesce(sum(rows), 0) FROM {size})")  # noqa: S608 - a name of ours
    return Finder(
        holds,
        table=rows,
        is_possible=sql("{rows} <= {most}", rows=total, most=most),
        size=total,
        queries=((segment, walk.given()), (size, sizes)),
    )


# The share of the table, 0 to 1, that _BLOCKS blocks are.
_SHARE = Sql(
    f"SELECT least(1, {_BLOCKS} * current_setting('block_size')::float8"
    " / greatest(1, pg_relation_size('anomalies'::regclass))) AS part"
)


def _sample(finders: Sequence[Finder]) -> Sql:
    """For each block of the sample, the number of rows and of those that meet each finder's condition."""
    counts = [
        sql("count(*) FILTER (WHERE {holds}) AS hits_{number}", holds=finder.holds, number=number)
        for number, finder in enumerate(finders)
    ]
    return sql(
        "SELECT count(*) AS rows, {counts} FROM anomalies "
        "TABLESAMPLE SYSTEM ((SELECT 100 * part FROM share)) REPEATABLE (0) "
        "GROUP BY (anomalies.ctid::text::point)[0]",
        counts=joined(", ", counts),
    )


def _choice(finders: Sequence[Finder], most: int) -> Sql:
    """The number of the finder with the fewest rows to collect; none if all have too many.

    Where its index can't count them, one row more than the sample has is expected for the sample's share of
    the table (Laplace's rule of succession: what a sample does not show may exist).
    """
    guess = (
        "SELECT {number} AS finder, {is_possible} AS is_possible, {size}::float8 AS size, "
        "coalesce(sum(hits_{number}), 0) AS hits, "
        "sum(rows) AS rows, count(*) FILTER (WHERE hits_{number} > 0) AS blocks FROM sample"
    )
    guesses = [
        sql(guess, number=number, is_possible=finder.is_possible, size=finder.size)
        for number, finder in enumerate(finders)
    ]
    return sql(
        "SELECT finder FROM ({guesses}) AS guess WHERE CASE WHEN blocks <= {few} "
        "OR (hits <= {most} * (SELECT part FROM share) AND hits * {rare} <= rows) THEN is_possible END "
        "ORDER BY coalesce(size, (hits + 1) / (SELECT part FROM share)), finder LIMIT 1",
        guesses=joined(" UNION ALL ", guesses),
        few=_FEW_BLOCKS,
        most=most,
        rare=_RARE,
    )


def _found(finders: Iterable[Finder], condition: Sql, most: int) -> Sql:
    """The rows of the chosen finder, up to ``most`` + 1, which shows that there are more."""
    columns = ", ".join(f"anomalies.{name}" for name in COLUMNS)
    queries = []
    for number, finder in enumerate(finders):
        is_chosen = sql("(SELECT finder FROM choice) = {number}", number=number)
        query = "SELECT {columns}, ({condition}) AS fits FROM ({rows}) AS anomalies"
        rows = finder.rows(is_chosen, most + 1)
        queries.append(sql(query, columns=columns, condition=condition, rows=rows))
    return joined(" UNION ALL ", queries)
