"""The functions of the audit log take every name from PostgreSQL's own catalog, and our tables by their schema.

Until now the functions looked in ``pg_catalog, public, pg_temp``. PostgreSQL prefers an operator or a function
whose argument types match exactly, wherever on the path it stands: an operator ``public.=`` (varchar, varchar)
came before pg_catalog's ``=`` (text, text), and could keep changes of status off the audit log. The path is
now ``pg_catalog, pg_temp``, and every object of ours is named with its schema. Which schema that is a migration
knows when it runs: it writes it into the functions (``InOwnSchema``), so they work in any.

Together with that:

- An entry's ``timestamp`` is the moment at which it was written, no longer the start of its transaction. An
  id that was drawn after a seal then never has an earlier time than the seal, so a back-dated entry is found.
- What was done without a batch of its own is named by its transaction and the start of that: transaction
  numbers begin again in another cluster.
- An anomaly that arrives decided, assigned or snoozed leaves an entry with those values: replaying the audit
  log then knows the state of every row from its arrival on.
- Floating-point values are recorded with all their digits, whatever the session's ``extra_float_digits`` is.

The functions are replaced in place: that locks no table.
"""

import importlib

from django.db import migrations

first = importlib.import_module("anomalies.migrations.0008_audit_triggers")
record = importlib.import_module("anomalies.migrations.0011_record")
seals = importlib.import_module("anomalies.migrations.0012_seals")
undoing = importlib.import_module("anomalies.migrations.0017_undo_on_record")
holding = importlib.import_module("anomalies.migrations.0021_assigned_and_snoozed")
updating = importlib.import_module("anomalies.migrations.0025_update_record_by_statement")

OWN = "@own_schema@"  # our schema, quoted always: its name in a function's text is then found again
FORMER = "@former_schema@"  # our schema, quoted where PostgreSQL would: as the migrations until 0028 wrote it

_OWN_SCHEMA = """
    SELECT nspname, pg_catalog.quote_ident(nspname) FROM pg_catalog.pg_namespace
    WHERE oid OPERATOR(pg_catalog.=) coalesce(
        (SELECT relnamespace FROM pg_catalog.pg_class
         WHERE oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('anomalies')),
        (SELECT oid FROM pg_catalog.pg_namespace
         WHERE nspname OPERATOR(pg_catalog.=) pg_catalog.current_schema()))
"""


class InOwnSchema(migrations.RunSQL):
    """RunSQL whose statements name the schema of the table ``anomalies`` as OWN or FORMER."""

    def _run_sql(self, schema_editor, sqls):
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(_OWN_SCHEMA)
            name, quoted = cursor.fetchone()
        own = '"{}"'.format(name.replace('"', '""'))
        super()._run_sql(schema_editor, [sql.replace(OWN, own).replace(FORMER, quoted) for sql in sqls])


def as_before(sql):
    """A definition of the migrations until 0028, to go back to: in our schema, wherever that is."""
    return record.again(sql.replace("public.", f"{FORMER}.").replace(", public,", f", {FORMER},"))


PINNED = "SET search_path = pg_catalog, pg_temp"
AS_OWNER = f"SECURITY DEFINER {PINNED}"
EXACT = "SET extra_float_digits = 1"
DECISION = [*record.DECISION, *holding.ASSIGNMENT, *holding.SNOOZE]

BATCH = """jsonb_build_object('batch', 'transaction ' || pg_current_xact_id()::text || ' of '
                            || extract(epoch FROM now())::text)"""
COLUMNS = """
                    (timestamp, username, ip_address, action, resource_type, resource_id,
                     old_values, new_values, metadata)"""
WHO = f"""coalesce({record.SOMEBODY}, session_user),
                    CASE WHEN {record.SOMEBODY} IS NULL THEN inet_client_addr()
                        ELSE nullif(current_setting('driftlock.address', true), '')::inet END"""
DATABASE = """jsonb_build_object('database_user', session_user,
                                              'application', current_setting('application_name', true))"""


