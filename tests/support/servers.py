"""PostgreSQL servers and databases beside the one that tests run on: made for a test, gone after it."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from driftlock.embedded_postgres.identity import choose_identity
from driftlock.embedded_postgres.server import binaries
from tests.support.memory_folder import temporary_folder

OLDEST = Path("/usr/lib/postgresql/15/bin")
SUPERUSER = "driftlock"


def why_no_postgres_15() -> str | None:
    """The reason why a test on PostgreSQL 15 cannot run here, or None if it can."""
    return None if (OLDEST / "initdb").exists() else f"PostgreSQL 15 is not installed ({OLDEST} is missing)"


class Server:
    """A cluster in a temporary folder, reached by a Unix socket; run as a user other than root."""

    def __init__(
        self,
        programs: Path | None = None,
        folder: Path | None = None,
        standby_of: Server | Path | None = None,
        **settings: str,
    ) -> None:
        self.programs = programs or binaries()
        self.folder = folder or Path(temporary_folder("driftlock-server-"))
        self.data = self.folder / "data"
        self._settings = {"listen_addresses": "", "unix_socket_directories": str(self.folder), **settings}
        needs = [self.programs / "postgres", self.folder]
        self._identity = choose_identity(self.folder, self.folder, needs)
        self.own(self.folder)
        if standby_of:
            host = standby_of if isinstance(standby_of, Path) else standby_of.folder
            where = ["-h", str(host), "-U", SUPERUSER, "-c", "fast", "-R"]
            self._run("pg_basebackup", "-D", str(self.data), *where)
            return
        initdb = ["-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C"]
        self._run("initdb", "-D", str(self.data), *initdb)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        # Not captured: a server keeps pg_ctl's streams open.
        with (self.folder / "programs.log").open("ab") as log:
            subprocess.run(
                self._identity.command(command) if self._identity else command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                check=True,
            )

    def start(self) -> None:
        """Start it, and wait until it takes connections: after a crash that is after the recovery."""
        settings = " ".join(f"-c {name}={value}" for name, value in self._settings.items())
        log = str(self.folder / "server.log")
        self._run("pg_ctl", "start", "-w", "-t", "120", "-D", str(self.data), "-l", log, "-o", settings)

    def stop(self, mode: str = "immediate") -> None:
        """Stop it as pg_ctl does: smart, fast or immediate (which is a crash to the data)."""
        self._run("pg_ctl", "stop", "-w", "-D", str(self.data), "-m", mode)

    @property
    def running(self) -> bool:
        """Return True if the server accepts connections."""
        try:
            self._run("pg_ctl", "status", "-D", str(self.data))
        except subprocess.CalledProcessError:
            return False
        return True

    def own(self, folder: Path) -> None:
        """Make the folder one that the server may write to."""
        if self._identity:
            os.chown(folder, self._identity.uid, self._identity.gid)

    def database(self, name: str) -> dict[str, Any]:
        """A database as Django's settings have it."""
        where = {"HOST": str(self.folder), "PORT": "5432", "USER": SUPERUSER, "PASSWORD": "", "NAME": name}
        return {"ENGINE": "django.db.backends.postgresql", **where}

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if self.running:
                self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def database(
    alias: str, server: Server | None = None, template: str = "template0", create: str = "", **over: Any
) -> Iterator[BaseDatabaseWrapper]:
    """A new database under an alias of Django's, on this server or else on the tests' own; dropped after.

    ``create`` is added to CREATE DATABASE, ``over`` to the alias's settings.
    """
    settings = copy.deepcopy(connection.settings_dict)
    if server:
        settings.pop("EMBEDDED", None)
        settings.update(server.database(""))
    connections.databases[alias] = settings | {"NAME": "postgres", "CONN_MAX_AGE": 0}
    name = sql.Identifier(f"driftlock_test_{alias}_{os.getpid()}")
    _once(alias, sql.SQL("DROP DATABASE IF EXISTS {}").format(name))
    make = sql.SQL("CREATE DATABASE {} TEMPLATE {} " + create)
    _once(alias, make.format(name, sql.Identifier(template)))
    connections.databases[alias] = settings | {"NAME": name._obj[0]} | over
    try:
        yield connections[alias]
    finally:
        _forget(alias)
        connections.databases[alias] = settings | {"NAME": "postgres", "CONN_MAX_AGE": 0}
        _once(alias, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
        del connections.databases[alias]


@contextmanager
def existing(alias: str, server: Server, name: str) -> Iterator[BaseDatabaseWrapper]:
    """A database that a server has already, under an alias of Django's."""
    settings = {key: value for key, value in connection.settings_dict.items() if key != "EMBEDDED"}
    connections.databases[alias] = settings | server.database(name) | {"CONN_MAX_AGE": 0}
    try:
        yield connections[alias]
    finally:
        _forget(alias)
        del connections.databases[alias]


def _once(alias: str, statement: sql.Composed) -> None:
    params = connections[alias].get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    with psycopg.connect(**{name: params[name] for name in names if params.get(name)}, autocommit=True) as it:
        it.execute(statement)
    _forget(alias)


def _forget(alias: str) -> None:
    connections[alias].close()
    del connections[alias]
