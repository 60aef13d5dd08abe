"""SQL text with its parameter values, composed from parts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from string import Formatter
from typing import Any

from django.core.exceptions import FullResultSet
from django.db import connection
from django.db.models import QuerySet


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL with a ``%s`` for each of its values."""

    text: str
    values: tuple[Any, ...] = ()


TRUE = Sql("true")
_NAME = re.compile(r"%\((\w+)\)s")


def sql(template: str, **parts: Sql | str | int) -> Sql:
    """The template with each ``{part}`` inserted, and the values of the parts in the same order."""
    text: list[str] = []
    given: list[Any] = []
    for literal, name, _, _ in Formatter().parse(template):
        text.append(literal)
        if name is not None:
            part = parts[name]
            text.append(part.text if isinstance(part, Sql) else str(part))
            given += part.values if isinstance(part, Sql) else ()
    return Sql("".join(text), tuple(given))


def named(text: str, **values: Any) -> Sql:
    """A piece of SQL with a ``%(name)s`` for each use of a value."""
    return Sql(_NAME.sub("%s", text), tuple(values[name] for name in _NAME.findall(text)))


def of_queryset(rows: QuerySet[Any, Any]) -> Sql:
    """The statement of a queryset."""
    text, values = rows.query.sql_with_params()
    return Sql(text, tuple(values))


def hidden(value: Any, type_name: str) -> Sql:
    """A value that the planner can't see: it plans for any value, by constant shares of the table."""
    return Sql(f"(SELECT %s::{type_name})", (value,))


def joined(separator: str, pieces: Iterable[Sql]) -> Sql:
    """The pieces in order, with the separator between them."""
    pieces = list(pieces)
    return Sql(
        separator.join(piece.text for piece in pieces),
        tuple(value for piece in pieces for value in piece.values),
    )


def all_of(conditions: Iterable[Sql]) -> Sql:
    """The conjunction of conditions; true for none."""
    both = joined(" AND ", conditions)
    return both if both.text else TRUE


def with_queries(named: Iterable[tuple[str, Sql]]) -> Sql:
    """``WITH name AS MATERIALIZED (…), …``: each query is evaluated at most once, and only if it is read."""
    parts = [sql("{name} AS MATERIALIZED ({query})", name=name, query=query) for name, query in named]
    return sql("WITH {queries}", queries=joined(",\n", parts))


def condition_of(queryset: QuerySet[Any]) -> Sql:
    """The WHERE condition of a queryset without joins, for a table or subquery named ``anomalies``.

    Raises EmptyResultSet if no row can meet it.
    """
    compiler = queryset.query.get_compiler(connection=connection)
    try:
        text, values = compiler.compile(queryset.query.where)
    except FullResultSet:
        return TRUE
    return Sql(text, tuple(values)) if text else TRUE


def expression_of(queryset: QuerySet[Any], expression: Any) -> Sql:
    """An expression over the columns of ``anomalies``, as Django writes it."""
    resolved = expression.resolve_expression(queryset.query)
    text, values = queryset.query.get_compiler(connection=connection).compile(resolved)
    return Sql(text, tuple(values))