def about_of(about):
    """The metadata of an entry: the batch, what the application says, what the trigger says."""
    return f"""{BATCH}
                        || coalesce(nullif(current_setting('driftlock.context', true), '')::jsonb, '{{}}')
                        || {about}
                        || {DATABASE}"""


def entry(action, resource_type, resource_id="NULL", before="NULL", after="NULL", about="'{}'"):
    """The statement that writes one entry."""
    return f"""
                INSERT INTO {OWN}.audit_log{COLUMNS}
                VALUES (
                    clock_timestamp(), {WHO},
                    {action}, {resource_type}, {resource_id}, {before}, {after},
                    {about_of(about)}
                );"""


def function(name, body, declare="", settings=""):
    """A trigger's function."""
    return f"""
        CREATE OR REPLACE FUNCTION {OWN}.{name} RETURNS trigger LANGUAGE plpgsql {AS_OWNER} {settings} AS $$
        {declare}
        BEGIN
            {body}
            RETURN NULL;
        END;
        $$
    """


# --- anomalies --------------------------------------------------------------------------------------------

ACTION = f"""CASE
                    WHEN said ? 'undoes' AND {holding.any_of(["status", *holding.ASSIGNMENT, *holding.SNOOZE])} THEN 'undo'
                    WHEN before ? 'status' THEN CASE NEW.status
                        WHEN 'acknowledged' THEN 'acknowledge' WHEN 'dismissed' THEN 'dismiss'
                        WHEN 'investigating' THEN 'investigate' ELSE 'reopen' END
                    WHEN {holding.any_of(holding.SNOOZE)} THEN CASE WHEN NEW.snoozed_at IS NULL THEN 'wake' ELSE 'snooze' END
                    WHEN before ? 'assigned_to' THEN
                        CASE WHEN NEW.assigned_to IS NULL THEN 'unassign' ELSE 'assign' END
                    ELSE 'update' END"""

ANOMALY_UPDATE = function(
    "audit_anomaly_update()",
    f"""
            IF TG_ARGV[0] = 'evidence' THEN
                {undoing.compare(first.EVIDENCE)}
            ELSE
                {undoing.compare(undoing.DECISION)}
                {undoing.compare([*holding.ASSIGNMENT, *holding.SNOOZE])}
                {undoing.compare(undoing.OTHERS)}
            END IF;
            IF before = '{{}}' THEN
                RETURN NULL;
            END IF;
            said := nullif(current_setting('driftlock.context', true), '')::jsonb;
            IF {holding.any_of(DECISION)} THEN
                {record.REFUSE_NOBODY}
                action := {ACTION};
            END IF;
            {entry("action", "'anomaly'", "NEW.id", "before", "after")}
    """,
    record.COMPARING.rstrip() + "\n            said jsonb;\n",
    EXACT,
)

UPDATED = f"""
    CREATE OR REPLACE FUNCTION {OWN}.audit_anomalies_updated() RETURNS trigger LANGUAGE plpgsql
    {AS_OWNER} SET enable_nestloop = off {EXACT} AS $$
    DECLARE
        somebody text := {record.SOMEBODY};
        said jsonb := nullif(current_setting('driftlock.context', true), '')::jsonb;
    BEGIN
        IF somebody IS NULL THEN
            IF EXISTS (
                SELECT FROM latter JOIN former USING (id) WHERE {updating.differ(DECISION)}
            ) THEN
                {record.REFUSE_NOBODY}
            END IF;
        END IF;
        IF said IS NULL OR NOT said ? 'batch' THEN
            said := {BATCH} || coalesce(said, '{{}}');
        END IF;
        said := said || {DATABASE};
        INSERT INTO {OWN}.audit_log{COLUMNS}
        SELECT
            clock_timestamp(), coalesce(somebody, session_user),
            CASE WHEN somebody IS NULL THEN inet_client_addr()
                ELSE nullif(current_setting('driftlock.address', true), '')::inet END,
            {ACTION.replace("NEW.", "change.")},
            'anomaly', change.id, change.before, change.after, said
        FROM (
            SELECT latter.id, latter.status, latter.snoozed_at, latter.assigned_to,
                   {updating.all_changed("former")} AS before,
                   {updating.all_changed("latter")} AS after
            FROM latter JOIN former USING (id)
            OFFSET 0  -- so that the two are made once, and not wherever they are named
        ) AS change
        WHERE change.before <> '{{}}';
        RETURN NULL;
    END;
    $$
"""

