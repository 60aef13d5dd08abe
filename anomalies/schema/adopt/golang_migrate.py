"""golang-migrate's state in a database: its version, and the lock that it holds while working."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import DatabaseError, connection
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from ..migrate.migration_state import golang_versions
from ..own_schema import PUBLIC, quoted, schema_of_tables
from ..preflight import PreflightError, check_surroundings

_SALT = 1486364155
KNOWN_VERSION = 1
CONTRACT = "0004_default_config"  # the last of our migrations that make the same as golang-migrate's


class AdoptError(Exception):
    """The database can't be adopted; the message gives the reason and the fix."""


def lock_id(database: str, *names: str) -> int:
    """The number of golang-migrate's advisory lock.

    Source: golang-migrate, database/util.go, GenerateAdvisoryLockId: CRC-32 of the names joined by NUL, the
    database's last, times a salt, in 32 bits.
    """
    text = "\0".join([*names, database])
    return zlib.crc32(text.encode()) * _SALT & 0xFFFFFFFF


def lock_ids(database: str, schema: str = PUBLIC) -> list[int]:
    """Every number that golang-migrate may lock for this database.

    Depending on its release, the number derives from schema and table, from the schema, or from neither. The
    database's name is the path of the URL, slash included, for its command line and for programs that open a
    URL (postgres.go, Open), but the bare name for a program that passes a connection (WithInstance).
    """
    names = [(schema, "schema_migrations"), (schema,), ()]
    return [lock_id(path, *each) for path in (f"/{database}", database) for each in names]


@contextmanager
def golangs_lock(patience: float) -> Iterator[None]:
    """Hold golang-migrate's lock on this database, so that the two exclude each other.

    All of its numbers are held by a separate connection, so the server releases them when this process ends.
    Raises AdoptError if another process holds one for more than ``patience`` seconds.
    """
    holder = connection.copy()
    try:
        with holder.cursor() as cursor:
            cursor.execute("SELECT current_database(), set_config('idle_session_timeout', '0', false)")
            database = cursor.fetchone()[0]
            end = time.monotonic() + patience
            for number in lock_ids(database, schema_of_tables(connection)):
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
    """Raise AdoptError unless our tables can be created beside golang-migrate's, in the same schema and by
    their owner. It is checked before a dry run and before the work itself."""
    try:
        check_surroundings(connection)
    except PreflightError as error:
        raise AdoptError(str(error)) from error
    owner, _, may_be, may_create = _owner()
    if not may_be:
        raise AdoptError(f"the tables belong to {owner}; adopt as {owner}, or as a member of that role")
    if not may_create:
        schema = quoted(schema_of_tables(connection))
        raise AdoptError(
            f"the tables belong to {owner}, who may not make tables in the schema {schema}; mend it: "
            f"GRANT CREATE ON SCHEMA {schema} TO {quoted(owner)}"
        )


def _owner() -> tuple[str, bool, bool, bool]:
    """The owner of the tables, and three flags: it is connected, can be assumed, may create tables."""
    with connection.cursor() as cursor:
        cursor.execute(_OWNER, [schema_of_tables(connection)])
        return cursor.fetchone() or ("", True, True, True)


@contextmanager
def as_owner() -> Iterator[None]:
    """Act as the owner of the tables, so that all objects have one owner, whichever role is connected.

    ``check_place`` checks that this is permitted.
    """
    owner, is_connected, _, _ = _owner()
    if is_connected:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(owner)))
    try:
        yield
    finally:
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("RESET ROLE")


_OWNER = """
    SELECT pg_get_userbyid(relowner)::text, pg_get_userbyid(relowner) = current_user,
           pg_has_role(current_user, relowner, 'MEMBER'),
           has_schema_privilege(relowner, relnamespace, 'CREATE')
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = %s AND relname = 'anomalies'
"""


def check_version() -> int:
    """The version in schema_migrations. Raises AdoptError if it is unknown or dirty."""
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
    ours = schema_of_tables(connection)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT min(nspname::text) FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace "
            "WHERE relname = 'schema_migrations' AND relkind = 'r' AND nspname <> %s",
            [ours],
        )
        (elsewhere,) = cursor.fetchone()
    if elsewhere is not None:
        raise AdoptError(
            f"schema_migrations is in the schema {elsewhere}, and is expected in {ours}, beside the tables; "
            f"if it is theirs: ALTER TABLE {quoted(elsewhere)}.schema_migrations SET SCHEMA {quoted(ours)}; "
            f"if the tables are in {elsewhere} too: ALTER ROLE … SET search_path = {quoted(elsewhere)}"
        )
