"""A migrated Driftlock database on its own server, with rows to decide about."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import django
import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from tests.support.servers import Server

_RECOVERS_WITHIN = 600  # seconds


class Ground:
    """A running server, its database ``driftlock`` under Django's default alias, and a line for ourselves."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.observer = self._connect()

    def _connect(self) -> psycopg.Connection:
        where = self.server.database("driftlock")
        return psycopg.connect(
            host=where["HOST"], port=where["PORT"], user=where["USER"], dbname=where["NAME"], autocommit=True
        )

    def crash(self) -> None:
        """Shut the server down at once, as a power cut would end it, and start it again."""
        self.forget()
        self.server.stop("immediate")
        self.start()

    def start(self) -> None:
        """Start the server if it is down, and wait until it has recovered."""
        self.forget()
        until = time.monotonic() + _RECOVERS_WITHIN
        while True:
            if not self.server.running:
                self.server.start()
            try:
                self.observer = self._connect()
                return
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def forget(self) -> None:
        """Close our own connections."""
        connection.close()
        self.observer.close()

    def backends(self) -> dict[str, tuple[int, bool]]:
        """By worker's name, its backend's process id and whether it is in a transaction."""
        found = self.observer.execute(
            "SELECT application_name, pid, xact_start IS NOT NULL FROM pg_stat_activity "
            "WHERE application_name LIKE 'torture-%'"
        )
        return {name: (pid, busy) for name, pid, busy in found}

    def terminate(self, pid: int) -> bool:
        """End a backend; False where it has gone already."""
        return bool(self.observer.execute("SELECT pg_terminate_backend(%s)", [pid]).fetchone()[0])


def configure(where: dict[str, str]) -> None:
    """Django on that database, in this process: from now on, or instead of another one."""
    if settings.configured:
        connection.settings_dict.update(where)
        return
    folder = where["HOST"].replace("/", "%2F")
    os.environ["DATABASE_URL"] = f"postgres://{where['USER']}@{folder}/{where['NAME']}"
    os.environ["DJANGO_SETTINGS_MODULE"] = "driftlock.settings"
    os.environ["DRIFTLOCK_MODE"] = "development"
    django.setup()


@dataclass(frozen=True)
class Kind:
    """A server: the folder of its programs (None: the embedded server's), and its settings."""

    programs: Path | None
    settings: dict[str, str]


@contextmanager
def ground(kind: Kind, folder: Path | None = None, tablespace: Path | None = None) -> Iterator[Ground]:
    """A server with a migrated database, whose place may be ``tablespace``; both are gone afterwards."""
    with Server(kind.programs, folder, **{"max_connections": "40", **kind.settings}) as server:
        where = server.database("driftlock")
        maintenance = f"host={where['HOST']} user={where['USER']} dbname=postgres"
        with psycopg.connect(maintenance, autocommit=True) as it:
            if tablespace:
                server.own(tablespace)
                it.execute(f"CREATE TABLESPACE small LOCATION '{tablespace}'")
            it.execute(f"CREATE DATABASE driftlock {'TABLESPACE small' if tablespace else ''}")
        configure(where)
        call_command("migrate", verbosity=0)
        made = Ground(server)
        try:
            yield made
        finally:
            made.forget()


def make_rows(count: int, seed: int) -> list[UUID]:
    """Pending anomalies whose ids follow from the seed."""
    from anomalies.models import Anomaly  # not before Django is set up
    from tests.support.factories import anomaly_values

    dice = random.Random(seed)
    ids = [UUID(int=dice.getrandbits(128), version=4) for _ in range(count)]
    Anomaly.objects.bulk_create(Anomaly(**anomaly_values(id=pk)) for pk in ids)
    return ids
