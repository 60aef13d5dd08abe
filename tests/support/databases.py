"""Databases of a test's own, on the server of the tests, as other programs see them: through psycopg."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import psycopg
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.base import DatabaseWrapper
from psycopg import sql

from tests.support.processes import wait_until

_NUMBERS = count(1)

# Kind, name, definition. Places of columns are numbered without gaps, which dropped columns leave.
_CATALOG = """
    WITH ours AS (SELECT oid, relname, relkind, relowner, relacl, reloptions FROM pg_class
                  WHERE relnamespace = 'public'::regnamespace)
    SELECT 'relation', relname, concat_ws(' ', relkind, relowner::regrole, relacl, reloptions,
                                          obj_description(oid, 'pg_class'))
    FROM ours
    UNION ALL
    SELECT 'column', relname || '.' || attname, concat_ws(' ',
        rank() OVER (PARTITION BY attrelid ORDER BY attnum), format_type(atttypid, atttypmod), attnotnull,
        attidentity, attgenerated, attcollation, attacl, pg_get_expr(adbin, adrelid))
    FROM pg_attribute JOIN ours ON ours.oid = attrelid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attnum > 0 AND NOT attisdropped AND relkind NOT IN ('i', 'S')
    UNION ALL
    SELECT 'constraint', conname, concat_ws(' ', conrelid::regclass, pg_get_constraintdef(oid), convalidated)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
    UNION ALL
    SELECT 'index', relname, concat_ws(' ', pg_get_indexdef(oid), indisvalid, indisready, indislive)
    FROM pg_index JOIN ours ON ours.oid = indexrelid
    UNION ALL
    SELECT 'view', relname, pg_get_viewdef(oid) FROM ours WHERE relkind IN ('v', 'm')
    UNION ALL
    SELECT 'trigger', tgname, concat_ws(' ', pg_get_triggerdef(pg_trigger.oid), tgenabled)
    FROM pg_trigger JOIN ours ON ours.oid = tgrelid WHERE NOT tgisinternal
    UNION ALL
    SELECT 'function', proname, concat_ws(' ', pg_get_functiondef(oid), proowner::regrole, proacl)
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'extension', extname, '' FROM pg_extension
"""


def run(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement on Django's connection; none for one that returns no rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def connect(name: str = "postgres", **options: Any) -> psycopg.Connection[Any]:
    """A connection to a database of the test's server, in autocommit."""
    given = connection.get_connection_params()
    where = {key: given[key] for key in ("host", "port", "user", "password") if given.get(key)}
    return psycopg.connect(**where, dbname=name, autocommit=True, **options)


def get_through(name: str, pid: int, rounds: Callable[[], int]) -> None:
    """Return when a session stood behind a migrate that waits for its lock, and did two rounds after that."""
    behind = """
        SELECT FROM pg_stat_activity AS migrate
        WHERE application_name = 'driftlock migrate' AND migrate.pid = ANY(pg_blocking_pids(%s))
    """
    with connect(name) as session:
        wait_until(lambda: session.execute(behind, [pid]).fetchone() is not None)
    former = rounds()
    wait_until(lambda: rounds() > former + 1)


@contextmanager
def database(template: str = "template0", create: str = "") -> Iterator[str]:
    """The name of a database of this block; a copy of ``template``, which nobody may be using.

    ``create`` is added to CREATE DATABASE.
    """
    name = f"test_driftlock_{connection.settings_dict['NAME']}_{next(_NUMBERS)}"[-63:]
    with connect() as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} (FORCE)").format(sql.Identifier(name)))
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} " + create)
        server.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        try:
            yield name
        finally:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} (FORCE)").format(sql.Identifier(name)))


def catalog(name: str) -> set[tuple[str, str, str]]:
    """Every object of a database's schema, each as kind, name and definition."""
    with connect(name) as session:
        return set(session.execute(_CATALOG).fetchall())


@contextmanager
def through_django(name: str) -> Iterator[BaseDatabaseWrapper]:
    """Django's connection to another database of the test's server, for what needs one."""
    connections[name] = other = connection.copy(name)
    other.settings_dict["NAME"] = name
    try:
        yield other
    finally:
        other.close()
        del connections[name]


@contextmanager
def as_default(name: str, role: str | None = None) -> Iterator[None]:
    """Django's default connections go to another database of the test's server, as this role."""
    where = connections["default"].settings_dict
    former, options = where["NAME"], where["OPTIONS"]
    connections["default"].close()
    where["NAME"] = name
    where["OPTIONS"] = options | ({"assume_role": role} if role else {})
    try:
        yield
    finally:
        connections["default"].close()
        where["NAME"], where["OPTIONS"] = former, options


@contextmanager
def reached(name: str, **where: str) -> Iterator[BaseDatabaseWrapper]:
    """Django's default connections, of this and new threads, reach a database by these keys of DATABASES."""
    former, settings = connections["default"], connections.settings["default"]
    given = former.get_connection_params()
    here = {"HOST": given["host"], "PORT": str(given.get("port", "")), "USER": given["user"]}
    other = {key: value for key, value in settings.items() if key != "EMBEDDED"}
    other |= {"ENGINE": "django.db.backends.postgresql", "PASSWORD": "", **here, **where, "NAME": name}
    connections.settings["default"] = other
    connections["default"] = DatabaseWrapper(other, "default")
    try:
        yield connections["default"]
    finally:
        connections["default"].close()
        connections["default"], connections.settings["default"] = former, settings


@contextmanager
def role() -> Iterator[str]:
    """A role that may log in and has no other right; what it owns in a database goes with the database."""
    name = f"test_role_{secrets.token_hex(4)}"
    with connect() as server:
        server.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
        try:
            yield name
        finally:
            server.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
