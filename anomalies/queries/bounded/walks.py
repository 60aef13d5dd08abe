"""A walk: a fixed number of entries of one index in a list's order, each row tested against the filter.

An index is walked by segments: its rows of one status, stream and significance, or all of it. A segment is
entered at any place by a row comparison (keyset) and read on from there; entries beyond the segment's end are
read up to the LIMIT and skipped. A row comparison over all columns of an index, and the order by all of them,
are answered by that index alone, so only one plan is possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any
from uuid import UUID

from anomalies.models import Status, Stream

from .listing import Listing, Range
from .sql import TRUE, Sql, all_of, hidden, joined, sql

_TYPES = {
    "timestamp": "timestamptz",
    "ncd_score": "float8",
    "p_value": "float8",
    "id": "uuid",
    "pattern": "uuid",
    "source": "text",
    "status": "text",
    "stream_type": "text",
    "is_statistically_significant": "boolean",
}
_TEXTS = ("source", "status", "stream_type")
_LEAST, _GREATEST = UUID(int=0), UUID(int=2**128 - 1)
_STATE = ("status", "stream_type", "is_statistically_significant")
_TIME = ("timestamp", "id")
# With more segments too little of each is read; conditions that the index doesn't answer are then walked by
# time.
_MOST_SEGMENTS = 8


@dataclass(frozen=True, slots=True)
class Index:
    """A walked index: the rows of a segment share the values of ``prefix`` and are ordered by ``tail``.

    It answers conditions on its prefix and on the tail's first column: no entry read for them is skipped.
    """

    prefix: tuple[str, ...]
    tail: tuple[str, str]
    # Of its texts. No index of the contract has it, so none can answer a walk; nor can an index of another
    # walk whose first column PostgreSQL 18 would skip.
    collation: str = "C"

    @property
    def answers(self) -> frozenset[str]:
        """The columns whose conditions it answers."""
        return frozenset({*self.prefix, self.tail[0]})

    def order(self, *, descending: bool) -> str:
        """Its order, or the reverse, as SQL; NULLs come where no index of the contract has them."""
        way = "DESC NULLS LAST" if descending else "ASC NULLS FIRST"
        return ", ".join(f"{column} {way}" for column in self.keys)

    @property
    def keys(self) -> list[str]:
        """Its columns as SQL, texts with its collation."""
        collated = dict.fromkeys(_TEXTS, f' COLLATE "{self.collation}"')
        return [f"anomalies.{name}{collated.get(name, '')}" for name in (*self.prefix, *self.tail)]


BY_TIME = Index((), _TIME)
BY_STATUS = Index(_STATE, _TIME)
BY_STREAM = Index(("stream_type",), _TIME)
BY_PATTERN = Index(("pattern", "status"), _TIME, collation="POSIX")
BY_SOURCE = Index(("source", "status"), _TIME, collation="POSIX")
BY_NCD = Index((), ("ncd_score", "id"))
BY_P = Index((), ("p_value", "id"))
# The columns whose conditions an index answers.
WALKED = BY_STATUS.answers | BY_PATTERN.answers | BY_SOURCE.answers | BY_NCD.answers | BY_P.answers
_BY_COLUMN = {index.tail[0]: index for index in (BY_TIME, BY_NCD, BY_P)}


@dataclass(frozen=True, slots=True)
class Order:
    """A list's order: names of columns, with "-" for descending ones, and the ``place`` after which it
    begins, if any.

    The last two columns are the tail of an index; a column of its prefix may come before them.
    """

    names: tuple[str, ...]
    place: tuple[Any, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(name.lstrip("-") for name in self.names)

    @property
    def tail(self) -> str:
        """The column by which the rows of a segment are ordered."""
        return self.columns[-2]

    @property
    def descending(self) -> bool:
        """True if the tail is in descending order."""
        return self.names[-2].startswith("-")

    def as_sql(self) -> str:
        """The expressions of the ORDER BY clause."""
        return ", ".join(
            f"{name.lstrip('-')} {'DESC' if name.startswith('-') else 'ASC'}" for name in self.names
        )


NEWEST_FIRST = Order(("-timestamp", "-id"))


@dataclass(frozen=True, slots=True)
class Walk:
    """An index, its ``segments`` (values of the prefix, and the place where each begins), and the tail's
    range ``within``."""

    index: Index
    order: Order
    within: Range
    segments: tuple[tuple[Any, ...], ...]

    def given(self, gate: Sql = TRUE) -> Sql:
        """The segments as a query of (no, …prefix, at, at_id); no rows if ``gate`` is false."""
        tail, key = self.index.tail
        types = ["integer", *(_TYPES[name] for name in self.index.prefix), _TYPES[tail], _TYPES[key]]
        row = "(" + ", ".join(f"%s::{each}" for each in types) + ")"
        rows = [Sql(row, (number, *values)) for number, values in enumerate(self.segments)]
        return sql(
            "SELECT * FROM (VALUES {rows}) AS given ({names}) WHERE {gate}",
            rows=joined(", ", rows),
            names=", ".join(["no", *self.index.prefix, "at", "at_id"]),
            gate=gate,
        )

    @property
    def entries(self) -> Sql:
        """``FROM anomalies WHERE … ORDER BY …`` for one ``segment``; the caller adds a LIMIT.

        A segment of a prefix ends with the prefix. The tail's range has no end here: together with its
        beginning it would be a range of one column, which the planner estimates at 0.5 % of the table and
        would sort.
        """
        index, behind = self.index, "<" if self.order.descending else ">"
        prefix = [f"segment.{name}" for name in index.prefix]
        return sql(
            "FROM anomalies WHERE ROW({columns}) {behind} ROW({place}){end} ORDER BY {order}",
            columns=", ".join(index.keys),
            behind=behind,
            place=", ".join([*prefix, "segment.at", "segment.at_id"]),
            end=self._prefix_end(prefix[0]) if prefix else "",
            order=index.order(descending=self.order.descending),
        )

    def _prefix_end(self, first: str) -> str:
        """The end of the prefix's first column. Of the others there is none: before PostgreSQL 18 a scan ends
        where the first column of a row comparison fails and passes over all entries where a later one does.
        """
        return f" AND {self.index.keys[0]} {'>=' if self.order.descending else '<='} {first}"

    @property
    def same(self) -> Sql:
        """The condition that a row belongs to the segment."""
        return all_of(Sql(f"anomalies.{name} = segment.{name}") for name in self.index.prefix)

    @property
    def end(self) -> Sql:
        """The condition that a row lies before the end of the tail's range."""
        column = self.index.tail[0]
        if self.order.descending:
            bound, operator = self.within.low, ">="
        else:
            bound, operator = self.within.high, "<" if column == "timestamp" else "<="
        if bound is None:
            return TRUE
        return sql(
            "anomalies.{column} {operator} {bound}",
            column=column,
            operator=operator,
            bound=hidden(bound, _TYPES[column]),
        )


