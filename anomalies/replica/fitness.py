"""The conditions for a replica beside its age: of the same server, and with this version's tables."""

from __future__ import annotations

from functools import cache

from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

# The same on a server and its standbys, since it is copied with the data.
_SYSTEM = "SELECT system_identifier FROM pg_control_system()"


def unapplied(connection: BaseDatabaseWrapper) -> int:
    """The number of migrations of this version that a database lacks. Raises Error if it does not answer."""
    return len(_all() - set(MigrationRecorder(connection).applied_migrations()))


@cache
def _all() -> set[tuple[str, str]]:
    return set(MigrationLoader(None, ignore_no_migrations=True).disk_migrations or ())


def is_of_another_server(connection: BaseDatabaseWrapper) -> bool:
    """True if its data do not come from the primary; False where one of both does not give its identifier."""
    try:
        return _identifier(connection) != _identifier(connections[DEFAULT_DB_ALIAS])
    except Error:
        return False


def _identifier(connection: BaseDatabaseWrapper) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_SYSTEM)
        found: int = cursor.fetchone()[0]
        return found
