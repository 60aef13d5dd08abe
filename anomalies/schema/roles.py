"""Database roles for migrating, serving and sealing, by the principle of least privilege.

The migrator owns every table and function. The application writes decisions and can't change the evidence,
the audit log or the triggers that write it. The sealer adds seals and makes bundles; its key is kept away
from the application. The search path of each starts with our schema, not with one named like the role.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import DatabaseError, connection
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from .search_path import own_schema, pinned

MIGRATOR, APP, SEALER = "driftlock_migrator", "driftlock_app", "driftlock_sealer"

_DECIDED = (
    "status, acknowledged_by, acknowledged_at, dismissed_by, dismissed_at, dismissal_reason, "
    "investigating_by, investigating_at, notes, assigned_to, assigned_by, assigned_at, "
    "snoozed_until, snooze_ncd_above, snooze_more, snoozed_by, snoozed_at"
)
_ALL = "SELECT, INSERT, UPDATE, DELETE"

# The application's privileges by table; none on tables that are not listed.
APP_MAY: dict[str, str] = {
    "anomalies": f"SELECT, INSERT, UPDATE ({_DECIDED})",
    "detection_config": "SELECT, INSERT, UPDATE",
    "performance_metrics": "SELECT, INSERT, DELETE",  # of durations that are old
    "audit_log": "SELECT",
    "audit_seals": "SELECT",
    "bulk_sets": _ALL,
    "bulk_rows": _ALL,
    "saved_filters": _ALL,
    "start_pages": _ALL,
    "list_columns": _ALL,
    "user_preferences": _ALL,
    "api_tokens": "SELECT, INSERT, UPDATE (last_used_at, revoked_at), DELETE",
    "triage_rules": "SELECT, INSERT, UPDATE (expires_at, renewed_at, stopped_at, stopped_by, stop_reason)",
    "triage_rule_hours": "SELECT",
    "notification_rules": "SELECT, INSERT, UPDATE (stopped_at, stopped_by, stop_reason)",
    "notification_arrivals": "SELECT, UPDATE, DELETE",
    "notification_watches": _ALL,
    "notification_seen": _ALL,
    "notification_deliveries": _ALL,
    "teams": _ALL,
    "ownership_rules": _ALL,
    "anomaly_comments": "SELECT, INSERT, UPDATE (withdrawn_at)",
    "comment_mentions": "SELECT, INSERT",
    "anomaly_viewers": _ALL,
    "api_allowances": _ALL,
    "api_answers": _ALL,
    "incoming_batches": _ALL,
    "detector_streams": _ALL,
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
    "anomaly_patterns": "SELECT",
    "anomaly_pattern_deltas": "SELECT",
    "anomaly_patterns_now": "SELECT",
    "anomaly_patterns_missing": "SELECT",
    "recent_significant_anomalies": "SELECT",
    "anomaly_stats_by_stream": "SELECT",
    "anomaly_stats_by_stream_now": "SELECT",
    "axes_accessattempt": _ALL,
    "axes_accessattemptexpiration": _ALL,
    "axes_accessfailurelog": _ALL,
    "axes_accesslog": _ALL,
    "account_emailaddress": _ALL,
    "account_emailconfirmation": _ALL,
    "mfa_authenticator": _ALL,
    "socialaccount_socialaccount": _ALL,
    "socialaccount_socialapp": "SELECT",
    "socialaccount_socialtoken": "SELECT, DELETE",
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
    # The tables that `audit verify --replay` compares.
    "auth_user_groups": "SELECT",
    "auth_user_user_permissions": "SELECT",
    "auth_group": "SELECT",
    "auth_group_permissions": "SELECT",
    "auth_permission": "SELECT",
    "triage_rules": "SELECT",
    "teams": "SELECT",
    "ownership_rules": "SELECT",
    "anomaly_comments": "SELECT",
}
# Every column of an account but its password; of a token but its digest; of a rule but where it sends.
SEALER_READS = {
    "auth_user": "SELECT (id, username, is_active, is_staff, is_superuser, email)",
    "api_tokens": "SELECT (id, owner_id, name, prefix, scopes, expires_at, revoked_at)",
    "notification_rules": "SELECT (id, name, owner, condition, query, minutes, digest_seconds, quiet_from, "
    "quiet_until, zone, channel, created_at, stopped_at, stopped_by, stop_reason)",
}
SEALER_SEQUENCES = ("audit_log_id_seq",)  # gives the last id drawn
CALLS = ("audit_event(text, text, uuid, jsonb)",)
# The application folds the deltas of its triggers into the roll-up; it can't write figures itself.
APP_CALLS = (
    "fold_anomaly_hours()",
    "rebuild_anomaly_hours()",
    "fold_anomaly_tags()",
    "rebuild_anomaly_tags()",
    "fold_anomaly_patterns()",
    "rebuild_anomaly_patterns()",
)


@dataclass(frozen=True, slots=True)
class Names:
    """The names of the three roles."""

    migrator: str = MIGRATOR
    app: str = APP
    sealer: str = SEALER


class RolesError(Exception):
    """The roles can't be made by this database user; the message gives the reason."""


