"""The schema of our tables, and transactions in which no other object can replace one that a statement
names.

PostgreSQL looks for an unqualified table in each schema of ``search_path``, the first of which has by
default the name of the role: a role that may create a schema can place a copy before a table. Operators and
functions are chosen among all schemas of the path by the exactness of their argument types before the order
counts: an operator ``public.=`` (varchar, varchar) precedes pg_catalog's ``=`` (text, text). Statements whose
result is trusted therefore run with the path ``pg_catalog, pg_temp`` and qualify every table (PostgreSQL's
documentation, "Schemas" and "Type Conversion").
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

from .own_schema import PUBLIC

_TRUSTED = "pg_catalog, pg_temp"
_PATH = """
    SELECT pg_catalog.current_schemas(false)::pg_catalog.text[], pg_catalog.current_setting('search_path'),
           current_user::pg_catalog.text
"""
_HOLDERS = """
    SELECT nspname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relname = 'audit_log' AND nspname = ANY (%s)
"""
_known: dict[tuple[str, ...], str] = {}


@contextmanager
def pinned(alias: str = "default", *, and_ours: bool = False) -> Iterator[CursorWrapper]:
    """A transaction in which unqualified names are PostgreSQL's own; the former path is restored afterwards.

    With ``and_ours`` our tables are found by name as well, for statements that Django generates. An operator
    of our schema is then a candidate too, so such statements must not compare varchar values.
    """
    own = own_schema(alias)  # looked up on the session's own path
    with _path(alias, f"pg_catalog, {identifier(own)}, pg_temp" if and_ours else _TRUSTED) as cursor:
        yield cursor


@contextmanager
def _path(alias: str, path: str) -> Iterator[CursorWrapper]:
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute("SELECT pg_catalog.current_setting('search_path')")
        (former,) = cursor.fetchone()
        cursor.execute(f"SET LOCAL search_path = {path}")
        yield cursor
        cursor.execute("SELECT pg_catalog.set_config('search_path', %s, true)", [former])


def own_schema(alias: str = "default") -> str:
    """The name of the schema of our tables, for statements whose result is trusted; looked up once for each
    database.

    Unlike ``schema_of_tables``, which follows the search path, it prefers any other schema to the one named
    like the role, in which the role can create a copy of our tables.
    """
    settings = connections[alias].settings_dict
    key = tuple(str(settings.get(name)) for name in ("HOST", "PORT", "NAME", "USER", "OPTIONS", "SESSION"))
    if key not in _known:
        found = holders(alias)
        if not found:
            return PUBLIC
        _known[key] = found[0]
    return _known[key]


def holders(alias: str = "default") -> list[str]:
    """The schemas of the session's path with a table ``audit_log``; more than one is an attack or an error.

    Must be called outside of ``pinned``. They come in the order of the path, except that the schema named
    like the role is last: the tables are rarely created by the connected role.
    """
    with connections[alias].cursor() as cursor:
        cursor.execute(_PATH)
        schemas, path, role = cursor.fetchone()
    with _path(alias, _TRUSTED) as cursor:
        cursor.execute(_HOLDERS, [schemas])
        there = {name for (name,) in cursor.fetchall()}
    by_role = {role} if '"$user"' in path else set()
    return sorted((name for name in schemas if name in there), key=lambda name: name in by_role)


def identifier(name: str) -> str:
    """A name as an SQL identifier, always quoted: for statements of our own."""
    return '"{}"'.format(name.replace('"', '""'))


def ours(name: str, alias: str = "default") -> str:
    """The qualified SQL name of one of our tables, views or functions."""
    return f"{identifier(own_schema(alias))}.{identifier(name)}"
