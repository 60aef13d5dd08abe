"""The record cannot be left out, changed or forged by who writes through the application.

- What the triggers run, runs as the owner of the schema (SECURITY DEFINER), looks for its tables nowhere
  else (search_path pinned) and fires in every session (ENABLE ALWAYS). Nobody may call it otherwise.
- audit_log takes no UPDATE, DELETE or TRUNCATE. TRUNCATE of what is decided about is on record.
- A session that says ``driftlock.requires_actor = on``, as the application's do, may not decide about an
  anomaly without saying who it is. It keeps mistakes out, not attackers: whoever writes may set it.
- Every entry names its batch: what was done in one go. The application gives it, else it is the transaction.
- Who has an account and a role is on record as well; a password never is, only that it changed.
- ``audit_event`` writes down what leaves no row: logins, exports. It takes those actions and no others.

The functions are replaced in place: that locks no table. The triggers are made under a short lock.
"""

import importlib

from django.db import migrations

former = importlib.import_module("anomalies.migrations.0008_audit_triggers")

# What a decision writes.
DECISION = (
    "status acknowledged_by acknowledged_at dismissed_by dismissed_at dismissal_reason "
    "investigating_by investigating_at"
).split()
EVENTS = ("login", "logout", "login failed", "locked out", "export", "evidence", "seal", "verify")

AS_OWNER = "SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp"

SOMEBODY = "nullif(current_setting('driftlock.username', true), '')"


def entry(action, resource_type, resource_id="NULL", before="NULL", after="NULL", about="'{}'"):
    """The statement that writes an entry."""
    return f"""
                INSERT INTO public.audit_log
                    (username, ip_address, action, resource_type, resource_id, old_values, new_values, metadata)
                VALUES (
                    coalesce({SOMEBODY}, session_user),
                    CASE WHEN {SOMEBODY} IS NULL THEN inet_client_addr()
                        ELSE nullif(current_setting('driftlock.address', true), '')::inet END,
                    {action}, {resource_type}, {resource_id}, {before}, {after},
                    jsonb_build_object('batch', 'transaction ' || pg_current_xact_id()::text)
                        || coalesce(nullif(current_setting('driftlock.context', true), '')::jsonb, '{{}}')
                        || {about}
                        || jsonb_build_object('database_user', session_user,
                                              'application', current_setting('application_name', true))
                );"""


REFUSE_NOBODY = f"""
                IF {SOMEBODY} IS NULL AND current_setting('driftlock.requires_actor', true) = 'on' THEN
                    RAISE EXCEPTION 'a decision about an anomaly needs somebody who takes it'
                        USING ERRCODE = 'DL001',
                              HINT = 'Write inside "with anomalies.audit.acting(Actor(…)):".';
                END IF;"""


def function(name, body, declare=""):
    return f"""
        CREATE OR REPLACE FUNCTION {name} RETURNS trigger LANGUAGE plpgsql {AS_OWNER} AS $$
        {declare}
        BEGIN
            {body}
            RETURN NULL;
        END;
        $$
    """


COMPARING = """
        DECLARE
            before jsonb := '{}';
            after jsonb := '{}';
            action text := 'update';
"""

ANOMALY_UPDATE = function(
    "audit_anomaly_update()",
    f"""
            IF TG_ARGV[0] = 'evidence' THEN
                {former.compare(former.EVIDENCE)}
            ELSE
                {former.compare(former.DECIDING)}
            END IF;
            IF before = '{{}}' THEN
                RETURN NULL;
            END IF;
            IF before ?| '{{{",".join(DECISION)}}}' THEN
                {REFUSE_NOBODY}
            END IF;
            IF before ? 'status' THEN
                action := CASE NEW.status
                    WHEN 'acknowledged' THEN 'acknowledge' WHEN 'dismissed' THEN 'dismiss'
                    WHEN 'investigating' THEN 'investigate' ELSE 'reopen' END;
            END IF;
            {entry("action", "'anomaly'", "NEW.id", "before", "after")}
    """,
    COMPARING,
)

ANOMALY_DELETE = function(
    "audit_anomaly_delete()",
    f"""
            {entry("'delete'", "'anomaly'", "OLD.id", "to_jsonb(OLD)")}
    """,
)

