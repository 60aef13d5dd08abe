"""A real streaming replica of the server of the tests, for the product to read from."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote

import psutil
import psycopg
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from anomalies.replica.state import ALIAS, replica
from driftlock import settings
from tests.support.processes import wait_until
from tests.support.servers import SUPERUSER, Server

_FLUSHED = "SELECT pg_current_wal_flush_lsn()::text"


class Standby(Server):
    """A standby of the server that the tests run on."""

    def __init__(self, **parameters: str) -> None:
        self.name = str(connection.settings_dict["NAME"])
        super().__init__(standby_of=Path(connection.get_connection_params()["host"]), **parameters)

    @property
    def url(self) -> str:
        """Its DATABASE_REPLICA_URL."""
        return f"postgres://{SUPERUSER}@{quote(str(self.folder), safe='')}:5432/{self.name}"

    def run(self, statement: str) -> Any:
        """The first value of a statement that the standby executes."""
        where = {"host": str(self.folder), "port": 5432, "user": SUPERUSER, "dbname": self.name}
        with psycopg.connect(**where, autocommit=True) as session:
            cursor = session.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None

    def catch_up(self) -> None:
        """Wait until it has replayed what is committed by now."""
        with connection.cursor() as cursor:
            cursor.execute(_FLUSHED)
            position = cursor.fetchone()[0]
        wait_until(lambda: self.run(f"SELECT pg_last_wal_replay_lsn() >= '{position}'"), 60)

    def pause(self) -> None:
        """Stop replaying: from then on it shows no commit any more."""
        self.run("SELECT pg_wal_replay_pause()")
        wait_until(lambda: self.run("SELECT pg_get_wal_replay_pause_state() = 'paused'"), 60)

    def resume(self) -> None:
        """Replay again."""
        self.run("SELECT pg_wal_replay_resume()")

    def promote(self) -> None:
        """Make it a primary of its own."""
        self.run("SELECT pg_promote()")
        wait_until(lambda: not self.run("SELECT pg_is_in_recovery()"), 60)

    def kill(self) -> None:
        """Kill it as a crash does, all of its processes, so that it can be started again."""
        killed = self.signal(signal.SIGKILL)
        wait_until(lambda: not any(map(_is_alive, killed)), 60)
        # A process that nobody has taken off the system's list yet would pass for the one in these files.
        for file in (self.data / "postmaster.pid", self.folder / ".s.PGSQL.5432.lock"):
            file.unlink(missing_ok=True)

    def signal(self, number: int) -> list[psutil.Process]:
        """Send a signal to all of its processes, which are returned."""
        server = psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
        processes = [server, *server.children(recursive=True)]
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)
        return processes


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@contextmanager
def read_from(server: Standby) -> Iterator[None]:
    """Inside, the product has this standby as its replica, which has caught up."""
    connections.databases[ALIAS] = _completed(settings._replica(server.url))
    replica.__init__()
    try:
        server.catch_up()
        with _connections_are_allowed():
            yield
    finally:
        connections[ALIAS].close()
        del connections[ALIAS]
        del connections.databases[ALIAS]


@contextmanager
def _connections_are_allowed() -> Iterator[None]:
    """Inside, connections to the replica are made: Django refuses an alias that came after a test began."""
    refusing = BaseDatabaseWrapper.ensure_connection

    def ensure_connection(self: BaseDatabaseWrapper) -> None:
        if self.alias != ALIAS:
            refusing(self)
        elif self.connection is None:
            with self.wrap_database_errors:
                self.connect()

    with patch.object(BaseDatabaseWrapper, "ensure_connection", ensure_connection):
        yield


def _completed(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry with the defaults that Django adds when it reads the settings."""
    return dict(connections.configure_settings({"default": {}, ALIAS: entry})[ALIAS])
