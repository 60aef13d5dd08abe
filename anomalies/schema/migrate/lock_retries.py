"""Lock retries: limits on the time a migration blocks other sessions, and on the time it keeps trying.

Theory: PostgreSQL's lock queue is first come, first served for conflicting modes. A statement that waits for
an ACCESS EXCLUSIVE lock therefore blocks all later statements on the table, even the shortest read, for as
long as the transaction before it runs. It waits ``lock_timeout`` at most, then rolls back its transaction,
which leaves the queue, and is tried again after a pause that doubles up to 10 s (exponential backoff). Other
sessions thus wait at most ``lock_timeout`` per try. CONCURRENTLY blocks no one, so it may wait longer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from django.db import Error, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus

from .locks import Say, Session, blockers, is_lock_trouble

Result = TypeVar("Result")

_LONGEST_PAUSE = 10.0
_LOOK_SECONDS = 0.4
_SAY_AFTER_SECONDS = 3.0
_SAY_AGAIN_SECONDS = 30.0
# Settings of the role, the database or the server that could otherwise end an index build.
_SESSION = {
    "statement_timeout": "0",
    "lock_timeout": "0",  # except during the steps themselves
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "application_name": "driftlock migrate",
    # Otherwise the server notices a killed client only after a long statement has ended.
    "client_connection_check_interval": "1000",
}


class GaveUp(Exception):
    """A lock could not be obtained in time; the message names the blocking sessions and the fix."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits in seconds: ``lock_timeout`` for the wait of other sessions, ``patience`` for retrying a step.

    A lock_timeout above PostgreSQL's deadlock_timeout (1 s) makes the server cancel a blocking autovacuum.
    """

    lock_timeout: float = 1.5
    patience: float = 600.0


class Patience:
    """Runs steps under the limits on one connection; a second one reports the blocking sessions."""

    def __init__(self, connection: BaseDatabaseWrapper, limits: Limits, say: Say) -> None:
        self.connection, self.limits, self.say = connection, limits, say
        self._deadline = 0.0

    def try_until_done(self, what: str, step: Callable[[], Result]) -> Result:
        """The step's result; the whole step is retried if it could not obtain a lock. Raises GaveUp."""
        self._deadline = time.monotonic() + self.limits.patience
        pause = 1.0
        while True:
            with _Watch(self.connection, what, self.say) as watch:
                try:
                    with _lock_timeout(self.connection, self.limits.lock_timeout), self._bounded():
                        return step()
                except OperationalError as error:
                    if not is_lock_trouble(error):
                        raise
                    reason = str(error).strip().splitlines()[0]
            self._pause(what, pause, watch.seen, reason)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def wait_for(self, what: str, in_the_way: Callable[[], list[Session]]) -> None:
        """Wait, without holding a lock, until no session blocks the next statement. Raises GaveUp."""
        say_next = 0.0
        while sessions := in_the_way():
            if time.monotonic() > self._deadline:
                raise self._gave_up(what, sessions, "")
            if time.monotonic() > say_next:
                self.say(f"{what} waits for {_named(sessions)}")
                say_next = time.monotonic() + _SAY_AGAIN_SECONDS
            time.sleep(_LOOK_SECONDS)

    def _pause(self, what: str, pause: float, sessions: list[Session], reason: str) -> None:
        left = self._deadline - time.monotonic()
        if left < pause:
            raise self._gave_up(what, sessions, reason)
        self.say(
            f"{what} waits for {_named(sessions) or reason}; it steps back and tries again in {pause:.0f} s, "
            f"for {left:.0f} s more"
        )
        time.sleep(pause)

    def _gave_up(self, what: str, sessions: list[Session], reason: str) -> GaveUp:
        ending = "".join(f"\n  or end it: SELECT pg_terminate_backend({session.pid})" for session in sessions)
        return GaveUp(
            f"gave up {what} after {self.limits.patience:.0f} s; in the way: {_named(sessions) or reason}\n"
            f"What came before it is applied and recorded. Run it again when those have ended, "
            f"migrate with a longer --patience (seconds) if need be;{ending}".rstrip(";")
        )

    def _bounded(self) -> Any:
        """A wrapper that lets the statements of one transaction wait lock_timeout in total."""
        began = 0.0

        def run(execute: Any, statement: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
            nonlocal began
            raw = context["connection"].connection
            status = raw.info.transaction_status
            if status == TransactionStatus.IDLE:
                began = time.monotonic()
                if "CONCURRENTLY" in str(statement).upper():
                    with _lock_timeout(self.connection, max(self._deadline - began, 1.0)):
                        return execute(statement, params, many, context)
            elif status == TransactionStatus.INTRANS:
                left = self.limits.lock_timeout - (time.monotonic() - began)
                _set(raw, {"lock_timeout": _milliseconds(max(left, 0.05))}, local=True)
            return execute(statement, params, many, context)

        return self.connection.execute_wrapper(run)


@contextmanager
def session_of_a_migration(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """A session without timeouts, so that a long statement can complete; restores the former settings."""
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(_SESSION)])
        before = dict(cursor.fetchall())
    raw = connection.connection
    for name in before:
        # A platform that can't watch its clients refuses that setting.
        with suppress(psycopg.errors.InvalidParameterValue):
            _set(raw, {name: _SESSION[name]})
    try:
        yield
    finally:
        _restore(connection, raw, before)


