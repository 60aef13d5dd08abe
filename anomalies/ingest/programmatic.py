"""Rows that a program holds, by the same way into the table as an ingest's lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from django.db import transaction

from anomalies.audit import Actor

from .copy import insert
from .database_refusals import Candidate
from .rows import PAYLOADS, read_row
from .validation_errors import Misfit


class RowError(ValueError):
    """A row that the table would not take, and why: a mistake of the program that made it."""


def store(rows: Iterable[Mapping[str, Any]], actor: Actor, source: str, **context: Any) -> tuple[int, int]:
    """Insert rows (column: value; JSON columns as bytes of JSON): how many are new, how many were there.

    All in one transaction, with one entry in the audit log that says ``source`` and ``context``. Raises
    RowError, and stores none of them, where a row does not fit.
    """
    candidates = [_candidate(number, row) for number, row in enumerate(rows, 1)]
    with transaction.atomic():
        new, refused = insert(candidates, actor, numbered="row", source=source, **context)
        if refused:
            raise RowError(str(refused[0]))
    return new, len(candidates) - new


def _candidate(number: int, row: Mapping[str, Any]) -> Candidate:
    raw = {name: msgspec.Raw(row[name]) for name in PAYLOADS if row.get(name) is not None}
    line = msgspec.json.encode({**row, **raw})
    try:
        return Candidate(number, line, read_row(line))
    except Misfit as error:
        raise RowError(f"row {number}, {error.field}: {error.reason}") from error