ANOMALY_DELETE = function(
    "audit_anomaly_delete()", entry("'delete'", "'anomaly'", "OLD.id", "to_jsonb(OLD)"), settings=EXACT
)


def has_arrived_decided(row=""):
    """Whether an anomaly comes with a decision, an assignee or a snooze."""
    columns = [f"{row}{column}" for column in DECISION if column != "status"]
    return f"({row}status <> 'pending' OR num_nonnulls({', '.join(columns)}) > 0)"


def arrival(row=""):
    """What is decided about an anomaly as it arrives, column by column."""
    pairs = ", ".join(f"'{column}', {row}{column}" for column in (*DECISION, "notes"))
    return f"jsonb_strip_nulls(jsonb_build_object({pairs}))"


# The entry of the statement counts its rows. A row that arrives decided has one of its own, if there are others.
ANOMALY_INSERT = function(
    "audit_anomaly_insert()",
    f"""
            SELECT count(*) AS rows, min(id::text)::uuid AS first,
                   count(*) FILTER (WHERE status <> 'pending') AS decided,
                   count(*) FILTER (WHERE {has_arrived_decided()}) AS arrived
            INTO batch FROM inserted;
            IF batch.rows = 1 AND batch.arrived = 1 THEN
                SELECT {arrival()} INTO after FROM inserted;
            END IF;
            IF batch.rows > 0 THEN
                {
        entry(
            "'create'",
            "'anomaly'",
            "CASE WHEN batch.rows = 1 THEN batch.first END",
            after="after",
            about="jsonb_build_object('rows', batch.rows, 'decided_on_arrival', batch.decided)",
        )
    }
            END IF;
            IF batch.rows > 1 AND batch.arrived > 0 THEN
                INSERT INTO {OWN}.audit_log{COLUMNS}
                SELECT clock_timestamp(), {WHO},
                    'import', 'anomaly', id, NULL, {arrival()},
                    {about_of("'{}'")}
                FROM inserted WHERE {has_arrived_decided()};
            END IF;
    """,
    "DECLARE batch record; after jsonb;",
    EXACT,
)

# --- configs, accounts, roles -----------------------------------------------------------------------------


def row_change(resource_type, created, deleted, compared, action, ids):
    """The body of a trigger that records an INSERT, a DELETE and, column by column, an UPDATE."""
    return f"""
            IF TG_OP = 'INSERT' THEN
                {entry("'create'", resource_type, after=created, about=ids("NEW"))}
                RETURN NULL;
            ELSIF TG_OP = 'DELETE' THEN
                {entry("'delete'", resource_type, before=deleted, about=ids("OLD"))}
                RETURN NULL;
            END IF;
            {compared}
            IF before = '{{}}' THEN
                RETURN NULL;
            END IF;
            {action}
            {entry("action", resource_type, before="before", after="after", about=ids(None))}
    """


CONFIG_CHANGE = function(
    "audit_config_change()",
    row_change(
        "'detection_config'",
        "to_jsonb(NEW)",
        "to_jsonb(OLD)",
        first.compare(first.CONFIG),
        """IF before ? 'is_active' THEN
                action := CASE WHEN NEW.is_active THEN 'activate' ELSE 'deactivate' END;
            END IF;""",
        lambda row: f"jsonb_build_object('id', {row or 'NEW'}.id)",
    ),
    record.COMPARING,
    EXACT,
)


def account(row):
    """An account as the audit log shows it: who may do what, and no secret."""
    names = "username is_active is_staff is_superuser email".split()
    return f"jsonb_build_object({', '.join(f'{name!r}, {row}.{name}' for name in names)})"


