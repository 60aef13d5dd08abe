"""Leftovers of a failed ``migrate`` in a database that is not adopted yet: tables of Django's other apps.

A ``migrate`` that is run before ``schema adopt`` creates the tables of accounts and permissions and then
fails at the contract's. They are empty and recorded in django_migrations, so the adoption goes on from there.
Tables with rows, or migrations of apps that are not ours, belong to another Django program.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from psycopg import sql

from ..catalog import Catalog
from ..drift import Difference
from ..migrate.migration_state import APP
from ..own_schema import schema_of_tables
from ..scratch_database import Targets, applied_targets
from .drift_triage import Finding

_ANOTHER_PROGRAM = (
    "belongs to another Django program; give Driftlock a database of its own, or move golang-migrate's "
    "tables into a schema of their own (ALTER TABLE … SET SCHEMA), and name that in the role's search_path"
)


def recorded_targets() -> Targets:
    """The migrations of other apps that are recorded as applied, as a state that can be migrated to."""
    return [(app, name) for app, name in applied_targets(connection) if app != APP]


def explained(findings: Iterable[Finding], full: Catalog) -> Iterator[Finding]:
    """The findings, with reason and fix for tables of Django's apps, and a finding for each with rows."""
    theirs = _tables_of_other_apps() & {name for kind, name in full if kind == "table"}
    filled = {table for table in theirs if _has_rows(table)}
    unknown = _unknown_apps()
    for name in sorted(filled) + (["django_migrations"] if unknown else []):
        yield Finding("blocking", Difference("table", name, None, "has rows"), _ANOTHER_PROGRAM)
    if filled or unknown:
        return
    empty = _leftovers(theirs)
    for finding in findings:
        if finding.verdict == "blocking" and _table(finding.difference) in theirs and empty:
            yield Finding("blocking", finding.difference, f"{finding.why}; all of it is empty: {empty}")
        else:
            yield finding


def _tables_of_other_apps() -> set[str]:
    """The tables that the recorded migrations of other apps make."""
    loader = MigrationExecutor(connection).loader
    apps = loader.project_state(recorded_targets()).apps
    models = [model for model in apps.get_models(include_auto_created=True) if model._meta.app_label != APP]
    return {model._meta.db_table for model in models}


def _unknown_apps() -> list[str]:
    loader = MigrationExecutor(connection).loader
    return sorted({app for app, _ in loader.applied_migrations} - loader.migrated_apps)


def _has_rows(table: str) -> bool:
    name = sql.Identifier(schema_of_tables(connection), table)
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [name.as_string(None)])
        if cursor.fetchone()[0] is None:
            return False
        cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(name))
        return bool(cursor.fetchone()[0])


def _leftovers(tables: set[str]) -> str:
    """The statement that drops the tables of a failed ``migrate``."""
    if not tables:
        return ""
    names = sql.SQL(", ").join(sql.Identifier(table) for table in sorted(tables))
    return sql.SQL("DROP TABLE IF EXISTS {}, django_migrations CASCADE").format(names).as_string(None)


def _table(difference: Difference) -> str:
    """The table that the object is, or belongs to."""
    return difference.name.rpartition(" on ")[2].split(".")[0]
