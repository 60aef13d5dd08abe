"""Keyset pagination: a page begins after a row, not after a number of rows.

An index is entered at the row's key, so a page costs the same anywhere, while OFFSET reads all rows before
it; and rows inserted or decided in the meantime neither repeat nor hide others. It needs a total order, so
the last field must be unique. Source: M. Winand, SQL Performance Explained (2012), chapter 7, on the "seek
method".

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
from django.utils.translation import gettext as _


class CursorError(ValueError):
    """The cursor is not a place in this order; the message gives the reason."""


def cursor_of(row: Model, ordering: Sequence[str]) -> str:
    """The cursor of a row in this order."""
    return ",".join(_written(getattr(row, name.lstrip("-"))) for name in ordering)


def reverse(ordering: Sequence[str]) -> list[str]:
    """The reverse of an order."""
    return [name[1:] if name.startswith("-") else f"-{name}" for name in ordering]


def beyond(queryset: QuerySet[Any], ordering: Sequence[str], cursor: str) -> QuerySet[Any]:
    """The rows after the cursor (all for ''), by a condition that an index of the order can use.

    Raises CursorError.
    """
    if not cursor:
        return queryset
    names, values = _names(ordering), values_of(queryset.model, ordering, cursor)
    ways = {name.startswith("-") for name in ordering}
    if len(ways) == 1:
        return queryset.filter(_in_rows(LessThan if ways == {True} else GreaterThan, queryset, names, values))
    return queryset.filter(_in_steps(ordering, values))


def _in_rows(lookup: type[Any], queryset: QuerySet[Any], names: list[str], values: list[Any]) -> Any:
    """The condition for fields of one direction: a row comparison, which an index answers as a whole."""
    fields = [queryset.model._meta.get_field(name) for name in names]
    given = [Value(value, output_field=field) for value, field in zip(values, fields, strict=True)]
    as_row: dict[str, Any] = {"function": "ROW", "output_field": BooleanField()}
    return lookup(Func(*map(F, names), **as_row), Func(*given, **as_row))


def _in_steps(ordering: Sequence[str], values: list[Any]) -> Q:
    """The condition for mixed directions: a bound on the first field enters an index, the rest cuts ties."""
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
    """The values of a cursor, in the order of the fields. Raises CursorError."""
    parts, names = cursor.split(","), _names(ordering)
    if len(parts) != len(names):
        raise CursorError(_("it is a place in another order"))
    return [_value(model, name, part) for name, part in zip(names, parts, strict=True)]


def _value(model: type[Model], name: str, text: str) -> Any:
    field: Any = model._meta.get_field(name)
    try:
        value = field.to_python(text)
        if isinstance(value, str):
            value.encode()
    except (ValidationError, ValueError) as error:
        raise CursorError(_("%(text)s is no %(name)s") % {"text": repr(text), "name": name}) from error
    naive = isinstance(value, datetime) and parse_datetime(text) and value.tzinfo is None
    if value is None or naive or value != value or "\0" in text:
        raise CursorError(_("%(text)s is no %(name)s") % {"text": repr(text), "name": name})
    return value
