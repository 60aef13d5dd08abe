"""The database's roles: one migrates, one serves, one seals; each has the privileges that it needs and no
more.

The migrator owns every table and function. The application writes decisions and can't change the evidence,
the audit log or the triggers that write it. The sealer adds seals and makes bundles; its key is not on the
application's machine. Every object is named with its schema: a schema that is named as a role comes first in
that role's search path.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import DatabaseError, connection, transaction
from psycopg import sql

from .own_schema import PUBLIC, own_schema

MIGRATOR, APP, SEALER = "driftlock_migrator", "driftlock_app", "driftlock_sealer"

_DECIDED = (
    "status, acknowledged_by, acknowledged_at, dismissed_by, dismissed_at, dismissal_reason, "
    "investigating_by, investigating_at, notes, assigned_to, assigned_by, assigned_at, "
    "snoozed_until, snooze_ncd_above, snooze_more, snoozed_by, snoozed_at"
)
_ALL = "SELECT, INSERT, UPDATE, DELETE"

# The application's privileges by table. It has none on a table that is missing here.
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
# The application folds the rows that its triggers append to the roll-up; it can't write a figure itself.
APP_CALLS = (
    "fold_anomaly_hours()",
    "rebuild_anomaly_hours()",
    "fold_anomaly_tags()",
    "rebuild_anomaly_tags()",
)


@dataclass(frozen=True, slots=True)
class Names:
    """The names of the three roles."""

    migrator: str = MIGRATOR
    app: str = APP
    sealer: str = SEALER


class RolesError(Exception):
    """This database user can't make the roles; the message says what to do."""


def make_roles(names: Names) -> list[str]:
    """Make the roles and set their privileges, in one transaction; the statements that were run.

    It can be repeated, and has to be after a migration that adds a table. Raises RolesError.
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
    """The tables of our schema on which the application has no privileges, because none are listed here."""
    return sorted(set(_relations("rmpv")) - set(APP_MAY))


def _statements(names: Names) -> Iterator[sql.Composed]:
    connection.ensure_connection()
    name = own_schema(connection)
    schema, database = sql.Identifier(name), sql.Identifier(connection.settings_dict["NAME"])
    migrator, app, sealer = map(sql.Identifier, (names.migrator, names.app, names.sealer))
    yield from _made(names)
    yield from _owned(names, name)
    yield sql.SQL("REVOKE CREATE ON SCHEMA {} FROM PUBLIC").format(schema)
    yield sql.SQL("GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {} TO {}").format(database, migrator)
    yield sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(database, app)
    yield sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sealer)
    yield sql.SQL("GRANT USAGE ON SCHEMA {} TO {}, {}").format(schema, app, sealer)
    yield from _granted(names.app, APP_MAY, name)
    yield from _granted(names.sealer, SEALER_MAY, name)
    for function in CALLS:
        yield sql.SQL("GRANT EXECUTE ON FUNCTION {}.{} TO {}, {}").format(
            schema, sql.SQL(function), app, sealer
        )
    for function in APP_CALLS:
        yield sql.SQL("GRANT EXECUTE ON FUNCTION {}.{} TO {}").format(schema, sql.SQL(function), app)
    yield sql.SQL("ALTER ROLE {} SET driftlock.requires_actor = 'on'").format(app)
    if name != PUBLIC:
        path = sql.SQL("ALTER ROLE {} IN DATABASE {} SET search_path = {}")
        yield from (path.format(role, database, schema) for role in (migrator, app, sealer))


def _made(names: Names) -> Iterator[sql.Composed]:
    """Each role, without any right over others. It can't log in until a password is set."""
    for name in (names.migrator, names.app, names.sealer):
        verb = "ALTER" if _exists(name) else "CREATE"
        rights = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
        yield sql.SQL("{} ROLE {} {}").format(sql.SQL(verb), sql.Identifier(name), sql.SQL(rights))


def _owned(names: Names, schema: str) -> Iterator[sql.Composed]:
    migrator = sql.Identifier(names.migrator)
    yield sql.SQL("ALTER SCHEMA {} OWNER TO {}").format(sql.Identifier(schema), migrator)
    for relation in _relations("rmpv"):
        yield sql.SQL("ALTER TABLE {} OWNER TO {}").format(sql.Identifier(schema, relation), migrator)
    for function in _functions():
        yield sql.SQL("ALTER ROUTINE {} OWNER TO {}").format(sql.SQL(function), migrator)


def _granted(role: str, may: dict[str, str], schema: str) -> Iterator[sql.Composed]:
    """First nothing, then the privileges of the role: so one that was granted before is taken away."""
    identifier, place = sql.Identifier(role), sql.Identifier(schema)
    yield sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA {} FROM {}").format(place, identifier)
    yield sql.SQL("REVOKE ALL ON ALL SEQUENCES IN SCHEMA {} FROM {}").format(place, identifier)
    there = set(_relations("rmpv"))
    for table in sorted(there & set(may)):
        yield sql.SQL("GRANT {} ON TABLE {} TO {}").format(
            sql.SQL(may[table]), sql.Identifier(schema, table), identifier
        )
        if "INSERT" in may[table]:
            for sequence in _sequences(table):
                name = sql.Identifier(schema, sequence)
                yield sql.SQL("GRANT USAGE ON SEQUENCE {} TO {}").format(name, identifier)


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
        JOIN pg_namespace AS n ON n.oid = relnamespace
        WHERE nspname = %s AND relkind = ANY (string_to_array(%s, NULL))
          AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e') ORDER BY 1
        """,
        own_schema(connection),
        kinds,
    )


def _functions() -> list[str]:
    return _rows(
        """
        SELECT format('%%I.%%I(%%s)', nspname, proname, pg_get_function_identity_arguments(pg_proc.oid))
        FROM pg_proc JOIN pg_namespace AS n ON n.oid = pronamespace WHERE nspname = %s
          AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e') ORDER BY 1
        """,
        own_schema(connection),
    )


def _sequences(table: str) -> list[str]:
    return _rows(
        """
        SELECT sequence.relname::text FROM pg_depend
        JOIN pg_class AS sequence ON sequence.oid = pg_depend.objid AND sequence.relkind = 'S'
        WHERE refobjid = %s::regclass AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')
        """,
        sql.Identifier(own_schema(connection), table).as_string(None),
    )
