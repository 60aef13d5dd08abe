"""The database's own roles: who migrates, who serves, who seals; each may what it needs and no more.

The migrator owns every table and function. The application writes decisions and can't touch the evidence, the
record or what writes it. The sealer adds seals and makes bundles; its key is nowhere near the application.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import DatabaseError, connection, transaction
from psycopg import sql

MIGRATOR, APP, SEALER = "driftlock_migrator", "driftlock_app", "driftlock_sealer"

_DECIDED = (
    "status, acknowledged_by, acknowledged_at, dismissed_by, dismissed_at, dismissal_reason, "
    "investigating_by, investigating_at, notes, assigned_to, assigned_by, assigned_at, "
    "snoozed_until, snooze_ncd_above, snooze_more, snoozed_by, snoozed_at"
)
_ALL = "SELECT, INSERT, UPDATE, DELETE"

# What the application may, table by table. A table that is not here, it may not touch.
APP_MAY: dict[str, str] = {
    "anomalies": f"SELECT, INSERT, UPDATE ({_DECIDED})",
    "detection_config": "SELECT, INSERT, UPDATE",
    "performance_metrics": "SELECT, INSERT",
    "audit_log": "SELECT",
    "audit_seals": "SELECT",
    "bulk_sets": _ALL,
    "bulk_rows": _ALL,
    "saved_filters": _ALL,
    "start_pages": _ALL,
    "anomaly_hours": "SELECT",
    "anomaly_totals": "SELECT",
    "anomaly_hour_deltas": "SELECT",
    "anomaly_hours_now": "SELECT",
    "anomaly_totals_now": "SELECT",
    "anomaly_hours_missing": "SELECT",
    "anomaly_tag_totals": "SELECT",
    "anomaly_tag_deltas": "SELECT",
    "anomaly_tags_now": "SELECT",
    "anomaly_tags_missing": "SELECT",
    "recent_significant_anomalies": "SELECT",
    "anomaly_stats_by_stream": "SELECT",
    "anomaly_stats_by_stream_now": "SELECT",
    "axes_accessattempt": _ALL,
    "axes_accessattemptexpiration": _ALL,
    "axes_accessfailurelog": _ALL,
    "axes_accesslog": _ALL,
    "auth_user": _ALL,
    "auth_user_groups": _ALL,
    "auth_user_user_permissions": _ALL,
    "auth_group": _ALL,
    "auth_group_permissions": _ALL,
    "auth_permission": "SELECT",
    "django_admin_log": "SELECT, INSERT, UPDATE, DELETE",
    "django_content_type": "SELECT",
    "django_migrations": "SELECT",
    "django_session": _ALL,
}
SEALER_MAY: dict[str, str] = {
    "anomalies": "SELECT",
    "detection_config": "SELECT",
    "audit_log": "SELECT",
    "audit_seals": "SELECT, INSERT",
    "django_migrations": "SELECT",
}
CALLS = ("audit_event(text, text, uuid, jsonb)",)
# The application folds what its triggers append; it can't write a figure itself.
APP_CALLS = (
    "fold_anomaly_hours()",
    "rebuild_anomaly_hours()",
    "fold_anomaly_tags()",
    "rebuild_anomaly_tags()",
)


@dataclass(frozen=True, slots=True)
class Names:
    """What the three roles are called."""

    migrator: str = MIGRATOR
    app: str = APP
    sealer: str = SEALER


class RolesError(Exception):
    """The roles can't be made by this database user; the message says what to do."""


