"""Django's ``ENGINE``: PostgreSQL, started when the first connection is made.

The entry in ``DATABASES`` has one key more than Django's own backend, ``EMBEDDED``:
``{"HOME": folder, "PARAMETERS": {server setting: value}}``; HOST, PORT, USER and PASSWORD are not used.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from django.db.backends.postgresql import base, client
from django.db.utils import OperationalError
from psycopg import sql

from .server import Address, EmbeddedServer, EmbeddedServerError, binaries


@cache
def _server(home: Path, parameters: tuple[tuple[str, str], ...]) -> EmbeddedServer:
    return EmbeddedServer(home, dict(parameters))


@cache
def _ensure_database(address: Address, name: str) -> None:
    """Create the database unless it is there; asked once per process, server start and name."""
    maintenance = f"host={address.socket_folder} port={address.port} user={address.user} dbname=postgres"
    with psycopg.connect(maintenance, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if found is None:
            # Another process may be quicker.
            with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


class DatabaseClient(client.DatabaseClient):
    """``manage.py dbshell`` with the psql that came with the server."""

    def runshell(self, parameters: Iterable[str]) -> None:
        params = self.connection.get_connection_params()
        where = ["-h", params["host"], "-p", str(params["port"]), "-U", params["user"], params["dbname"]]
        subprocess.run([str(binaries() / "psql"), *where, *parameters], check=True)


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's PostgreSQL backend, with the server's address asked for at each connection."""

    client_class = DatabaseClient

    def get_connection_params(self) -> dict[str, Any]:
        """Start the server if need be; the parameters of a connection to it."""
        embedded = self.settings_dict["EMBEDDED"]
        server = _server(Path(embedded["HOME"]), tuple(sorted(embedded.get("PARAMETERS", {}).items())))
        try:
            address = server.ensure_running()
        except EmbeddedServerError as error:
            raise OperationalError(str(error)) from error
        if self.settings_dict["NAME"]:
            _ensure_database(address, self.settings_dict["NAME"])
        where = {"host": address.socket_folder, "port": address.port, "user": address.user}
        return {**super().get_connection_params(), **where}
