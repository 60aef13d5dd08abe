"""The schema of our tables, and transactions in which no other object can stand in for what a statement
names.

PostgreSQL looks for an unqualified table in each schema of ``search_path``, of which the first is by
default named as the role: whoever may create a schema can put a copy before a table. Operators and
functions are chosen among all schemas of the path by how exactly their argument types match, before the
order counts: an operator ``public.=`` (varchar, varchar) comes before pg_catalog's ``=`` (text, text). So
statements whose answer is trusted run with the path ``pg_catalog, pg_temp`` and name the schema of every
table (PostgreSQL's documentation, "Schemas" and "Type Conversion").
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

DEFAULT = "public"
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
    """A transaction whose unqualified names are PostgreSQL's own; afterwards the path is what it was.

    ``and_ours`` finds our tables by their names as well, for the statements that Django writes. Then an
    operator of our schema is a candidate, too: compare no varchar in it.
    """
    own = own_schema(alias)  # looked up on the session's own path
    with _path(alias, f"pg_catalog, {quoted(own)}, pg_temp" if and_ours else _TRUSTED) as cursor:
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
    """The name of the schema that our tables are in; looked up once for each database."""
    settings = connections[alias].settings_dict
    key = tuple(str(settings.get(name)) for name in ("HOST", "PORT", "NAME", "USER", "OPTIONS", "SESSION"))
    if key not in _known:
        found = holders(alias)
        if not found:
            return DEFAULT
        _known[key] = found[0]
    return _known[key]


def holders(alias: str = "default") -> list[str]:
    """The schemas of the session's path that have a table ``audit_log``; more than one is an attack, or a
    mix-up.

    To be asked outside of ``pinned``. In the order of the path, but the one that is named as the role comes
    last: the role that made the tables and the one that asks are seldom the same.
    """
    with connections[alias].cursor() as cursor:
        cursor.execute(_PATH)
        schemas, path, role = cursor.fetchone()
    with _path(alias, _TRUSTED) as cursor:
        cursor.execute(_HOLDERS, [schemas])
        there = {name for (name,) in cursor.fetchall()}
    by_role = {role} if '"$user"' in path else set()
    return sorted((name for name in schemas if name in there), key=lambda name: name in by_role)


def quoted(name: str) -> str:
    """A name as an identifier of SQL."""
    return '"{}"'.format(name.replace('"', '""'))


def ours(name: str, alias: str = "default") -> str:
    """A table, view or function of ours, with its schema, as SQL writes it."""
    return f"{quoted(own_schema(alias))}.{quoted(name)}"