ANOMALY_INSERT = function(
    "audit_anomaly_insert()",
    f"""
            SELECT count(*) AS rows, min(id::text)::uuid AS first,
                   count(*) FILTER (WHERE status <> 'pending') AS decided
            INTO batch FROM inserted;
            IF batch.rows > 0 THEN
                {
        entry(
            "'create'",
            "'anomaly'",
            "CASE WHEN batch.rows = 1 THEN batch.first END",
            about="jsonb_build_object('rows', batch.rows, 'decided_on_arrival', batch.decided)",
        )
    }
            END IF;
    """,
    "DECLARE batch record;",
)

CONFIG_CHANGE = function(
    "audit_config_change()",
    f"""
            IF TG_OP = 'INSERT' THEN
                {
        entry(
            "'create'",
            "'detection_config'",
            after="to_jsonb(NEW)",
            about="jsonb_build_object('id', NEW.id)",
        )
    }
                RETURN NULL;
            ELSIF TG_OP = 'DELETE' THEN
                {
        entry(
            "'delete'",
            "'detection_config'",
            before="to_jsonb(OLD)",
            about="jsonb_build_object('id', OLD.id)",
        )
    }
                RETURN NULL;
            END IF;
            {former.compare(former.CONFIG)}
            IF before = '{{}}' THEN
                RETURN NULL;
            END IF;
            IF before ? 'is_active' THEN
                action := CASE WHEN NEW.is_active THEN 'activate' ELSE 'deactivate' END;
            END IF;
            {
        entry(
            "action",
            "'detection_config'",
            before="before",
            after="after",
            about="jsonb_build_object('id', NEW.id)",
        )
    }
    """,
    COMPARING,
)

TRUNCATED = function(
    "audit_truncate()",
    f"""
            {entry("'truncate'", "TG_ARGV[0]")}
    """,
)

APPEND_ONLY = function(
    "audit_append_only()",
    """
            RAISE EXCEPTION 'audit_log is append-only: % is refused', TG_OP
                USING ERRCODE = 'DL002', HINT = 'The record stays as it was written.';
    """,
)

EVENT = f"""
    CREATE FUNCTION audit_event(action text, resource_type text, resource_id uuid, about jsonb)
    RETURNS void LANGUAGE plpgsql {AS_OWNER} AS $$
    BEGIN
        IF action IS NULL OR action <> ALL ('{{{",".join(f'"{name}"' for name in EVENTS)}}}'::text[]) THEN
            RAISE EXCEPTION '% is no event; what changes a row, its trigger records', action
                USING ERRCODE = 'DL003';
        END IF;
        {entry("action", "resource_type", "resource_id", about="coalesce(about, '{}')")}
    END;
    $$
"""

# An account as the record shows it: who may do what, and no secret.
ACCOUNT = function(
    "audit_account_change()",
    f"""
            IF TG_OP = 'INSERT' THEN
                {
        entry(
            "'create'",
            "'account'",
            after="jsonb_build_object('username', NEW.username, 'is_active', NEW.is_active, 'is_staff', NEW.is_staff, "
            "'is_superuser', NEW.is_superuser, 'email', NEW.email)",
            about="jsonb_build_object('id', NEW.id, 'account', NEW.username)",
        )
    }
                RETURN NULL;
            ELSIF TG_OP = 'DELETE' THEN
                {
        entry(
            "'delete'",
            "'account'",
            before="jsonb_build_object('username', OLD.username, 'is_active', OLD.is_active, 'is_staff', OLD.is_staff, "
            "'is_superuser', OLD.is_superuser, 'email', OLD.email)",
            about="jsonb_build_object('id', OLD.id, 'account', OLD.username)",
        )
    }
                RETURN NULL;
            END IF;
            {former.compare("id username is_active is_staff is_superuser email".split())}
            IF OLD.password IS DISTINCT FROM NEW.password THEN
                before := before || '{{"password": "former"}}';
                after := after || '{{"password": "changed"}}';
            END IF;
            IF before = '{{}}' THEN
                RETURN NULL;
            END IF;
            {
        entry(
            "action",
            "'account'",
            before="before",
            after="after",
            about="jsonb_build_object('id', NEW.id, 'account', OLD.username)",
        )
    }
    """,
    COMPARING,
)

