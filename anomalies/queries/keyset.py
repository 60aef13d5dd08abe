"""Places in an ordered list by key: a page begins behind a row, not after a number of rows.

A cursor is a row's place in the order: its values, one for each field, as ``<value>,<value>,…``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import BooleanField, F, Func, Model, Q, QuerySet, Value
from django.db.models.lookups import GreaterThan, LessThan
from django.utils.dateparse import parse_datetime


class CursorError(ValueError):
    """A cursor that belongs to no row of this order."""


def cursor_of(row: Model, ordering: Sequence[str]) -> str:
    """The place of a row in this order."""
    return ",".join(_written(getattr(row, name.lstrip("-"))) for name in ordering)


def reverse(ordering: Sequence[str]) -> list[str]:
    """The same order, the other way round."""
    return [name[1:] if name.startswith("-") else f"-{name}" for name in ordering]


def beyond(queryset: QuerySet[Any], ordering: Sequence[str], cursor: str) -> QuerySet[Any]:
    """The rows behind a place, in a condition by which an index of the order is entered there; all for ''."""
    if not cursor:
        return queryset
    names, values = _names(ordering), values_of(queryset.model, ordering, cursor)
    ways = {name.startswith("-") for name in ordering}
    if len(ways) == 1:
        return queryset.filter(_in_rows(LessThan if ways == {True} else GreaterThan, queryset, names, values))
    return queryset.filter(_in_steps(ordering, values))


def _in_rows(lookup: type[Any], queryset: QuerySet[Any], names: list[str], values: list[Any]) -> Any:
    """All fields run one way: PostgreSQL compares them as a row, which an index can do as a whole."""
    fields = [queryset.model._meta.get_field(name) for name in names]
    given = [Value(value, output_field=field) for value, field in zip(values, fields, strict=True)]
    as_row: dict[str, Any] = {"function": "ROW", "output_field": BooleanField()}
    return lookup(Func(*map(F, names), **as_row), Func(*given, **as_row))


def _in_steps(ordering: Sequence[str], values: list[Any]) -> Q:
    """Fields that run either way: the bound on the first one enters an index, the rest cuts off the ties."""
    names = _names(ordering)
    later = Q()
    for place, name in enumerate(ordering):
        same = {names[at]: values[at] for at in range(place)}
        later |= Q(**same, **{f"{names[place]}__{'lt' if name.startswith('-') else 'gt'}": values[place]})
    bound = "lte" if ordering[0].startswith("-") else "gte"
    return Q(**{f"{names[0]}__{bound}": values[0]}) & later


def _written(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _names(ordering: Sequence[str]) -> list[str]:
    return [name.lstrip("-") for name in ordering]


def values_of(model: type[Model], ordering: Sequence[str], cursor: str) -> list[Any]:
    """A cursor's values, in the order of the fields. Raises CursorError."""
    parts, names = cursor.split(","), _names(ordering)
    if len(parts) != len(names):
        raise CursorError("it is a place in another order")
    return [_value(model, name, part) for name, part in zip(names, parts, strict=True)]


def _value(model: type[Model], name: str, text: str) -> Any:
    field: Any = model._meta.get_field(name)
    try:
        value = field.to_python(text)
        if isinstance(value, str):
            value.encode()
    except (ValidationError, ValueError) as error:
        raise CursorError(f"{text!r} is no {name}") from error
    naive = isinstance(value, datetime) and parse_datetime(text) and value.tzinfo is None
    if value is None or naive or value != value or "\0" in text:
        raise CursorError(f"{text!r} is no {name}")
    return value
