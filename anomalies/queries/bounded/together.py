"""Independent reads in one statement, so that a page waits for the database once and not for each of them.

Each read is a scalar subquery that gives its rows as one JSON array; it is planned as it would be alone. JSON
has neither times nor ids: a read names the functions that turn its columns into them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from django.db import connection
from django.db.models import DateTimeField, Model, QuerySet, TextField
from django.db.models.functions import Cast

from anomalies.json_column import JSONColumn
from anomalies.stored_times import from_json

from .sql import Sql, joined, of_queryset, sql

T = TypeVar("T", covariant=True)
M = TypeVar("M", bound=Model)
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Read(Generic[T]):
    """A statement, what its rows become, and by a column's place a function for what is not NULL in it."""

    statement: Sql
    of: Callable[[Rows], T]
    columns: Mapping[int, Callable[[Any], Any]] = field(default_factory=dict)

    def now(self) -> T:
        """Execute this read alone."""
        return together(self)[self]


class Answers:
    """The results of the reads of one statement: ``answers[read]``."""

    def __init__(self, rows: Mapping[Read[Any], Rows]) -> None:
        self._rows = rows

    def __getitem__(self, read: Read[T]) -> T:
        return read.of(self._rows[read])


moment = from_json
identity = UUID


def together(*reads: Read[Any]) -> Answers:
    """Execute the reads in one statement; all see the same snapshot."""
    parts = [
        sql(
            "SELECT {number}, (SELECT json_agg(part) FROM ({read}) AS part)::text",
            number=number,
            read=read.statement,
        )
        for number, read in enumerate(reads)
    ]
    statement = joined(" UNION ALL ", parts)
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.values)
        found: dict[int, str | None] = dict(cursor.fetchall())
    return Answers({read: _rows(read, found[number]) for number, read in enumerate(reads)})


def models_read(rows: QuerySet[M]) -> Read[list[M]]:
    """A read of all columns of a queryset's rows, in its order, as instances of its model."""
    model = rows.model
    fields = model._meta.concrete_fields
    names = [each.attname for each in fields]
    asked = [Cast(f.attname, TextField()) if isinstance(f, JSONColumn) else f.attname for f in fields]
    return Read(
        of_queryset(rows.values_list(*asked)),
        lambda found: [model.from_db(rows.db, names, list(row)) for row in found],
        {place: _reader(each) for place, each in enumerate(fields)},
    )


def _reader(column: Any) -> Callable[[Any], Any]:
    if isinstance(column, JSONColumn):
        return lambda text: column.from_db_value(text, None, connection)
    return moment if isinstance(column, DateTimeField) else cast(Callable[[Any], Any], column.to_python)


def _rows(read: Read[Any], text: str | None) -> Rows:
    # A row is an object whose keys are in the order of the columns; a column may hold an object too.
    found = json.loads(text or "[]", object_pairs_hook=tuple)
    return [tuple(_value(read, place, value) for place, (_, value) in enumerate(row)) for row in found]


def _value(read: Read[Any], place: int, value: Any) -> Any:
    convert = read.columns.get(place)
    return value if value is None or convert is None else convert(value)