def make_roles(names: Names) -> list[str]:
    """Create the roles and set their privileges in one transaction; returns the executed statements.

    Idempotent; has to be repeated after a migration that adds a table. Raises RolesError.
    """
    try:
        with pinned() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '2s'")
            done = []
            for statement in statements(names):
                cursor.execute(statement)
                done.append(statement)
    except DatabaseError as error:
        raise RolesError(f"{str(error).splitlines()[0]}; nothing was changed") from error
    return done


def statements(names: Names) -> list[str]:
    """The SQL that creates the roles for this database's present objects, all names qualified."""
    connection.ensure_connection()
    with pinned() as cursor:
        return [statement.as_string(connection.connection) for statement in _statements(_Ours(cursor), names)]


def not_granted() -> list[str]:
    """The tables of this database that the application can't access, because ``APP_MAY`` lacks them."""
    with pinned() as cursor:
        return sorted(set(_Ours(cursor).relations("rmpv")) - set(APP_MAY))


def _statements(ours: _Ours, names: Names) -> Iterator[sql.Composed]:
    yield from _made(ours, names)
    yield from _owned(ours, names)
    migrator, app, sealer = map(sql.Identifier, (names.migrator, names.app, names.sealer))
    database, schema = sql.Identifier(connection.settings_dict["NAME"]), sql.Identifier(ours.schema)
    yield sql.SQL("REVOKE CREATE ON SCHEMA {} FROM PUBLIC").format(schema)
    yield sql.SQL("GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {} TO {}").format(database, migrator)
    yield sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(database, app)
    yield sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sealer)
    yield sql.SQL("GRANT USAGE ON SCHEMA {} TO {}, {}").format(schema, app, sealer)
    yield from _granted(ours, names.app, APP_MAY)
    yield from _granted(ours, names.sealer, SEALER_MAY | SEALER_READS)
    for function in CALLS:
        yield sql.SQL("GRANT EXECUTE ON FUNCTION {}.{} TO {}, {}").format(
            schema, sql.SQL(function), app, sealer
        )
    for function in APP_CALLS:
        yield sql.SQL("GRANT EXECUTE ON FUNCTION {}.{} TO {}").format(schema, sql.SQL(function), app)
    for sequence in SEALER_SEQUENCES:
        yield sql.SQL("GRANT SELECT ON SEQUENCE {} TO {}").format(ours.named(sequence), sealer)
    yield sql.SQL("ALTER ROLE {} SET driftlock.requires_actor = 'on'").format(app)
    for role in (migrator, app, sealer):
        yield sql.SQL("ALTER ROLE {} IN DATABASE {} SET search_path = {}, pg_temp").format(
            role, database, schema
        )


def _made(ours: _Ours, names: Names) -> Iterator[sql.Composed]:
    """Statements for each role, without administrative rights; nobody can log in until a password is set."""
    for name in (names.migrator, names.app, names.sealer):
        verb = "ALTER" if ours.has_role(name) else "CREATE"
        rights = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
        yield sql.SQL("{} ROLE {} {}").format(sql.SQL(verb), sql.Identifier(name), sql.SQL(rights))


