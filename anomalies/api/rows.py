"""Rows of tables as the values of the answers' shapes."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite, isnan
from typing import Any

from django.db.models import QuerySet

from anomalies import json_column
from anomalies.models import Anomaly

from .schemas import AnomalyDetail, AnomalyRow

COLUMNS = tuple(AnomalyRow.model_fields)
DETAILED = tuple(AnomalyDetail.model_fields)
_METADATA = "metadata"
_READ_FROM = {"owner_team": "assigned_to"}  # a value that is part of a column


def with_columns(columns: Iterable[str], characters: int = json_column.OF_EACH_ROW) -> QuerySet[Any]:
    """All anomalies with these columns; metadata as text, cut at so many characters."""
    names = [_READ_FROM.get(name, name) for name in columns]
    rows: QuerySet[Any] = Anomaly.objects.only(*(name for name in names if name != _METADATA))
    return json_column.as_text(rows, [_METADATA], characters) if _METADATA in names else rows


def values_of(row: Any, columns: Iterable[str]) -> dict[str, Any]:
    """The columns of a row by name, as JSON can hold them."""
    return {name: _value(row, name) for name in columns}


def _value(row: Any, name: str) -> Any:
    if name == _METADATA and hasattr(row, "metadata_text"):
        return json_value(row.metadata_text)
    return number(getattr(row, name))


def json_value(text: str | None) -> Any:
    """The value of a JSON column's text; a sentence in place of one that is beyond the limits."""
    value = json_column.parsed(text) if text is not None else None
    return str(value) if isinstance(value, json_column.Unreadable) else value


def number(value: Any) -> Any:
    """NaN and the infinities as text, for JSON has no number for them; any other value unchanged."""
    if isinstance(value, float) and not isfinite(value):
        return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
