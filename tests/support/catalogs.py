"""The catalogs that migrations make, kept from one comparison to the next, in this process and in commands.

``schema check`` and ``schema adopt`` run all migrations in a scratch database to read what these make, which
takes most of a test's processor time. The result depends on the migrations alone, which no test changes.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import pickle
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection

from anomalies.schema import drift
from anomalies.schema.catalog import Catalog
from anomalies.schema.own_schema import schema_of_tables
from anomalies.schema.scratch_database import Targets

from .memory_folder import temporary_folder

_read = drift.expected_catalogs


@functools.cache
def folder() -> str:
    """The folder of this process's catalogs."""
    made = temporary_folder("driftlock-catalogs-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


@contextmanager
def remembered(where: str | None = None) -> Iterator[None]:
    """Take the expected catalogs from those in a folder, and put others there as they are read."""
    drift.expected_catalogs = functools.partial(_remembered, where or folder())
    try:
        yield
    finally:
        drift.expected_catalogs = _read


def _remembered(
    where: str, stages: Sequence[Targets], known_roles: Collection[str] = (), scratch: str | None = None
) -> list[Catalog]:
    if scratch is not None:  # a test of the database that it names
        return _read(stages, known_roles, scratch)
    file = Path(where, hashlib.sha256(repr(_key(stages, known_roles)).encode()).hexdigest())
    if not file.exists():
        written = file.with_suffix(f".{os.getpid()}")
        written.write_bytes(pickle.dumps(_read(stages, known_roles)))
        written.rename(file)
    found: list[Catalog] = pickle.loads(file.read_bytes())
    return found


def _key(stages: Sequence[Targets], known_roles: Collection[str]) -> tuple[Any, ...]:
    """The values that the catalogs depend on beside the migrations."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user::text, current_setting('server_version')")
        role_and_server = cursor.fetchone()
    return (
        [sorted(each) for each in stages],
        sorted(known_roles),
        schema_of_tables(connection),
        role_and_server,
    )
