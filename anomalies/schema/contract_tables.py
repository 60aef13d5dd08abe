"""The contract's tables in a database made by golang-migrate: not adopted yet, or taken down since then.

``down 1`` from version 1 records version -1 as dirty, runs its file of DROPs in one transaction, and empties
its table of versions if that succeeded (golang-migrate, database/postgres/postgres.go: SetVersion, Run).
"""

from __future__ import annotations

from django.db import connection
from psycopg import sql

from .migrate.migration_state import StateError, golang_versions, state
from .own_schema import schema_of_tables

TABLES = ("anomalies", "detection_config", "performance_metrics", "audit_log")  # of the contract

_MISSING = """
    SELECT name FROM unnest(%s::text[]) AS name
    WHERE NOT EXISTS (SELECT FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace
                      WHERE nspname = %s AND relname = name)
"""


def missing_tables() -> list[str]:
    """The contract's tables that are missing from our schema."""
    with connection.cursor() as cursor:
        cursor.execute(_MISSING, [list(TABLES), schema_of_tables(connection)])
        return [name for (name,) in cursor.fetchall()]


def check_that_it_is_adopted() -> None:
    """Raise StateError if another program created the contract's tables in this database."""
    if len(missing_tables()) < len(TABLES) and not state().applied:
        by = "golang-migrate" if golang_versions() else "another program"
        raise StateError(
            f"{by} made this database's tables, and it is not adopted yet: manage.py schema adopt lists the "
            "differences, and schema adopt --apply adopts it"
        )


def effect_of_down() -> str | None:
    """Two lines with the effect of ``down`` after the adoption and the next step; None if it was not run.

    Dropping golang-migrate's own table after the adoption does no harm and is not reported.
    """
    adopted = _adopted()
    if adopted is None:
        return None
    versions, gone = golang_versions(), missing_tables()
    is_dirty = any(dirty for _, dirty in versions)
    if gone:
        by = "golang-migrate's `down` was run" if is_dirty or not versions else "tables were dropped"
        return f"{by} {_GONE.format(adopted=adopted, tables=', '.join(gone))}"
    if versions and _are_made_again():
        return f"golang-migrate's `down` and `up` were run {_MADE_AGAIN.format(adopted=adopted)}"
    return _FAILED.format(adopted=adopted) if is_dirty else None


_RESTORE = (
    "Restore a backup into an empty database (manage.py restore FILE); change it by manage.py migrate alone"
)
_GONE = f"""\
after this database was adopted ({{adopted}}); these tables are gone, with every row: {{tables}}
{_RESTORE}"""
_MADE_AGAIN = f"""\
after this database was adopted ({{adopted}}); its tables were made again, without the rows of before
{_RESTORE}"""
_FAILED = """\
golang-migrate's `down` was run after this database was adopted ({adopted}), and failed: no table is gone
UPDATE schema_migrations SET version = 1, dirty = false; -- and change it by manage.py migrate alone"""


def _are_made_again() -> bool:
    """True if the table of anomalies lacks a column that an applied migration added."""
    if not any(name.startswith("0010_") for name in state().applied):
        return False
    with connection.cursor() as cursor:
        cursor.execute(_HAS_VERSION, [schema_of_tables(connection)])
        return not cursor.fetchone()[0]


_HAS_VERSION = """
    SELECT EXISTS (SELECT FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
                   JOIN pg_namespace AS n ON n.oid = relnamespace
                   WHERE nspname = %s AND relname = 'anomalies' AND attname = 'version')
"""


def _adopted() -> str | None:
    """The time at which the database was adopted; None if it was not."""
    journal = sql.Identifier(schema_of_tables(connection), "schema_adoptions")
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [journal.as_string(None)])
        if cursor.fetchone()[0] is None:
            return None
        finished = "SELECT to_char(finished_at, 'YYYY-MM-DD HH24:MI') FROM {} WHERE finished_at IS NOT NULL"
        cursor.execute(sql.SQL(finished).format(journal))
        row = cursor.fetchone()
    return str(row[0]) if row else None
