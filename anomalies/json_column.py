"""JSON columns read with care.

jsonb holds what Python's parser does not: values nested a thousand levels deep, numbers of five thousand
digits. One such row must not take a page down, so whatever loads it gets ``Unreadable`` in its place; and
pages read JSON as text, of which they take no more than they can show.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast, Left
from django.utils.translation import gettext as _

from anomalies.json_limits import LimitError, loads

# Characters of one column: what the page of one row reads, and what a list of a hundred reads of each.
OF_ONE_ROW = 32 * 1024 * 1024
OF_EACH_ROW = 100_000
_CUT = {OF_ONE_ROW + 1, OF_EACH_ROW + 1}  # the length of a text that goes on in the database


@dataclass(frozen=True, slots=True)
class Unreadable:
    """In the place of JSON that breaks the limits: its text as PostgreSQL writes it, and why."""

    text: str
    reason: str

    def __str__(self) -> str:
        return _("(can't be shown as JSON: it %(reason)s)") % {"reason": self.reason}


class _AsItStands(json.JSONEncoder):
    def encode(self, o: Any) -> str:
        return str(o.text)


class JSONColumn(models.JSONField):
    """A JSONField that loads ``Unreadable`` where Django's would raise, and saves it as it was."""

    def deconstruct(self) -> Any:
        """As Django's own: the column is the same."""
        name, __, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """The value within the limits, or what stands in for it."""
        if not isinstance(value, str):
            return value
        return parsed(value)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if isinstance(value, Unreadable):
            return connection.ops.adapt_json_value(value, _AsItStands)
        return super().get_db_prep_value(value, connection, prepared)


def as_text(queryset: QuerySet[Any], columns: Iterable[str], characters: int = OF_EACH_ROW) -> QuerySet[Any]:
    """The same rows with each of these JSON columns as text, in ``<column>_text``, and not as JSON.

    Of a longer text than so many ``characters`` (OF_EACH_ROW, OF_ONE_ROW) one more comes, to be known by.
    """
    names = list(columns)
    texts = {f"{name}_text": Left(Cast(name, TextField()), characters + 1) for name in names}
    rows: QuerySet[Any] = queryset.defer(*names).annotate(**texts)
    return rows


def parsed(text: str) -> Any:
    """The value of a column's text; Unreadable where it breaks the limits or was cut."""
    if len(text) in _CUT:
        return Unreadable(text, f"has more than {len(text) - 1:,} characters")
    try:
        return loads(text)
    except LimitError as error:
        return Unreadable(text, str(error))


def object_of(text: str | None) -> dict[str, Any]:
    """The JSON object that a text holds; an empty one where it holds anything else, or too much."""
    value = parsed(text or "null")
    return value if isinstance(value, dict) else {}