# Who is in a role, and what a role may: the rows of Django's four tables, with the names that they point at.
GRANTS = f"""
    CREATE FUNCTION audit_grant_change() RETURNS trigger LANGUAGE plpgsql {AS_OWNER} AS $$
    DECLARE
        changed jsonb := CASE WHEN TG_OP = 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
        about jsonb;
    BEGIN
        SELECT jsonb_strip_nulls(jsonb_build_object(
            'account', (SELECT username FROM public.auth_user WHERE id = (changed ->> 'user_id')::bigint),
            'role', coalesce(changed ->> 'name',
                (SELECT name FROM public.auth_group WHERE id = (changed ->> 'group_id')::bigint)),
            'permission', (SELECT codename FROM public.auth_permission
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
        RETURN NULL;
    END;
    $$
"""

ALWAYS = {
    "anomalies": [
        "audit_anomalies_update",
        "audit_anomalies_update_evidence",
        "audit_anomalies_delete",
        "audit_anomalies_insert",
    ],
    "detection_config": ["audit_detection_config"],
}
ROW_CHANGES = {
    "auth_user": "audit_account_change()",
    "auth_user_groups": "audit_grant_change('role of an account')",
    "auth_user_user_permissions": "audit_grant_change('permission of an account')",
    "auth_group": "audit_grant_change('role')",
    "auth_group_permissions": "audit_grant_change('permission of a role')",
}
TRUNCATES = {"anomalies": "anomaly", "detection_config": "detection_config"}

FUNCTIONS = "anomaly_update anomaly_delete anomaly_insert config_change truncate append_only".split()
FUNCTIONS += ["account_change", "grant_change", "event"]


def signature(name):
    return f"audit_{name}({'text, text, uuid, jsonb' if name == 'event' else ''})"


def new_trigger(name, table, rest):
    return [
        f"CREATE TRIGGER {name} {rest}",
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}",
    ]


FORWARDS = [
    ANOMALY_UPDATE,
    ANOMALY_DELETE,
    ANOMALY_INSERT,
    CONFIG_CHANGE,
    TRUNCATED,
    APPEND_ONLY,
    ACCOUNT,
    GRANTS,
    EVENT,
    "DROP FUNCTION audit_record(text, text, uuid, jsonb, jsonb, jsonb)",
    *(f"REVOKE ALL ON FUNCTION {signature(name)} FROM PUBLIC" for name in FUNCTIONS),
    *(
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}"
        for table, triggers in ALWAYS.items()
        for trigger in triggers
    ),
    *(
        statement
        for table, word in TRUNCATES.items()
        for statement in new_trigger(
            f"audit_{table}_truncate",
            table,
            f"BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION audit_truncate('{word}')",
        )
    ),
    *new_trigger(
        "audit_log_append_only",
        "audit_log",
        "BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()",
    ),
    *(
        statement
        for table, called in ROW_CHANGES.items()
        for statement in new_trigger(
            f"audit_{table}",
            table,
            f"AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {called}",
        )
    ),
]


def again(sql):
    return sql.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


BACKWARDS = [
    *(f"DROP TRIGGER audit_{table} ON {table}" for table in ROW_CHANGES),
    "DROP TRIGGER audit_log_append_only ON audit_log",
    *(f"DROP TRIGGER audit_{table}_truncate ON {table}" for table in TRUNCATES),
    *(
        f"ALTER TABLE {table} ENABLE TRIGGER {trigger}"
        for table, triggers in ALWAYS.items()
        for trigger in triggers
    ),
    former.RECORD,
    again(former.ANOMALY_UPDATE),
    again(former.ANOMALY_DELETE),
    again(former.ANOMALY_INSERT),
    again(former.CONFIG_CHANGE),
    *(f"GRANT EXECUTE ON FUNCTION {signature(name)} TO PUBLIC" for name in FUNCTIONS[:4]),
    *(f"DROP FUNCTION {signature(name)}" for name in FUNCTIONS[4:]),
]


class Migration(migrations.Migration):
    dependencies = [
        ("anomalies", "0010_version"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [migrations.RunSQL(sql=FORWARDS, reverse_sql=BACKWARDS)]
