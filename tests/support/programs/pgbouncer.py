"""A real PgBouncer in front of the server of the tests, or of another one; gone after the test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from driftlock.embedded_postgres.identity import choose_identity
from tests.support.databases import reached

# Debian has it in sbin, which is not in everybody's PATH.
PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
# A test that can't run says so; a run of continuous integration names it (.ci/run).
needed = pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed (Debian: pgbouncer)")

_SETTINGS = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_port = 6432
unix_socket_dir = {folder}
auth_type = trust
auth_file = {folder}/users
admin_users = pgbouncer
pool_mode = {mode}
default_pool_size = {size}
max_client_conn = 200
query_wait_timeout = 60
logfile = {folder}/log
"""


class PgBouncer:
    """A PgBouncer that runs: where it is, and connections through it."""

    def __init__(self, folder: Path, user: str) -> None:
        self.folder, self.user = folder, user

    def url(self, database: str, user: str | None = None) -> str:
        """The DATABASE_URL of a database behind it."""
        return f"postgres://{user or self.user}@{quote(str(self.folder), safe='')}:6432/{database}"

    def connect(self, database: str, user: str | None = None, **over: Any) -> psycopg.Connection[Any]:
        """A connection of another program, in autocommit."""
        where = {"host": str(self.folder), "port": 6432, "user": user or self.user, "dbname": database}
        return psycopg.connect(**where, autocommit=True, prepare_threshold=None, **over)

    @contextmanager
    def as_default(self, database: str | None = None) -> Iterator[BaseDatabaseWrapper]:
        """Django's default connections of this and of new threads go through it; to the test's database."""
        name = database or connections["default"].settings_dict["NAME"]
        with reached(name, HOST=str(self.folder), PORT="6432", USER=self.user) as connection:
            yield connection


@contextmanager
def pgbouncer(mode: str, size: int = 4, users: Sequence[str] = (), **over: str) -> Iterator[PgBouncer]:
    """PgBouncer in this pool mode, with ``size`` server connections for each database and user."""
    given = connection.get_connection_params()
    folder = Path(tempfile.mkdtemp(prefix="driftlock-pgbouncer-"))
    names = {given["user"], "pgbouncer", *users}
    (folder / "users").write_text("".join(f'"{name}" ""\n' for name in sorted(names)))
    values = {"host": given["host"], "port": given.get("port") or 5432, "folder": folder}
    text = _SETTINGS.format(**values, mode=mode, size=size)
    (folder / "settings").write_text(text + "".join(f"{name} = {value}\n" for name, value in over.items()))
    identity = choose_identity(Path(given["host"]), folder, [Path(str(PROGRAM)), folder])
    if identity:
        for path in (folder, *folder.iterdir()):
            os.chown(path, identity.uid, identity.gid)
    command = [str(PROGRAM), "-q", str(folder / "settings")]
    process = subprocess.Popen(identity.command(command) if identity else command, stderr=subprocess.DEVNULL)
    try:
        _wait_until_it_listens(process, folder)
        yield PgBouncer(folder, given["user"])
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_it_listens(process: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        assert process.poll() is None, (folder / "log").read_text()
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(folder / ".s.PGSQL.6432")) == 0:
                return
        time.sleep(0.02)
    raise AssertionError((folder / "log").read_text())
