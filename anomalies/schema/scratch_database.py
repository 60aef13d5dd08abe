"""A temporary database in which the migrations are run, to read the resulting catalog."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import DatabaseError, OperationalError, connections, transaction
from django.db import connection as default_connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from psycopg import sql

from anomalies.connection_settings import session_of_its_own

from .own_schema import PUBLIC, OwnSchemaEditor, quoted, schema_of_tables

Targets = list[tuple[str, str]]

_PREFIX = "driftlock_scratch_"
_CREATE = "CREATE DATABASE {} TEMPLATE template0"
_DROP = "DROP DATABASE IF EXISTS {} WITH (FORCE)"
_LEFT_AFTER_SECONDS = 3600
_LEFT = """
    SELECT datname FROM pg_database
    WHERE extract(epoch FROM now()) - substring(datname FROM %s)::bigint > %s
      AND NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pg_stat_activity.datname = pg_database.datname)
"""
# The contents of a schema, as statements that drop them; a table's own sequences are dropped with it.
_CONTENTS = """
    SELECT format('DROP %%s IF EXISTS %%I.%%I CASCADE',
                  CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                               WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, nspname, relname)
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = %(schema)s AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
      AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE classid = 'pg_class'::regclass
                      AND objid = pg_class.oid AND deptype IN ('a', 'i'))
    UNION ALL
    SELECT format('DROP ROUTINE IF EXISTS %%s CASCADE', pg_proc.oid::regprocedure)
    FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace WHERE nspname = %(schema)s
"""


class ScratchError(Exception):
    """No scratch database can be used; the message gives the reason and the fix."""


@contextmanager
def scratch_database(name: str | None = None) -> Iterator[BaseDatabaseWrapper]:
    """An empty database on the same server, dropped at the end, or the one of that ``name``, emptied at the
    end. It has a schema with the same name as ours. Raises ScratchError."""
    schema = schema_of_tables(default_connection)
    if name is None:
        with _made() as made, _connected(made, schema) as scratch:
            _make_schema(scratch, schema)
            yield scratch
        return
    with _connected(name, schema) as scratch:
        _check_that_it_is_empty(scratch, name, schema)
        _make_schema(scratch, schema)
        try:
            yield scratch
        finally:
            _empty(scratch, schema)


@contextmanager
def _made() -> Iterator[str]:
    _sweep()
    name = f"{_PREFIX}{int(time.time())}_{secrets.token_hex(4)}"
    try:
        try:
            _run(_CREATE, name)
        except DatabaseError as error:
            reason = str(error).splitlines()[0]
            raise ScratchError(
                f"a database to compare with can't be made ({reason}); let a role with CREATEDB run this, or "
                "let one make an empty database here, owned by this role, and name it: --scratch NAME"
            ) from error
        yield name
    finally:  # also after Ctrl-C during its creation
        with suppress(DatabaseError):
            _run(_DROP, name)


@contextmanager
def _connected(name: str, schema: str) -> Iterator[BaseDatabaseWrapper]:
    alias, ours = f"scratch_{name}", default_connection.settings_dict
    session = {**ours.get("SESSION", {}), "search_path": quoted(schema)}
    connections.settings[alias] = {**ours, "NAME": name, "CONN_MAX_AGE": 0, "SESSION": session}
    try:
        scratch = connections[alias]
        with session_of_its_own(scratch):
            yield scratch
    except OperationalError as error:
        raise ScratchError(f"{name}: {str(error).strip()}") from error
    finally:
        with suppress(DatabaseError):
            connections[alias].close()
        del connections[alias]
        del connections.settings[alias]


def _sweep() -> None:
    """Drop the databases of killed runs: older than an hour and without a client."""
    with default_connection.cursor() as cursor:
        cursor.execute(_LEFT, [f"^{_PREFIX}(\\d+)_", _LEFT_AFTER_SECONDS])
        left = [name for (name,) in cursor.fetchall()]
    for name in left:
        with suppress(DatabaseError):  # another role's, or dropped by another run
            _run(_DROP, name)


def _check_that_it_is_empty(scratch: BaseDatabaseWrapper, name: str, schema: str) -> None:
    try:
        with scratch.cursor() as cursor:
            cursor.execute(_CONTENTS, {"schema": schema})
            contents = cursor.fetchall()
            cursor.execute("SELECT current_database()")
            is_the_live_one = cursor.fetchone()[0] == default_connection.settings_dict["NAME"]
    except DatabaseError as error:
        raise ScratchError(f"--scratch {name}: {str(error).strip()}") from error
    if contents or is_the_live_one:
        raise ScratchError(f"--scratch {name}: that database is not empty; make an empty one for this alone")


def _make_schema(scratch: BaseDatabaseWrapper, schema: str) -> None:
    if schema != PUBLIC:
        with scratch.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))


def _empty(scratch: BaseDatabaseWrapper, schema: str) -> None:
    with transaction.atomic(using=scratch.alias), scratch.cursor() as cursor:
        cursor.execute(_CONTENTS, {"schema": schema})
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)
        if schema != PUBLIC:
            cursor.execute(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(schema)))


def migrate_to(connection: BaseDatabaseWrapper, targets: Targets) -> None:
    """Run the migrations up to these, without the signals that follow: only the catalog is needed."""
    connection.SchemaEditorClass = OwnSchemaEditor
    MigrationExecutor(connection).migrate(targets)


def applied_targets(connection: BaseDatabaseWrapper) -> Targets:
    """The last applied migrations of every app, as a state that ``migrate_to`` can reach."""
    loader = MigrationExecutor(connection).loader
    applied = {key for key in loader.applied_migrations if key in loader.graph.nodes}
    return [key for key in sorted(applied) if not _followed(loader.graph, key, applied)]


def _followed(graph: object, key: tuple[str, str], applied: set[tuple[str, str]]) -> bool:
    """True if a later applied migration of the same app follows this one."""
    children = graph.node_map[key].children  # type: ignore[attr-defined]
    return any(child.key in applied and child.key[0] == key[0] for child in children)


def _run(statement: str, name: str) -> None:
    # A connection of its own: databases are created and dropped outside of any transaction.
    maintenance = default_connection.copy()
    try:
        with maintenance.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(sql.Identifier(name)))
    finally:
        maintenance.close()
