"""Databases that are migrated or adopted once in a run, for tests to read or to copy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from django.db import connection

from tests.support.programs.golang_migrate import CONTRACT, TABLES, Database, copied, made_by_golang_migrate

_FILES = "SELECT relname::text, relfilenode FROM pg_class WHERE relname = ANY (%s) ORDER BY 1"


def rows_and_files(database: Database) -> tuple[list[tuple], list[tuple]]:
    """The contract's values in every row, and the file of each table: another one where it was rewritten."""
    return database.run(CONTRACT), database.run(_FILES, TABLES)


class Adoption(NamedTuple):
    """A database that golang-migrate made and ``schema adopt`` took over; no test changes it."""

    database: Database
    before: tuple[list[tuple], list[tuple]]
    code: int
    printed: str
    said: str


@pytest.fixture
def database(django_db_setup, django_db_blocker) -> Iterator[Database]:
    """A database that golang-migrate made, for a test to change."""
    with django_db_blocker.unblock():
        connection.close()
        with made_by_golang_migrate() as made:
            yield made


@pytest.fixture(scope="package")
def adoption(django_db_setup, django_db_blocker) -> Iterator[Adoption]:
    """The adoption of a database by ana."""
    with django_db_blocker.unblock(), made_by_golang_migrate() as made:
        before = rows_and_files(made)
        yield Adoption(made, before, *made.schema("adopt", "--apply", "--by", "ana"))


@pytest.fixture
def adopted(adoption, django_db_blocker) -> Iterator[Database]:
    """A copy of an adopted database, for a test to change."""
    assert adoption.code == 0, adoption.said
    with django_db_blocker.unblock():
        connection.close()
        with copied(adoption.database.name) as made:
            yield made