def _owned(ours: _Ours, names: Names) -> Iterator[sql.Composed]:
    """Changes of owner for objects that the migrator does not own yet; each leaves an audit entry."""
    migrator = sql.Identifier(names.migrator)
    if not ours.is_owned_by(names.migrator):
        yield sql.SQL("ALTER SCHEMA {} OWNER TO {}").format(sql.Identifier(ours.schema), migrator)
    for relation in ours.relations("rmpv", but_of=names.migrator):
        yield sql.SQL("ALTER TABLE {} OWNER TO {}").format(ours.named(relation), migrator)
    for function in ours.functions(but_of=names.migrator):
        yield sql.SQL("ALTER ROUTINE {} OWNER TO {}").format(sql.SQL(function), migrator)


def _granted(ours: _Ours, role: str, may: dict[str, str]) -> Iterator[sql.Composed]:
    """Statements that revoke everything and then grant the role's privileges, so that no others remain."""
    identifier, schema = sql.Identifier(role), sql.Identifier(ours.schema)
    yield sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA {} FROM {}").format(schema, identifier)
    yield sql.SQL("REVOKE ALL ON ALL SEQUENCES IN SCHEMA {} FROM {}").format(schema, identifier)
    there = set(ours.relations("rmpv"))
    for table in sorted(there & set(may)):
        yield sql.SQL("GRANT {} ON TABLE {} TO {}").format(sql.SQL(may[table]), ours.named(table), identifier)
        if "INSERT" in may[table]:
            for sequence in ours.sequences(table):
                yield sql.SQL("GRANT USAGE ON SEQUENCE {} TO {}").format(ours.named(sequence), identifier)


class _Ours:
    """The objects of our schema and the roles of the server, read in a transaction of ``pinned``."""

    def __init__(self, cursor: CursorWrapper) -> None:
        self._cursor = cursor
        self.schema = own_schema()

    def named(self, name: str) -> sql.Composable:
        """The qualified name of a relation of our schema."""
        return sql.Identifier(self.schema, name)

    def has_role(self, name: str) -> bool:
        """True if the server has a role of this name."""
        return bool(self._rows("SELECT rolname::text FROM pg_roles WHERE rolname = %s", name))

    def is_owned_by(self, role: str) -> bool:
        """True if the role owns the schema."""
        return bool(
            self._rows(
                "SELECT nspname::text FROM pg_namespace JOIN pg_roles ON pg_roles.oid = nspowner "
                "WHERE nspname = %s AND rolname = %s",
                self.schema,
                role,
            )
        )

    def relations(self, kinds: str, but_of: str = "") -> list[str]:
        """The relations of these kinds (letters of ``pg_class.relkind``), without those of the role
        ``but_of``."""
        return self._rows(
            """
            SELECT relname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
            WHERE nspname = %s AND relkind = ANY (string_to_array(%s, NULL)::"char"[])
              AND pg_get_userbyid(relowner) <> %s
              AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e') ORDER BY 1
            """,
            self.schema,
            kinds,
            but_of,
        )

    def functions(self, but_of: str = "") -> list[str]:
        """The functions with schema and arguments, without those of the role ``but_of`` and those of event
        triggers, which belong to the superuser that they run as."""
        return self._rows(
            """
            SELECT pg_proc.oid::regprocedure::text FROM pg_proc
            JOIN pg_namespace ON pg_namespace.oid = pronamespace
            WHERE nspname = %s AND pg_proc.oid NOT IN (SELECT evtfoid FROM pg_event_trigger)
              AND pg_get_userbyid(proowner) <> %s
              AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e') ORDER BY 1
            """,
            self.schema,
            but_of,
        )

    def sequences(self, table: str) -> list[str]:
        """The sequences that belong to a table's columns."""
        return self._rows(
            """
            SELECT sequence.relname::text FROM pg_depend
            JOIN pg_class AS sequence ON sequence.oid = pg_depend.objid AND sequence.relkind = 'S'
            JOIN pg_class AS owner ON owner.oid = refobjid
            JOIN pg_namespace ON pg_namespace.oid = owner.relnamespace
            WHERE nspname = %s AND owner.relname = %s AND refclassid = 'pg_class'::regclass
              AND deptype IN ('a', 'i')
            """,
            self.schema,
            table,
        )

    def _rows(self, query: str, *values: str) -> list[str]:
        self._cursor.execute(query, values)
        return [row[0] for row in self._cursor.fetchall()]
