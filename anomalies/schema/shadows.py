"""Shadows: objects that precede ours, or replace PostgreSQL's own, in the search path of any session.

Sealing, verification and the trigger functions are immune to them (``search_path``), but the application's
own pages are not; and such objects are never created by accident.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from django.db.backends.utils import CursorWrapper

from .search_path import own_schema, pinned

# The path of each role, by precedence: role in this database, role, database, server.
_PATHS = """
    SELECT role.rolname::text, coalesce(
        (SELECT substr(setting, 13) FROM pg_db_role_setting, unnest(setconfig) AS setting
         WHERE setting LIKE 'search_path=%%' AND setrole IN (role.oid, 0)
           AND setdatabase IN ((SELECT oid FROM pg_database WHERE datname = current_database()), 0)
         ORDER BY setrole = 0, setdatabase = 0 LIMIT 1),
        (SELECT boot_val FROM pg_settings WHERE name = 'search_path'))
    FROM pg_roles AS role WHERE rolcanlogin
"""
_SCHEMAS_WITH_COPIES = """
    SELECT nspname::text, min(relname::text)
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relname = ANY (%s) AND nspname <> %s AND relkind IN ('r', 'p', 'v', 'm', 'f')
      AND nspname NOT LIKE 'pg\\_%%'
    GROUP BY 1
"""
# Objects created by users (with ids from 16384 up), not by an extension, over PostgreSQL's own types.
_REPLACEMENTS = """
    WITH own AS (SELECT oid FROM pg_type WHERE oid < 16384),
    extension AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e')
    SELECT 'operator ' || oid::regoperator::text FROM pg_operator AS made
    WHERE oid >= 16384 AND oprright IN (TABLE own) AND (oprleft = 0 OR oprleft IN (TABLE own))
      AND EXISTS (SELECT FROM pg_operator WHERE oid < 16384 AND oprname = made.oprname)
      AND NOT EXISTS (SELECT FROM extension WHERE classid = 'pg_operator'::regclass AND objid = made.oid)
    UNION ALL
    SELECT format('cast (%%s AS %%s)', castsource::regtype, casttarget::regtype) FROM pg_cast AS made
    WHERE oid >= 16384 AND castsource IN (TABLE own) AND casttarget IN (TABLE own)
      AND NOT EXISTS (SELECT FROM extension WHERE classid = 'pg_cast'::regclass AND objid = made.oid)
    UNION ALL
    SELECT format('operator class %%I for %%s', opcname, opcintype::regtype) FROM pg_opclass AS made
    WHERE oid >= 16384 AND opcdefault AND opcintype IN (TABLE own)
      AND NOT EXISTS (SELECT FROM extension WHERE classid = 'pg_opclass'::regclass AND objid = made.oid)
    UNION ALL
    SELECT 'function ' || oid::regprocedure::text FROM pg_proc AS made
    WHERE oid >= 16384 AND pronamespace = 'pg_catalog'::regnamespace
      AND EXISTS (SELECT FROM pg_proc WHERE oid < 16384 AND proname = made.proname)
      AND NOT EXISTS (SELECT FROM extension WHERE classid = 'pg_proc'::regclass AND objid = made.oid)
    ORDER BY 1
"""


def shadows(tables: Collection[str], schemas: Sequence[str]) -> Iterator[str]:
    """A sentence for each copy of ``tables`` that a session finds before ours, and for each replacement.

    ``schemas`` are the ``holders`` of an audit log in this session's own path.
    """
    if len(schemas) > 1:
        yield f"there is an audit_log in each of the schemas {', '.join(schemas)}: all but one are copies"
    own = own_schema()
    with pinned() as cursor:
        yield from _copies(cursor, own, tables)
        cursor.execute(_REPLACEMENTS)
        for (name,) in cursor.fetchall():
            yield f"{name} stands in for PostgreSQL's own; drop it"


def _copies(cursor: CursorWrapper, own: str, tables: Collection[str]) -> Iterator[str]:
    cursor.execute(_SCHEMAS_WITH_COPIES, [list(tables), own])
    copies = dict(cursor.fetchall())
    if not copies:
        return
    cursor.execute(_PATHS)
    for role, path in cursor.fetchall():
        for schema in _before(own, path, role):
            if table := copies.get(schema):
                yield f"{schema}.{table} stands before {own}.{table} for the role {role}; drop it"


def _before(own: str, path: str, role: str) -> Iterator[str]:
    """The schemas that precede ours in a path; none if ours is not in it."""
    names = [name.strip().strip('"').replace('""', '"') for name in path.split(",")]
    names = [role if name == "$user" else name for name in names]
    if own in names:
        yield from names[: names.index(own)]
