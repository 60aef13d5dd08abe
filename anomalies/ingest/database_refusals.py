"""Rows that passed every check and that PostgreSQL still refuses: which ones, and why."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.db import DatabaseError

from .rows import COLUMNS, Row, look_closer
from .validation_errors import Misfit, Reject

# SQLSTATE classes that say "this row", not "this server": data, integrity, and a limit of an index.
_REFUSALS = ("22", "23", "54")
# "COPY ingest_staging, line 3, column metadata", in whatever language the server speaks.
_PLACE = re.compile(r"ingest_staging\D+(\d+)(?:\W+\w+\W+(\w+))?")


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that the table would not have, by its id: SQLSTATE and PostgreSQL's words."""

    id: UUID
    sqlstate: str
    words: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that passed every check, and the line that it came from."""

    line: int
    data: bytes
    row: Row


def is_refusal(error: DatabaseError) -> bool:
    """Return True if PostgreSQL refuses a row, False if the error has another cause."""
    return _sqlstate(error)[:2] in _REFUSALS


def find_refused(
    candidates: list[Candidate],
    error: DatabaseError,
    try_each: Callable[[list[Candidate]], list[Refused]],
) -> list[Reject]:
    """Those that PostgreSQL refuses, at least one; raises ``error`` again where none can be named.

    A value that it can't read is named by COPY, the first one only, so all are looked at closely before; a
    row that breaks a rule of the table is found by trying each.
    """
    place = _PLACE.search(_diagnostic(error, "context"))
    found = _found_by_looking(candidates)
    if not found:
        found = [_named(candidates, place, error)] if place else _found_in(candidates, try_each(candidates))
    if not found:
        raise error
    return found


def _found_by_looking(candidates: list[Candidate]) -> list[Reject]:
    found = []
    for each in candidates:
        try:
            look_closer(each.row)
        except Misfit as error:
            found.append(Reject(each.line, error.field, error.reason, each.data))
    return found


def _named(candidates: list[Candidate], place: re.Match[str], error: DatabaseError) -> Reject:
    row = candidates[int(place[1]) - 1]
    column = place[2] if place[2] in COLUMNS else None
    return Reject(row.line, column, _reason(_diagnostic(error, "message_primary") or str(error)), row.data)


def _found_in(candidates: list[Candidate], tried: list[Refused]) -> list[Reject]:
    words: dict[UUID | None, str] = {each.id: each.words for each in tried if each.sqlstate[:2] in _REFUSALS}
    return [
        Reject(each.line, None, _reason(words[each.row.id]), each.data)
        for each in candidates
        if each.row.id in words
    ]


def _reason(words: str) -> str:
    return f"PostgreSQL refuses it: {words}"


def _sqlstate(error: DatabaseError) -> str:
    return _diagnostic(error, "sqlstate")


def _diagnostic(error: DatabaseError, name: str) -> str:
    return getattr(getattr(error.__cause__, "diag", None), name, None) or ""