ACCOUNT = function(
    "audit_account_change()",
    row_change(
        "'account'",
        account("NEW"),
        account("OLD"),
        first.compare("id username is_active is_staff is_superuser email".split())
        + """
            IF OLD.password IS DISTINCT FROM NEW.password THEN
                before := before || '{"password": "former"}';
                after := after || '{"password": "changed"}';
            END IF;""",
        "",
        lambda row: f"jsonb_build_object('id', {row or 'NEW'}.id, 'account', {row or 'OLD'}.username)",
    ),
    record.COMPARING,
)

GRANTS = function(
    "audit_grant_change()",
    f"""
            SELECT jsonb_strip_nulls(jsonb_build_object(
                'account', (SELECT username FROM {OWN}.auth_user WHERE id = (changed ->> 'user_id')::bigint),
                'role', coalesce(changed ->> 'name',
                    (SELECT name FROM {OWN}.auth_group WHERE id = (changed ->> 'group_id')::bigint)),
                'permission', (SELECT codename FROM {OWN}.auth_permission
                               WHERE id = (changed ->> 'permission_id')::bigint)
            )) INTO about;
            {
        entry(
            "CASE TG_OP WHEN 'INSERT' THEN 'grant' WHEN 'DELETE' THEN 'revoke' ELSE 'update' END",
            "TG_ARGV[0]",
            before="CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END",
            after="CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END",
            about="about",
        )
    }
    """,
    """DECLARE
            changed jsonb := CASE WHEN TG_OP = 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
            about jsonb;""",
)

# --- the audit log itself ---------------------------------------------------------------------------------

TRUNCATED = function("audit_truncate()", entry("'truncate'", "TG_ARGV[0]"))

APPEND_ONLY = function(
    "audit_append_only()",
    """
            RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
                USING ERRCODE = 'DL002', HINT = 'Entries and seals stay as they were written.';
    """,
)

EVENT = f"""
    CREATE OR REPLACE FUNCTION {OWN}.audit_event(action text, resource_type text, resource_id uuid, about jsonb)
    RETURNS void LANGUAGE plpgsql {AS_OWNER} AS $$
    BEGIN
        IF action IS NULL OR action <> ALL ('{{{",".join(f'"{name}"' for name in record.EVENTS)}}}'::text[]) THEN
            RAISE EXCEPTION '% is not an event; a trigger records what changes a row', action
                USING ERRCODE = 'DL003';
        END IF;
        {entry("action", "resource_type", "resource_id", about="coalesce(about, '{}')")}
    END;
    $$
"""

# --- every UPDATE -----------------------------------------------------------------------------------------

UPDATED_AT = f"""
    CREATE OR REPLACE FUNCTION {OWN}.update_updated_at_column() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
                BEGIN
                    NEW.updated_at = now();
                    RETURN NEW;
                END;
                $$
"""
VERSION = f"""
    CREATE OR REPLACE FUNCTION {OWN}.next_version() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
                BEGIN
                    NEW.version := OLD.version + 1;
                    RETURN NEW;
                END;
                $$
"""

FORWARDS = [
    ANOMALY_UPDATE,
    UPDATED,
    ANOMALY_DELETE,
    ANOMALY_INSERT,
    CONFIG_CHANGE,
    ACCOUNT,
    GRANTS,
    TRUNCATED,
    APPEND_ONLY,
    EVENT,
    UPDATED_AT,
    VERSION,
]
BACKWARDS = [
    as_before(holding.ANOMALY_UPDATE),
    as_before(updating.UPDATED),
    as_before(record.ANOMALY_DELETE),
    as_before(record.ANOMALY_INSERT),
    as_before(record.CONFIG_CHANGE),
    as_before(record.ACCOUNT),
    as_before(record.GRANTS),
    as_before(record.TRUNCATED),
    as_before(seals.APPEND_ONLY),
    as_before(record.EVENT),
    UPDATED_AT.replace(PINNED + " ", "").replace(f"{OWN}.", ""),
    VERSION.replace(PINNED + " ", "").replace(f"{OWN}.", ""),
]


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0030_label_thresholds_by_what_they_compare")]

    operations = [InOwnSchema(FORWARDS, BACKWARDS)]
