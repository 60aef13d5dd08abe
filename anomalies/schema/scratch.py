"""A database that lives as long as a question: what do the migrations make?"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import DatabaseError, connections
from django.db import connection as default_connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from psycopg import sql

Targets = list[tuple[str, str]]


class ScratchError(Exception):
    """No scratch database can be had; the message says what to do."""


@contextmanager
def scratch_database() -> Iterator[BaseDatabaseWrapper]:
    """An empty database on the same server, dropped at the end. Raises ScratchError."""
    name = f"driftlock_scratch_{secrets.token_hex(6)}"
    try:
        _run("CREATE DATABASE {} TEMPLATE template0", name)
    except DatabaseError as error:
        reason = str(error).splitlines()[0]
        raise ScratchError(
            f"a database to compare with can't be made ({reason}); let a role with CREATEDB run this, "
            "or run it against a restored copy on a server of your own"
        ) from error
    alias = name
    connections.settings[alias] = {**default_connection.settings_dict, "NAME": name, "CONN_MAX_AGE": 0}
    try:
        yield connections[alias]
    finally:
        with suppress(DatabaseError):
            connections[alias].close()
        del connections[alias]
        del connections.settings[alias]
        _run("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


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
