"""What adopting did to this database, written down in it: for who undoes it, and for who asks later.

The table is there only where something was adopted, so no migration makes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection

from .sorting import Finding, Step

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
    """One adoption: whether it is finished, the steps that were done, what was found and left alone."""

    id: int
    finished: bool
    steps: tuple[Step, ...]
    left_alone: tuple[tuple[str, str], ...]


def read() -> Entry | None:
    """The adoption of this database; None for none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('public.schema_adoptions')")
        if cursor.fetchone()[0] is None:
            return None
        cursor.execute(
            "SELECT id, finished_at IS NOT NULL, steps::text, left_alone::text "
            "FROM public.schema_adoptions ORDER BY id DESC LIMIT 1"
        )
        row = cursor.fetchone()
    if row is None:
        return None
    steps = tuple(Step(**step) for step in json.loads(row[2]))
    return Entry(row[0], row[1], steps, tuple((kind, name) for kind, name in json.loads(row[3])))


def begin(by: str, version: int, findings: Iterable[Finding]) -> Entry:
    """Begin an entry, or go on with one that was interrupted."""
    there = read()
    if there is not None:
        return there
    left = [(f.difference.kind, f.difference.name) for f in findings if f.verdict == "harmless"]
    with connection.cursor() as cursor:
        cursor.execute(_TABLE)
        cursor.execute(
            "INSERT INTO public.schema_adoptions (by_user, golang_version, left_alone) "
            "VALUES (%s, %s, %s::jsonb)",
            [by, version, json.dumps(left)],
        )
    begun = read()
    assert begun is not None
    return begun


def add(entry: Entry, step: Step) -> None:
    """Write down that a step is done: in its transaction, or before it where it has none."""
    told = {"do": step.do, "undo": step.undo, "alone": step.alone, "concurrently": step.concurrently}
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE public.schema_adoptions SET steps = steps || %s::jsonb WHERE id = %s",
            [json.dumps([told]), entry.id],
        )


def finish(entry: Entry, checksums: dict[str, str] | None) -> None:
    """Write down that all is done."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE public.schema_adoptions SET finished_at = now(), checksums = %s::jsonb WHERE id = %s",
            [json.dumps(checksums), entry.id],
        )


def forget() -> None:
    """Drop the journal: after an undoing the database is as golang-migrate made it."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS public.schema_adoptions")


def known() -> set[tuple[str, str]]:
    """The objects that are there beside ours since before the adoption, and the journal itself."""
    entry = read()
    return set() if entry is None else {("table", "schema_adoptions"), *entry.left_alone}
