"""JSON columns read as text and parsed with care.

jsonb holds what Python's parser does not: values nested a thousand levels deep, numbers of five thousand
digits. Loaded as JSON, one such row takes a whole page down; loaded as text it is one odd value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

MAX_DEPTH = 64  # brackets within brackets; a reader of far more runs out of stack
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_PAIR = re.compile(rb"\[\]|\{\}")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def too_deep(data: bytes, levels: int = MAX_DEPTH + 1) -> bool:
    """Whether JSON has more brackets within brackets than ``levels``, told without parsing it.

    Most has fewer brackets altogether. Of the rest the texts are left out and pairs taken away from the
    inside, a level at a time. A line of `ingest` is itself one level around its columns.
    """
    if data.count(b"[") + data.count(b"{") <= levels:
        return False
    brackets = _STRING.sub(b"", data).translate(None, _NO_BRACKETS)
    for _ in range(levels):
        inner = _PAIR.sub(b"", brackets)
        if inner == brackets:
            break
        brackets = inner
    opened = brackets.count(b"[") + brackets.count(b"{")
    return opened > levels or ((opened > 0 and b"[]" in brackets) or b"{}" in brackets)


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
