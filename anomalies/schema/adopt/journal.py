"""What adopting did to this database, written down in it: for who undoes it, and for who asks later.

The table is there only where something was adopted, so no migration makes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from django.db import ProgrammingError, connection, transaction

from ..drift import Difference
from ..repairs import Step
from .drift_triage import Finding
from .golang_migrate import AdoptError
from .rows import Sums

_TABLE = """
    CREATE TABLE IF NOT EXISTS public.schema_adoptions (
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
    """One adoption: whether it is finished, the steps that were done, what was found and left alone (kind,
    name, definition), and what the rows summed up to before."""

    finished: bool
    steps: tuple[Step, ...]
    left_alone: tuple[tuple[str, str, str | None], ...]
    before: tuple[Sums, ...]


def read() -> Entry | None:
    """The adoption of this database; None for none. Raises AdoptError for a table of that name that is not
    this one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('public.schema_adoptions')")
        if cursor.fetchone()[0] is None:
            return None
        try:
            with transaction.atomic():
                cursor.execute(
                    "SELECT finished_at IS NOT NULL, steps::text, left_alone::text, checksums::text "
                    "FROM public.schema_adoptions"
                )
        except ProgrammingError as error:
            raise AdoptError("the table schema_adoptions is not ours; rename or drop it") from error
        row = cursor.fetchone()
    if row is None:
        return None
    finished, steps, left_alone, checksums = row[0], *(json.loads(part or "[]") for part in row[1:])
    return Entry(
        finished,
        tuple(Step(**step) for step in steps),
        tuple((kind, name, definition) for kind, name, definition in left_alone),
        tuple(Sums(**sums) for sums in checksums),
    )


def begin(by: str, version: int, findings: Iterable[Finding], before: Iterable[Sums]) -> Entry:
    """Begin an entry."""
    harmless = [each.difference for each in findings if each.verdict == "harmless"]
    left = [(each.kind, each.name, each.found) for each in harmless]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_TABLE)
        cursor.execute(
            "INSERT INTO public.schema_adoptions (by_user, golang_version, left_alone, checksums) "
            "VALUES (%s, %s, %s::jsonb, %s::jsonb)",
            [by, version, json.dumps(left), json.dumps([asdict(sums) for sums in before])],
        )
    begun = read()
    assert begun is not None
    return begun


def add(step: Step) -> None:
    """Write down that a step is done: in its transaction, or before it where it has none."""
    _update("steps = steps || %s::jsonb", json.dumps([asdict(step)]))


def take_back() -> None:
    """Strike out the last step: in the transaction that undoes it, or after it where it has none."""
    _update("steps = steps - -1")


def finish() -> None:
    """Write down that all is done."""
    _update("finished_at = now()")


def reopen() -> None:
    """Write down that it is under way again: it is being undone."""
    _update("finished_at = NULL")


def forget() -> None:
    """Drop the journal: after an undoing the database is as golang-migrate made it."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS public.schema_adoptions")


def _update(assignment: str, *values: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE public.schema_adoptions SET {assignment}", values)  # noqa: S608 - ours alone


def is_known(difference: Difference, entry: Entry | None) -> bool:
    """Whether it was there before the adoption just as it is now, or is the journal itself."""
    if entry is None:
        return False
    key = (difference.kind, difference.name)
    return key == ("table", "schema_adoptions") or (*key, difference.found) in entry.left_alone
