"""JSON columns read as text and parsed with care.

jsonb holds what Python's parser does not: values nested a thousand levels deep, numbers of five thousand
digits. Loaded as JSON, one such row takes a whole page down; loaded as text it is one odd value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast


def as_text(queryset: QuerySet, columns: Iterable[str]) -> QuerySet:
    """The same rows with each of these JSON columns as text, in ``<column>_text``, and not as JSON."""
    names = list(columns)
    texts = {f"{name}_text": Cast(name, TextField()) for name in names}
    return queryset.defer(*names).annotate(**texts)


def object_of(text: str | None) -> dict[str, Any]:
    """The JSON object that a text holds; an empty one where it holds anything else, or too much."""
    try:
        value = json.loads(text or "null")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
