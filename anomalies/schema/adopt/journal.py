"""The journal of an adoption, stored in the adopted database, for undoing it and for later questions.

It works like a write-ahead log: a step and its inverse are recorded in the step's transaction, or before a
step that runs outside of transactions, so an interrupted run can be continued or undone. The table exists
only in an adopted database, so no migration creates it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from django.db import ProgrammingError, connection, transaction
from psycopg import sql

from ..drift import Difference
from ..own_schema import schema_of_tables
from ..repairs import Step
from .drift_triage import Finding
from .golang_migrate import AdoptError
from .rows import Sums

NAME = "schema_adoptions"
_TABLE = """
    CREATE TABLE IF NOT EXISTS {journal} (
        id integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
        started_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz,
        by_user varchar(255) NOT NULL,
        golang_version bigint NOT NULL,
        steps jsonb NOT NULL DEFAULT '[]',
        left_alone jsonb NOT NULL DEFAULT '[]',
        checksums jsonb
    )
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One adoption: ``finished`` if it is complete, the executed steps, the accepted differences (kind, name,
    definition), the checksums of the rows ``before``, and the time at which it ``began``."""

    finished: bool
    steps: tuple[Step, ...]
    left_alone: tuple[tuple[str, str, str | None], ...]
    before: tuple[Sums, ...]
    began: str


def read() -> Entry | None:
    """The adoption of this database, or None. Raises AdoptError for another table of that name."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [_journal().as_string(None)])
        if cursor.fetchone()[0] is None:
            return None
        try:
            with transaction.atomic():
                cursor.execute(_READ.format(journal=_journal()))
        except ProgrammingError as error:
            raise AdoptError(f"the table {NAME} is not ours; rename or drop it") from error
        row = cursor.fetchone()
    if row is None:
        return None
    finished, began, *texts = row
    steps, left_alone, checksums = (json.loads(text or "[]") for text in texts)
    return Entry(
        finished,
        tuple(Step(**step) for step in steps),
        tuple((kind, name, definition) for kind, name, definition in left_alone),
        tuple(Sums(**sums) for sums in checksums),
        began,
    )


_READ = sql.SQL(
    "SELECT finished_at IS NOT NULL, to_char(started_at, 'YYYY-MM-DD HH24:MI TZ'), "
    "steps::text, left_alone::text, checksums::text FROM {journal}"
)


def _journal() -> sql.Identifier:
    return sql.Identifier(schema_of_tables(connection), NAME)


def begin(by: str, version: int, findings: Iterable[Finding], before: Iterable[Sums]) -> Entry:
    """Create the journal with the accepted differences and the checksums, and return its entry."""
    harmless = [each.difference for each in findings if each.verdict == "harmless"]
    left = [(each.kind, each.name, each.found) for each in harmless]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql.SQL(_TABLE).format(journal=_journal()))
        insert = "INSERT INTO {} (by_user, golang_version, left_alone, checksums) " + (
            "VALUES (%s, %s, %s::jsonb, %s::jsonb)"
        )
        cursor.execute(
            sql.SQL(insert).format(_journal()),
            [by, version, json.dumps(left), json.dumps([asdict(sums) for sums in before])],
        )
    begun = read()
    assert begun is not None
    return begun


def add(step: Step) -> None:
    """Record a step: in its transaction, or before it if it runs outside of transactions."""
    _update("steps = steps || %s::jsonb", json.dumps([asdict(step)]))


def take_back() -> None:
    """Remove the last step: in the transaction that undoes it, or after it if there is no transaction."""
    _update("steps = steps - -1")


def finish() -> None:
    """Record that the adoption is complete."""
    _update("finished_at = now()")


def reopen() -> None:
    """Record that the adoption is being undone."""
    _update("finished_at = NULL")


def forget() -> None:
    """Drop the journal after the undo: the database is as golang-migrate made it."""
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(_journal()))


def _update(assignment: str, *values: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("UPDATE {} SET {}").format(_journal(), sql.SQL(assignment)), values)


def is_known(difference: Difference, entry: Entry | None) -> bool:
    """True if the difference existed before the adoption exactly as now, or is the journal itself."""
    if entry is None:
        return False
    key = (difference.kind, difference.name)
    return key == ("table", NAME) or (*key, difference.found) in entry.left_alone
