"""What golang-migrate keeps in a database: its version, and the lock under which it works."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import DatabaseError, connection
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from ..migrate.migration_state import golang_versions

_SALT = 1486364155
KNOWN_VERSION = 1
CONTRACT = "0004_default_config"  # up to here our migrations make what golang-migrate made


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
def golangs_lock(patience: float) -> Iterator[None]:
    """Hold golang-migrate's lock on this database, so that the two exclude each other.

    All of its numbers are held, by a connection of their own, so that they go with this process. Raises
    AdoptError where another holds one for that many seconds.
    """
    holder = connection.copy()
    try:
        with holder.cursor() as cursor:
            cursor.execute("SELECT current_database(), set_config('idle_session_timeout', '0', false)")
            database = cursor.fetchone()[0]
            end = time.monotonic() + patience
            for number in lock_ids(database):
                _take(cursor, number, end)
            yield
    finally:
        holder.close()


def _take(cursor: CursorWrapper, number: int, end: float) -> None:
    while True:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
        if cursor.fetchone()[0]:
            return
        if time.monotonic() > end:
            raise AdoptError(
                f"golang-migrate is at work on this database, or another adopt is: process "
                f"{_holder(cursor, number)} of the server holds its lock; try again later"
            )
        time.sleep(0.2)


def _holder(cursor: CursorWrapper, number: int) -> str:
    cursor.execute(
        "SELECT string_agg(pid::text, ', ') FROM pg_locks WHERE locktype = 'advisory' AND granted"
        " AND objsubid = 1 AND classid = 0 AND objid = %s::bigint::text::oid",
        [number],
    )
    return cursor.fetchone()[0] or "unknown"


def check_place() -> None:
    """Raises AdoptError unless our tables would be made where golang-migrate's are, in ``public``."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema(), current_setting('search_path')")
        schema, path = cursor.fetchone()
    if schema != "public":
        raise AdoptError(
            f"tables would be made in the schema {schema} (search_path is {path}), and ours belong beside "
            "golang-migrate's in public; mend it: ALTER ROLE … SET search_path = public"
        )


@contextmanager
def as_owner() -> Iterator[None]:
    """Work as the role that owns the tables, so that all of it has one owner, whoever it is that works.

    Raises AdoptError where the role that is connected may not.
    """
    with connection.cursor() as cursor:
        cursor.execute(_OWNER)
        owner, is_it, may_be = cursor.fetchone() or ("", True, True)
        if is_it:
            yield
            return
        if not may_be:
            raise AdoptError(f"the tables belong to {owner}; adopt as {owner}, or as a member of that role")
        cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(owner)))
    try:
        yield
    finally:
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("RESET ROLE")


_OWNER = """
    SELECT pg_get_userbyid(relowner)::text, relowner = current_user::regrole,
           pg_has_role(current_user, relowner, 'MEMBER')
    FROM pg_class WHERE oid = to_regclass('public.anomalies')
"""


def check_version() -> int:
    """The version, if it is one that is known and clean. Raises AdoptError."""
    rows = golang_versions()
    if not rows:
        _check_that_it_is_nowhere_else()
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


def _check_that_it_is_nowhere_else() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_regclass('public.schema_migrations') IS NULL, min(relnamespace::regnamespace::text)"
            " FROM pg_class WHERE relname = 'schema_migrations' AND relkind = 'r'"
        )
        is_missing, elsewhere = cursor.fetchone()
    if is_missing and elsewhere is not None:
        raise AdoptError(
            f"schema_migrations is in the schema {elsewhere}, and is looked for in public, by the tables; "
            f"if it is theirs: ALTER TABLE {elsewhere}.schema_migrations SET SCHEMA public"
        )
