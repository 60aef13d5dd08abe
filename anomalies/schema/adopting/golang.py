"""What golang-migrate keeps in a database: its version, and the lock under which it works."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from ..state import golang_versions

_SALT = 1486364155
KNOWN_VERSION = 1
PATIENCE = 15.0  # seconds, as golang-migrate's own lock timeout


class AdoptError(Exception):
    """A database that is not taken over; the message says why and what to do."""


def lock_id(database: str, *names: str) -> int:
    """The number of golang-migrate's advisory lock.

    Source: golang-migrate, database/util.go, GenerateAdvisoryLockId: CRC-32 of the names joined by NUL, the
    database's last, times a salt, in 32 bits.
    """
    text = "\0".join([*names, database])
    return zlib.crc32(text.encode()) * _SALT & 0xFFFFFFFF


def lock_ids(database: str) -> list[int]:
    """Every number that golang-migrate may lock for this database.

    Its releases make it from schema and table, from the schema, or from neither. The database's name is the
    path of the URL, slash included, for its command line and for whoever opens it by a URL (postgres.go,
    Open), but the bare name for a program that hands over a connection (WithInstance).
    """
    names = [("public", "schema_migrations"), ("public",), ()]
    return [lock_id(path, *each) for path in (f"/{database}", database) for each in names]


@contextmanager
def golangs_lock() -> Iterator[None]:
    """Hold golang-migrate's lock on this database, so that the two exclude each other.

    All of its numbers are held, by a connection of their own. Raises AdoptError where another holds one for
    PATIENCE seconds.
    """
    holder = connection.copy()
    try:
        with holder.cursor() as cursor:
            for number in lock_ids(str(connection.settings_dict["NAME"])):
                _take(cursor, number)
            yield
    finally:
        holder.close()


def _take(cursor: object, number: int) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])  # type: ignore[attr-defined]
        if cursor.fetchone()[0]:  # type: ignore[attr-defined]
            return
        if time.monotonic() > end:
            raise AdoptError(
                "golang-migrate is at work on this database (it holds its lock); try again later"
            )
        time.sleep(0.2)


def check_version() -> int:
    """The version, if it is one that is known and clean. Raises AdoptError."""
    rows = golang_versions()
    if not rows:
        raise AdoptError("this database has no row in schema_migrations: golang-migrate did not make it")
    if len(rows) > 1:
        raise AdoptError(f"schema_migrations has {len(rows)} rows; it should have one")
    ((version, dirty),) = rows
    if dirty:
        raise AdoptError(
            f"golang-migrate left version {version} dirty; mend it and `migrate force {version}`"
        )
    if version != KNOWN_VERSION:
        raise AdoptError(f"golang-migrate's version is {version}; only {KNOWN_VERSION} is known here")
    return version
