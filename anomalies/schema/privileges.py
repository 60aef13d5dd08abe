"""Privileges on our tables beyond those of ``manage.py roles``, and members of the owner's role."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from django.db.backends.utils import CursorWrapper

from .roles import APP_MAY, SEALER_MAY
from .search_path import own_schema, pinned

_WATCHED = ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER")  # those that allow changes
_GRANTS = """
    SELECT relname::text, NULL, coalesce(rolname::text, 'PUBLIC'), privilege_type, is_grantable
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace, aclexplode(relacl) AS acl
    LEFT JOIN pg_roles ON pg_roles.oid = grantee
    WHERE nspname = %(own)s AND relname = ANY (%(tables)s) AND grantee <> relowner
    UNION ALL
    SELECT relname::text, attname::text, coalesce(rolname::text, 'PUBLIC'), privilege_type, is_grantable
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    JOIN pg_attribute ON attrelid = pg_class.oid, aclexplode(attacl) AS acl
    LEFT JOIN pg_roles ON pg_roles.oid = grantee
    WHERE nspname = %(own)s AND relname = ANY (%(tables)s) AND grantee <> relowner
    ORDER BY 1, 3, 4, 2
"""
_NUMBERS = """
    SELECT coalesce(rolname::text, 'PUBLIC'), privilege_type
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace, aclexplode(relacl) AS acl
    LEFT JOIN pg_roles ON pg_roles.oid = grantee
    WHERE nspname = %s AND relname = 'audit_log_id_seq' AND grantee <> relowner AND privilege_type <> 'SELECT'
    ORDER BY 1, 2
"""
_CALLS = """
    SELECT pg_proc.oid::regprocedure::text FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
    WHERE nspname = %s AND prosecdef AND EXISTS (
        SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0)
      AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid
                      AND deptype = 'e')
    ORDER BY 1
"""
_SCHEMA = """
    SELECT coalesce(rolname::text, 'PUBLIC')
    FROM pg_namespace, aclexplode(nspacl) AS acl LEFT JOIN pg_roles ON pg_roles.oid = grantee
    WHERE nspname = %(own)s AND privilege_type = 'CREATE' AND grantee NOT IN (nspowner, (
        SELECT relowner FROM pg_class WHERE relnamespace = pg_namespace.oid AND relname = 'anomalies'))
      AND coalesce(rolname, '') <> 'pg_database_owner'
    ORDER BY 1
"""
_CHILDREN = """
    SELECT inhrelid::regclass::text, relname::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhparent
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = %(own)s AND relname = ANY (%(tables)s) ORDER BY 1
"""
_SUBSCRIPTIONS = """
    SELECT subname::text, relname::text FROM pg_subscription_rel JOIN pg_subscription AS s ON s.oid = srsubid
    JOIN pg_class ON pg_class.oid = srrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = %s AND relname IN ('audit_log', 'audit_seals') ORDER BY 1, 2
"""
# The direct and indirect members of the role that owns the tables, without those that only administer it.
_MEMBERS = """
    WITH RECURSIVE boss AS (
        SELECT relowner AS oid FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = %(own)s AND relname = 'audit_log'
    ), member AS (
        SELECT oid FROM boss
        UNION
        SELECT membership.member FROM member JOIN pg_auth_members AS membership ON roleid = member.oid
        WHERE {acts}
    )
    SELECT pg_roles.rolname::text, pg_get_userbyid(boss.oid)::text FROM boss, member
    JOIN pg_roles ON pg_roles.oid = member.oid
    WHERE member.oid <> boss.oid AND NOT rolsuper AND rolname <> ALL (%(known)s) ORDER BY 1
"""


def beyond_roles(tables: Collection[str], known: Collection[str] = ()) -> Iterator[str]:
    """A sentence for each grant on ``tables`` beyond those of ``manage.py roles``, each table that inherits
    from them, and each member of the owner's role that is not ``known``."""
    own = own_schema()
    values: dict[str, Any] = {"own": own, "tables": list(tables), "known": list(known)}
    with pinned() as cursor:
        yield from _grants(cursor, values)
        yield from _elsewhere(cursor, values)
        cursor.execute("SHOW server_version_num")
        acts = "inherit_option OR set_option" if int(cursor.fetchone()[0]) >= 16_00_00 else "true"
        cursor.execute(_MEMBERS.format(acts=acts), values)
        for role, boss in cursor.fetchall():
            yield f"{role} is a member of {boss}, which owns the audit log; revoke it, or name it with --role"


def _grants(cursor: CursorWrapper, values: dict[str, Any]) -> Iterator[str]:
    cursor.execute(_GRANTS, values)
    for table, column, role, privilege, is_grantable in cursor.fetchall():
        of = f"{table} ({column})" if column else table
        if is_grantable:
            yield f"{role} may grant {privilege} on {of} to others; revoke it"
        elif privilege in _WATCHED and not _is_given(table, column, privilege):
            yield f"{role} may {privilege} {of}, which `manage.py roles` gives nobody; revoke it"


def _elsewhere(cursor: CursorWrapper, values: dict[str, Any]) -> Iterator[str]:
    cursor.execute(_NUMBERS, [values["own"]])
    for role, privilege in cursor.fetchall():
        yield f"{role} has {privilege} on the sequence audit_log_id_seq; revoke it"
    cursor.execute(_CALLS, [values["own"]])
    for (function,) in cursor.fetchall():
        yield f"everybody may call {function}, which acts as its owner; revoke that from PUBLIC"
    cursor.execute(_SCHEMA, values)
    for (role,) in cursor.fetchall():
        yield f"{role} may create objects in the schema {values['own']}; revoke it"
    cursor.execute(_CHILDREN, values)
    for child, table in cursor.fetchall():
        yield f"{child} inherits from {table}, so that its rows appear there; detach it"
    cursor.execute(_SUBSCRIPTIONS, [values["own"]])
    for subscription, table in cursor.fetchall():
        yield f"the subscription {subscription} writes {table}; only triggers and the sealer may: drop it"


def _is_given(table: str, column: str | None, privilege: str) -> bool:
    """True if ``manage.py roles`` grants this to the application or the sealer."""
    for may in (APP_MAY, SEALER_MAY):
        match = re.search(rf"\b{privilege}\b(?: \(([^)]*)\))?", may.get(table, ""))
        if match and (match[1] is None or (column and column in match[1].split(", "))):
            return True
    return False