def walk_of(listing: Listing, order: Order) -> Walk:
    """The walk that skips the fewest rows of a list."""
    return _walk(listing, order, _index_for(listing, order))


def state_walk(listing: Listing) -> Walk:
    """A walk over all rows of a list's statuses, streams and significance."""
    is_streams = not listing.statuses and listing.significant is None
    return _walk(listing, NEWEST_FIRST, BY_STREAM if is_streams else BY_STATUS)


def source_walk(listing: Listing) -> Walk:
    """A walk over all rows of a list's source and statuses."""
    return _walk(listing, NEWEST_FIRST, BY_SOURCE)


def range_walk(listing: Listing, column: str) -> Walk:
    """A walk over all rows of a list's range of a column."""
    return _walk(listing, Order((f"-{column}", "-id")), _BY_COLUMN[column])


def _index_for(listing: Listing, order: Order) -> Index:
    if order.tail != "timestamp":
        return _BY_COLUMN[order.tail]
    if listing.pattern is not None and "stream_type" not in order.columns:
        return BY_PATTERN
    if listing.source is not None and "stream_type" not in order.columns:
        return BY_SOURCE
    if "status" in order.columns:
        return BY_STATUS
    of_state = bool(listing.statuses) or listing.significant is not None
    if of_state and (listing.columns <= BY_STATUS.answers or _count(listing) <= _MOST_SEGMENTS):
        return BY_STATUS
    return BY_STREAM if listing.streams or "stream_type" in order.columns else BY_TIME


def _count(listing: Listing) -> int:
    return len(_segments(listing, BY_STATUS))


def _walk(listing: Listing, order: Order, index: Index) -> Walk:
    within = listing.ranges.get(index.tail[0], Range())
    segments = []
    for values in _segments(listing, index):
        at = _beginning(dict(zip(index.prefix, values, strict=True)), order, within)
        if at is not None:
            segments.append((*values, *at))
    return Walk(index, order, within, tuple(segments))


def _segments(listing: Listing, index: Index) -> list[tuple[Any, ...]]:
    both = (False, True) if listing.significant is None else (listing.significant,)
    choices: dict[str, Sequence[Any]] = {
        "pattern": [listing.pattern],
        "source": [listing.source],
        "status": sorted(set(listing.statuses)) or sorted(Status.values),
        "stream_type": sorted(set(listing.streams)) or sorted(Stream.values),
        "is_statistically_significant": both,
    }
    return list(product(*(choices[name] for name in index.prefix)))


def _beginning(segment: dict[str, Any], order: Order, within: Range) -> tuple[Any, UUID] | None:
    """The place where a segment is entered; None if all of it lies before the list's place."""
    place = order.place[-2:]
    if order.place and len(order.columns) > 2:
        own, at = segment[order.columns[0]], order.place[0]
        if own != at:
            if (own > at) == order.names[0].startswith("-"):
                return None
            place = ()
    return _tail_beginning(order, within, place)


def _tail_beginning(order: Order, within: Range, place: tuple[Any, ...]) -> tuple[Any, UUID]:
    """The later one of ``place`` and the beginning of the range."""
    begins = [(place[0], place[1])] if place else []
    if order.descending:
        if within.high is not None:
            begins.append((within.high, _LEAST if order.tail == "timestamp" else _GREATEST))
        return min(begins, default=("infinity", _GREATEST))
    if within.low is not None:
        begins.append((within.low, _LEAST))
    return max(begins, default=("-infinity", _LEAST))