def make_roles(names: Names) -> list[str]:
    """Make the roles and set what each may, in one transaction; the statements that did it.

    Can be repeated, and is after a migration that adds a table. Raises RolesError.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '2s'")
            done = []
            for statement in statements(names):
                cursor.execute(statement)
                done.append(statement)
    except DatabaseError as error:
        raise RolesError(f"{str(error).splitlines()[0]}; nothing was changed") from error
    return done


def statements(names: Names) -> list[str]:
    """The SQL that makes the roles on this database as it is now."""
    return [statement.as_string(connection.connection) for statement in _statements(names)]


def not_granted() -> list[str]:
    """Tables of this database that the application may not touch, because nobody said that it may."""
    return sorted(set(_relations("rmpv")) - set(APP_MAY))


def _statements(names: Names) -> Iterator[sql.Composed]:
    connection.ensure_connection()
    yield from _made(names)
    yield from _owned(names)
    migrator, app, sealer = map(sql.Identifier, (names.migrator, names.app, names.sealer))
    database = sql.Identifier(connection.settings_dict["NAME"])
    yield sql.SQL("REVOKE CREATE ON SCHEMA public FROM PUBLIC").format()
    yield sql.SQL("GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {} TO {}").format(database, migrator)
    yield sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(database, app)
    yield sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sealer)
    yield sql.SQL("GRANT USAGE ON SCHEMA public TO {}, {}").format(app, sealer)
    yield from _granted(names.app, APP_MAY)
    yield from _granted(names.sealer, SEALER_MAY)
    for function in CALLS:
        yield sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}, {}").format(sql.SQL(function), app, sealer)
    for function in APP_CALLS:
        yield sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(sql.SQL(function), app)
    yield sql.SQL("ALTER ROLE {} SET driftlock.requires_actor = 'on'").format(app)


def _made(names: Names) -> Iterator[sql.Composed]:
    """Each role, without any right over others. A login without a password is none until one is set."""
    for name in (names.migrator, names.app, names.sealer):
        verb = "ALTER" if _exists(name) else "CREATE"
        rights = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
        yield sql.SQL("{} ROLE {} {}").format(sql.SQL(verb), sql.Identifier(name), sql.SQL(rights))


def _owned(names: Names) -> Iterator[sql.Composed]:
    migrator = sql.Identifier(names.migrator)
    yield sql.SQL("ALTER SCHEMA public OWNER TO {}").format(migrator)
    for relation in _relations("rmpv"):
        yield sql.SQL("ALTER TABLE {} OWNER TO {}").format(sql.Identifier(relation), migrator)
    for function in _functions():
        yield sql.SQL("ALTER ROUTINE {} OWNER TO {}").format(sql.SQL(function), migrator)


def _granted(role: str, may: dict[str, str]) -> Iterator[sql.Composed]:
    """Nothing at first, then what the role may: so that what it could once it can't for ever."""
    identifier = sql.Identifier(role)
    yield sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}").format(identifier)
    yield sql.SQL("REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {}").format(identifier)
    there = set(_relations("rmpv"))
    for table in sorted(there & set(may)):
        yield sql.SQL("GRANT {} ON TABLE {} TO {}").format(
            sql.SQL(may[table]), sql.Identifier(table), identifier
        )
        if "INSERT" in may[table]:
            for sequence in _sequences(table):
                yield sql.SQL("GRANT USAGE ON SEQUENCE {} TO {}").format(sql.Identifier(sequence), identifier)


# --- what is there ----------------------------------------------------------------------------------------


def _rows(query: str, *values: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return [row[0] for row in cursor.fetchall()]


def _exists(role: str) -> bool:
    return bool(_rows("SELECT rolname::text FROM pg_roles WHERE rolname = %s", role))


def _relations(kinds: str) -> list[str]:
    return _rows(
        """
        SELECT relname::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = ANY (string_to_array(%s, NULL))
          AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e') ORDER BY 1
        """,
        kinds,
    )


def _functions() -> list[str]:
    return _rows(
        """
        SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
          AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e') ORDER BY 1
        """
    )


def _sequences(table: str) -> list[str]:
    return _rows(
        """
        SELECT sequence.relname::text FROM pg_depend
        JOIN pg_class AS sequence ON sequence.oid = pg_depend.objid AND sequence.relkind = 'S'
        WHERE refobjid = %s::regclass AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')
        """,
        table,
    )
