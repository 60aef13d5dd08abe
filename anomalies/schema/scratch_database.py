"""A database that lives as long as a question: what do the migrations make?"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import DatabaseError, connections, transaction
from django.db import connection as default_connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from psycopg import sql

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
# What is in the schema public, as statements that take it away; a table's own sequences go with it.
_CONTENTS = """
    SELECT format('DROP %s IF EXISTS public.%I CASCADE',
                  CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                               WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, relname)
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
      AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE classid = 'pg_class'::regclass
                      AND objid = pg_class.oid AND deptype IN ('a', 'i'))
    UNION ALL
    SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', oid::regprocedure)
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""


class ScratchError(Exception):
    """No scratch database can be had; the message says what to do."""


@contextmanager
def scratch_database(name: str | None = None) -> Iterator[BaseDatabaseWrapper]:
    """An empty database on the same server, dropped at the end; or the one of that ``name``, emptied at the
    end. Raises ScratchError."""
    if name is None:
        with _made() as made, _connected(made) as scratch:
            yield scratch
        return
    with _connected(name) as scratch:
        _check_that_it_is_empty(scratch, name)
        try:
            yield scratch
        finally:
            _empty(scratch)


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
    finally:  # also where Ctrl-C came while it was being made
        with suppress(DatabaseError):
            _run(_DROP, name)


@contextmanager
def _connected(name: str) -> Iterator[BaseDatabaseWrapper]:
    alias = f"scratch_{name}"
    connections.settings[alias] = {**default_connection.settings_dict, "NAME": name, "CONN_MAX_AGE": 0}
    try:
        yield connections[alias]
    finally:
        with suppress(DatabaseError):
            connections[alias].close()
        del connections[alias]
        del connections.settings[alias]


def _sweep() -> None:
    """Drop what a killed run left: made over an hour ago, and nobody in it."""
    with default_connection.cursor() as cursor:
        cursor.execute(_LEFT, [f"^{_PREFIX}(\\d+)_", _LEFT_AFTER_SECONDS])
        left = [name for (name,) in cursor.fetchall()]
    for name in left:
        with suppress(DatabaseError):  # another's, or another sweeps too
            _run(_DROP, name)


def _check_that_it_is_empty(scratch: BaseDatabaseWrapper, name: str) -> None:
    try:
        with scratch.cursor() as cursor:
            cursor.execute(_CONTENTS)
            contents = cursor.fetchall()
            cursor.execute("SELECT current_database()")
            is_the_live_one = cursor.fetchone()[0] == default_connection.settings_dict["NAME"]
    except DatabaseError as error:
        raise ScratchError(f"--scratch {name}: {str(error).strip()}") from error
    if contents or is_the_live_one:
        raise ScratchError(f"--scratch {name}: that database is not empty; make one that is, for this alone")


def _empty(scratch: BaseDatabaseWrapper) -> None:
    with transaction.atomic(using=scratch.alias), scratch.cursor() as cursor:
        cursor.execute(_CONTENTS)
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)


def migrate_to(connection: BaseDatabaseWrapper, targets: Targets) -> None:
    """Run the migrations up to these, and no signal after them: the catalog is all that is wanted."""
    MigrationExecutor(connection).migrate(targets)


def applied_targets(connection: BaseDatabaseWrapper) -> Targets:
    """The last applied migrations of every app, as a state that ``migrate_to`` can reach."""
    loader = MigrationExecutor(connection).loader
    applied = {key for key in loader.applied_migrations if key in loader.graph.nodes}
    return [key for key in sorted(applied) if not _followed(loader.graph, key, applied)]


def _followed(graph: object, key: tuple[str, str], applied: set[tuple[str, str]]) -> bool:
    """Whether a later applied migration of the same app comes after this one."""
    children = graph.node_map[key].children  # type: ignore[attr-defined]
    return any(child.key in applied and child.key[0] == key[0] for child in children)


def _run(statement: str, name: str) -> None:
    # A connection of its own: a database is made and dropped outside of any transaction.
    maintenance = default_connection.copy()
    try:
        with maintenance.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(sql.Identifier(name)))
    finally:
        maintenance.close()