@contextmanager
def _lock_timeout(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    raw = connection.connection
    before = raw.execute("SELECT current_setting('lock_timeout')").fetchone()[0]
    _set(raw, {"lock_timeout": _milliseconds(seconds)})
    try:
        yield
    finally:
        _restore(connection, raw, {"lock_timeout": before})


def _restore(connection: BaseDatabaseWrapper, raw: Any, settings: dict[str, str]) -> None:
    if connection.connection is raw:
        with suppress(psycopg.Error):  # a lost connection has no settings to restore
            _set(raw, settings)


def _set(raw: Any, settings: dict[str, str], local: bool = False) -> None:
    for name, value in settings.items():
        raw.execute("SELECT set_config(%s, %s, %s)", [name, value, local])


def _milliseconds(seconds: float) -> str:
    return str(max(int(seconds * 1000), 1))  # 0 would mean no limit


def _named(sessions: list[Session]) -> str:
    return " and ".join(map(str, sessions))


class _Watch:
    """A thread with its own connection that observes the blocking sessions and reports long waits."""

    def __init__(self, connection: BaseDatabaseWrapper, what: str, say: Say) -> None:
        self.seen: list[Session] = []
        self._what, self._say = what, say
        # Read from the server, because a pooler gives its clients other ids.
        self._watched = connection
        (self._pid,) = connection.connection.execute("SELECT pg_backend_pid()").fetchone()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        # A pooler may have no connection for it before ours is closed.
        self._thread.join(_LOOK_SECONDS)

    def _look(self) -> None:
        if self._done.wait(_LOOK_SECONDS):  # most steps end before that and need no second connection
            return
        connection = self._watched.copy()
        try:
            with suppress(Error):  # without a free connection no session is named
                self._look_until_done(connection)
        finally:
            connection.close()

    def _look_until_done(self, connection: BaseDatabaseWrapper) -> None:
        since = time.monotonic()
        say_next = since + _SAY_AFTER_SECONDS
        while not self._done.is_set():
            sessions = blockers(connection, self._pid)
            self.seen = sessions or self.seen
            if not sessions:
                say_next = time.monotonic() + _SAY_AFTER_SECONDS
            elif time.monotonic() > say_next:
                self._say(f"{self._what} waits for {_named(sessions)}")
                say_next = time.monotonic() + _SAY_AGAIN_SECONDS
            self._done.wait(_LOOK_SECONDS)
