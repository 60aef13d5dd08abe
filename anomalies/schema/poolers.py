"""Connection poolers: detecting the pool mode, and a session of its own for a command.

The mode is found by two clients that ask in turn for the id of their server process. In session mode each is
answered by one process of its own. In transaction mode a pooler assigns any free process: it gives both
clients the same one (last used, first assigned), or one client two of them (round robin).
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Any

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import ExecStatus

from anomalies.connection_settings import is_pooled, session_of_its_own

_ROUNDS = 5
_WAIT_SECONDS = 5.0
_NEEDS_A_SESSION = """\
The connection goes through a pooler that hands out server connections by the {mode}
(PgBouncer: pool_mode = {mode}), and this command needs one for itself: its locks last longer.
Run it with the server's own address: DATABASE_URL=postgres://{user}@SERVER:5432/{name} manage.py …"""


class PoolerError(Exception):
    """The command can't work through a pooler of this mode; the message gives the setting to change."""


class PoolMode(Enum):
    """The unit for which a pooler assigns a server connection; NONE without a pooler."""

    NONE = "none"
    SESSION = "session"
    TRANSACTION = "transaction"
    STATEMENT = "statement"


def pool_mode(connection: BaseDatabaseWrapper) -> PoolMode:
    """The mode of the pooler that the connection goes through."""
    connection.ensure_connection()
    if not is_pooled(connection):
        return PoolMode.NONE
    one: Any = connection.connection
    with connection.wrap_database_errors, _client(connection.get_connection_params()) as other:
        if not _takes_transactions(one):
            return PoolMode.STATEMENT
        return PoolMode.TRANSACTION if _share_processes(one, other) else PoolMode.SESSION


@contextmanager
def own_session(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """A context in which the connection keeps its server session, with settings and locks.

    Raises PoolerError.
    """
    mode = pool_mode(connection)
    if mode in (PoolMode.TRANSACTION, PoolMode.STATEMENT):
        raise PoolerError(needs_a_session(connection, mode))
    with session_of_its_own(connection):
        yield


def needs_a_session(connection: BaseDatabaseWrapper, mode: PoolMode) -> str:
    """The message for a user whose command needs a session, with the setting to change."""
    where: Any = connection.settings_dict
    return _NEEDS_A_SESSION.format(mode=mode.value, user=where["USER"], name=where["NAME"])


@contextmanager
def _client(params: dict[str, Any]) -> Iterator[psycopg.Connection[Any]]:
    client: psycopg.Connection[Any] = psycopg.connect(**{**params, "autocommit": True})
    try:
        yield client
    finally:
        client.close()


def _takes_transactions(client: psycopg.Connection[Any]) -> bool:
    try:
        client.execute("BEGIN")
        client.execute("COMMIT")
    except psycopg.OperationalError:
        return False
    return True


def _share_processes(one: psycopg.Connection[Any], other: psycopg.Connection[Any]) -> bool:
    """True if one process answers both clients, or two processes answer one client.

    Each client asks twice in a row, because some poolers alternate. A client that gets no answer while the
    other one is idle waits for the other's process: session mode.
    """
    ones: set[int] = set()
    others: set[int] = set()
    with suppress(TimeoutError):
        for _ in range(_ROUNDS):
            ones |= {_process(one), _process(one)}
            others |= {_process(other), _process(other)}
    return len(ones) > 1 or len(others) > 1 or bool(ones & others)


def _process(client: psycopg.Connection[Any]) -> int:
    """The id of the server process that answers. Raises TimeoutError, psycopg.OperationalError."""
    until = time.monotonic() + _WAIT_SECONDS
    client.pgconn.send_query(b"SELECT pg_backend_pid()")
    while client.pgconn.is_busy():
        if not select.select([client.fileno()], [], [], max(0.0, until - time.monotonic()))[0]:
            raise TimeoutError
        client.pgconn.consume_input()
    found = 0
    while result := client.pgconn.get_result():
        if result.status != ExecStatus.TUPLES_OK:
            raise psycopg.OperationalError(result.error_message.decode(errors="replace"))
        found = int(result.get_value(0, 0) or 0)
    return found
