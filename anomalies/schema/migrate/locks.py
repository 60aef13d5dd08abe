"""The lock that allows one migrate at a time, and the sessions that block others.

The lock is a PostgreSQL advisory lock of the migrating session, so the server releases it when the process is
killed. A waiting process polls it, each time in a new transaction, instead of blocking in one: a CREATE INDEX
CONCURRENTLY waits for every open transaction, so it and the blocked one would wait for each other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from django.db import Error, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

Say = Callable[[str], None]

KEY = 0x64726966746C6F63  # "driftloc" in ASCII; an advisory lock belongs to one database
_ASK_AGAIN_SECONDS = 0.25
_SAY_AGAIN_SECONDS = 15.0
_QUERY_CHARACTERS = 120

# Of another role's sessions only id and user are visible; the rest is NULL without pg_read_all_stats.
_SESSIONS = """
    SELECT pid, usename, application_name, state,
           extract(epoch FROM clock_timestamp() - xact_start)::float8, query
    FROM pg_stat_activity WHERE {} ORDER BY xact_start, pid
"""
_HOLDER = _SESSIONS.format("""
    pid IN (SELECT pid FROM pg_locks
            WHERE locktype = 'advisory' AND granted AND objsubid = 1
              AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
              AND (classid::bigint << 32) | objid::bigint = %s)
""")
_BLOCKERS = _SESSIONS.format("pid = ANY(pg_blocking_pids(%s))")
# Without autovacuums: the server cancels one for a statement that waits for it.
_OLD_TRANSACTIONS = _SESSIONS.format("""
    pid <> pg_backend_pid() AND datname = current_database() AND backend_type = 'client backend'
    AND xact_start < clock_timestamp() - make_interval(secs => %s)
    AND ((%s AND backend_xmin IS NOT NULL)
         OR pid IN (SELECT pid FROM pg_locks
                    WHERE granted AND relation = to_regclass(%s) AND mode = ANY(%s)))
""")
_WRITING = [
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
]
_ANY_USE = ["AccessShareLock", "RowShareLock", "ShareLock", *_WRITING]


@dataclass(frozen=True, slots=True)
class Session:
    """A client of the server from pg_stat_activity; ``seconds`` is the age of its transaction."""

    pid: int
    user: str | None
    program: str | None
    state: str | None
    seconds: float | None
    query: str | None

    def __str__(self) -> str:
        about = [self.user, self.program, self.state]
        if self.seconds is not None:
            about.append(f"its transaction is {self.seconds:.0f} s old")
        query = " ".join((self.query or "").split())
        shown = f": {query[:_QUERY_CHARACTERS]}{'…' * (len(query) > _QUERY_CHARACTERS)}" if query else ""
        return f"process {self.pid} ({', '.join(filter(None, about))}){shown}"


def blockers(connection: BaseDatabaseWrapper, pid: int) -> list[Session]:
    """The sessions that hold, or precede it in the queue for, the lock that process ``pid`` waits for."""
    return _sessions(connection, _BLOCKERS, pid)


def in_the_way_of_a_build(connection: BaseDatabaseWrapper, table: str, seconds: float) -> list[Session]:
    """The transactions older than ``seconds`` that CREATE INDEX CONCURRENTLY on the table would wait for."""
    return _sessions(connection, _OLD_TRANSACTIONS, seconds, True, table, _WRITING)


def in_the_way_of_a_drop(connection: BaseDatabaseWrapper, table: str, seconds: float) -> list[Session]:
    """The transactions older than ``seconds`` that DROP INDEX CONCURRENTLY on the table would wait for."""
    return _sessions(connection, _OLD_TRANSACTIONS, seconds, False, table, _ANY_USE)


def is_lock_trouble(error: BaseException) -> bool:
    """True if a statement failed to obtain a lock: by lock_timeout, NOWAIT or a deadlock."""
    return getattr(error.__cause__, "sqlstate", None) in ("55P03", "40P01")


@contextmanager
def one_at_a_time(connection: BaseDatabaseWrapper, say: Say) -> Iterator[None]:
    """Hold the database's migration lock; waits for its holder without limit and reports that."""
    say_next = time.monotonic()
    waited = False
    while not _take(connection):
        if time.monotonic() >= say_next:
            holder = " and ".join(map(str, _sessions(connection, _HOLDER, KEY))) or "it has just ended"
            say(f"another migrate is at work; waiting for it to end: {holder}")
            waited, say_next = True, time.monotonic() + _SAY_AGAIN_SECONDS
        time.sleep(_ASK_AGAIN_SECONDS)
    if waited:
        say("the other migrate has ended; going on")
    try:
        yield
    finally:
        with suppress(Error):  # a lost connection has released the lock already
            _rows(connection, "SELECT pg_advisory_unlock(%s)", KEY)


def _take(connection: BaseDatabaseWrapper) -> bool:
    return bool(_rows(connection, "SELECT pg_try_advisory_lock(%s)", KEY)[0][0])


def _sessions(connection: BaseDatabaseWrapper, query: str, *values: Any) -> list[Session]:
    with suppress(OperationalError):
        return [Session(*row) for row in _rows(connection, query, *values)]
    return []


def _rows(connection: BaseDatabaseWrapper, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
