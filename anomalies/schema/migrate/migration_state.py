"""The migration state of a database, and the commands that take migrations back or override the record."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from psycopg import sql

from .. import catalog, drift
from ..drift import Difference
from ..own_schema import quoted, schema_of_tables
from ..scratch_database import Targets, applied_targets

APP = "anomalies"


class StateError(Exception):
    """The command can't be run in this state; the message gives the fix."""


@dataclass(frozen=True, slots=True)
class State:
    """The app's migrations in order, invalid indexes of interrupted builds, and golang-migrate's versions."""

    applied: tuple[str, ...]
    pending: tuple[str, ...]
    unknown: tuple[str, ...]  # applied by a newer release and not known to this code
    invalid_indexes: tuple[str, ...]
    golang: tuple[tuple[int, bool], ...]

    @property
    def version(self) -> str:
        """The name of the last applied migration; "zero" without one."""
        return self.applied[-1] if self.applied else "zero"

    @property
    def is_dirty(self) -> bool:
        """True if an index build or a golang-migrate run was not completed."""
        return bool(self.invalid_indexes) or any(dirty for _, dirty in self.golang)


def state() -> State:
    """The state of the default database."""
    loader = MigrationExecutor(connection).loader
    order = migration_names()
    applied = {name for app, name in loader.applied_migrations if app == APP}
    return State(
        applied=tuple(name for name in order if name in applied),
        pending=tuple(name for name in order if name not in applied),
        unknown=tuple(sorted(applied - set(order))),
        invalid_indexes=tuple(_column(_INVALID, schema_of_tables(connection))),
        golang=golang_versions(),
    )


def migration_names() -> list[str]:
    """The app's migrations in the order in which they are applied."""
    graph = MigrationExecutor(connection).loader.graph
    (leaf,) = graph.leaf_nodes(APP)
    return [name for app, name in graph.forwards_plan(leaf) if app == APP]


def golang_versions() -> tuple[tuple[int, bool], ...]:
    """The rows of golang-migrate's schema_migrations: (version, dirty); empty without the table."""
    table = f"{quoted(schema_of_tables(connection))}.schema_migrations"
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [table])
        if cursor.fetchone()[0] is None:
            return ()
        cursor.execute(f"SELECT version, dirty FROM {table} ORDER BY version")  # noqa: S608 - quoted
        return tuple(cursor.fetchall())


# --- down -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Loss:
    """A table or column that would be dropped, and the number of its rows or non-null values."""

    name: str
    values: int


def target_of_down(steps: int) -> str:
    """The name of the migration ``steps`` before the last one, or "zero". Raises StateError."""
    applied = state().applied
    if not 0 < steps <= len(applied):
        raise StateError(f"{len(applied)} migrations are applied; go down by 1 to {len(applied)}")
    return applied[-steps - 1] if steps < len(applied) else "zero"


def losses(target: str, scratch: str | None = None) -> list[Loss]:
    """The tables and columns that going down to ``target`` would drop. Raises ScratchError."""
    expected = drift.expected_catalog(_targets_with(target), scratch=scratch)
    gone = [d for d in drift.compare(expected, catalog.read(connection)) if d.expected is None]
    tables = [Loss(f"table {d.name}", _count(d.name)) for d in gone if d.kind == "table"]
    return tables + [Loss(f"column {d.name}", _count(*d.name.split("."))) for d in gone if d.kind == "column"]


def go_down(target: str, verbosity: int) -> None:
    """Take back the migrations after ``target``."""
    call_command("migrate", APP, target, verbosity=verbosity, interactive=False)


def _count(table: str, column: str | None = None) -> int:
    what = sql.Identifier(column) if column else sql.SQL("*")
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT count({}) FROM {}").format(what, sql.Identifier(table)))
        count: int = cursor.fetchone()[0]
    return count


# --- force ------------------------------------------------------------------------------------------------


def differences_from(
    target: str, known_roles: Collection[str] = (), scratch: str | None = None
) -> list[Difference]:
    """The differences between the live catalog and that of the app's migrations up to ``target``."""
    expected = drift.expected_catalog(_targets_with(target), known_roles, scratch)
    return drift.compare(expected, catalog.read(connection, known_roles), schema_of_tables(connection))


def force(target: str) -> None:
    """Record exactly the app's migrations up to ``target`` as applied, without running any."""
    recorder = MigrationRecorder(connection)
    recorder.ensure_schema()
    names = migration_names()
    upto = names[: names.index(target) + 1] if target != "zero" else []
    with transaction.atomic():
        there = {name for app, name in recorder.applied_migrations() if app == APP}
        for name in upto:
            if name not in there:
                recorder.record_applied(APP, name)
        for name in there - set(upto):
            recorder.record_unapplied(APP, name)


def named(prefix: str) -> str:
    """The one migration whose name begins with ``prefix``, or "zero". Raises StateError."""
    if prefix == "zero":
        return prefix
    found = [name for name in migration_names() if name.startswith(prefix)]
    if len(found) != 1:
        raise StateError(
            f"{prefix!r} names {len(found)} migrations; there are {', '.join(migration_names())}"
        )
    return found[0]


def _targets_with(target: str) -> Targets:
    """The applied state of the other apps, with ours at ``target``."""
    others = [(app, name) for app, name in applied_targets(connection) if app != APP]
    return others if target == "zero" else [*others, (APP, target)]


_INVALID = """
    SELECT relname::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE NOT indisvalid AND nspname = %s ORDER BY 1
"""


def _column(query: str, *values: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return [value for (value,) in cursor.fetchall()]
