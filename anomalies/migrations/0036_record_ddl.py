"""What is altered about the tables and functions of the audit log leaves an entry, where the role may see to that.

An owner can disable a trigger, change a row and enable it again, and nothing shows afterwards. Two event triggers
record ALTER TABLE, CREATE and DROP of triggers, rules, policies and functions, and of the schemas, operators and
casts with which names are taken over: what was altered, by whom, and which triggers of the table were disabled
after it. The statement's text is left out: it is whatever the client sent, passwords of other statements included.
As long as the audit log is empty nothing is recorded: there is nothing yet that could have been altered off it.

Only a superuser may create event triggers. For another role the migration does nothing; a superuser can create
them later with the SQL that ``manage.py sqlmigrate anomalies 0036_record_ddl`` prints. Their function belongs to the
superuser who ran this: it runs whenever anybody alters anything, so nobody else may replace it.
"""

import importlib

from django.db import migrations

pinning = importlib.import_module("anomalies.migrations.0031_pin_audit_functions")

OWN = pinning.OWN

TABLES = (
    "anomalies detection_config audit_log audit_seals auth_user auth_user_groups auth_user_user_permissions "
    "auth_group auth_group_permissions anomaly_hours anomaly_totals anomaly_hour_deltas anomaly_tag_totals "
    "anomaly_tag_deltas"
).split()
OF_A_TABLE = ["table", "trigger", "rule", "policy", "table column", "table constraint", "default value"]
ROUTINES = ["function", "procedure", "routine"]
ANYWHERE = ["schema", "operator", "operator class", "cast"]
ALTERED = [
    *(f"ALTER {what}" for what in ("TABLE", "TRIGGER", "RULE", "POLICY", "FUNCTION", "ROUTINE", "SCHEMA")),
    *(f"CREATE {what}" for what in ("TRIGGER", "RULE", "POLICY", "FUNCTION", "SCHEMA", "OPERATOR", "CAST")),
    "CREATE OPERATOR CLASS",
]
DROPPED = [
    f"DROP {what}"
    for what in ("TABLE", "TRIGGER", "RULE", "POLICY", "FUNCTION", "ROUTINE", "SCHEMA", "OWNED")
]


def quoted(words):
    return ", ".join(f"'{word}'" for word in words)


ABOUT = """jsonb_strip_nulls(jsonb_build_object(
                            'statement', done.statement, 'kind', done.kind, 'object', done.object,
                            'disabled', (SELECT jsonb_agg(tgname ORDER BY tgname) FROM pg_trigger
                                         WHERE tgrelid = to_regclass(quote_ident(own) || '.' || quote_ident(done.of_table))
                                           AND tgenabled = 'D')))"""
# What was altered still is, and is known by its number; what was dropped is known by its names. A table that was
# renamed or moved is known by our triggers, which it still has.
ALTERED_OBJECTS = """
                SELECT command_tag::text AS statement, object_type::text AS kind, object_identity::text AS object,
                       coalesce(nspname::text, schema_name::text) AS in_schema, relname::text AS of_table,
                       EXISTS (SELECT FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
                               WHERE tgrelid = pg_class.oid AND pronamespace = to_regnamespace(quote_ident($2))
                                 AND proname LIKE 'audit\\_%') AS is_watched
                FROM pg_event_trigger_ddl_commands() LEFT JOIN (
                    pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
                ) ON pg_class.oid = CASE classid
                    WHEN 'pg_class'::regclass THEN objid
                    WHEN 'pg_trigger'::regclass THEN (SELECT tgrelid FROM pg_trigger WHERE oid = objid)
                    WHEN 'pg_rewrite'::regclass THEN (SELECT ev_class FROM pg_rewrite WHERE oid = objid)
                    WHEN 'pg_policy'::regclass THEN (SELECT polrelid FROM pg_policy WHERE oid = objid) END"""
DROPPED_OBJECTS = f"""
                SELECT $1::text AS statement, object_type::text AS kind, object_identity::text AS object,
                       coalesce(schema_name::text, address_names[1]) AS in_schema,
                       CASE WHEN object_type IN ({quoted(OF_A_TABLE)}) THEN address_names[2] END AS of_table,
                       false AS is_watched
                FROM pg_event_trigger_dropped_objects() WHERE NOT is_temporary"""
# Planned at each call: a plan made while a rule on the audit log did NOTHING instead depends on no table, so that
# the session would keep it after the rule is dropped, and the drop would leave no entry.
ENTRY = f"""
                    INSERT INTO {OWN}.audit_log{pinning.COLUMNS}
                    VALUES (
                        clock_timestamp(), {pinning.WHO},
                        'alter', 'schema', NULL, NULL, NULL,
                        {pinning.about_of("$1")}
                    )"""
FUNCTION = f"""
        CREATE FUNCTION {OWN}.audit_ddl() RETURNS event_trigger LANGUAGE plpgsql {pinning.AS_OWNER} AS $function$
        DECLARE
            own CONSTANT text := (parse_ident($name${OWN}$name$))[1];
            done record;
        BEGIN
            IF to_regclass($name${OWN}.audit_log$name$) IS NULL THEN
                RETURN;  -- it was dropped with this statement, or before it
            END IF;
            IF NOT EXISTS (SELECT FROM {OWN}.audit_log) THEN
                RETURN;  -- a new database, which its migrations still alter
            END IF;
            FOR done IN EXECUTE CASE TG_EVENT WHEN 'sql_drop' THEN $objects${DROPPED_OBJECTS}$objects$
                                              ELSE $objects${ALTERED_OBJECTS}$objects$ END
                USING TG_TAG, own
            LOOP
                IF done.kind IN ({quoted(ANYWHERE)}) OR done.is_watched OR done.in_schema = own AND (
                    done.kind IN ({quoted(ROUTINES)}) OR done.of_table IN ({quoted(TABLES)})
                ) THEN
                    EXECUTE $entry${ENTRY}$entry$ USING {ABOUT};
                END IF;
            END LOOP;
        END;
        $function$
"""
TRIGGERS = {"audit_ddl_altered": ("ddl_command_end", ALTERED), "audit_ddl_dropped": ("sql_drop", DROPPED)}
CREATED = "".join(
    f"""
        CREATE EVENT TRIGGER {name} ON {event} WHEN TAG IN ({quoted(tags)}) EXECUTE FUNCTION {OWN}.audit_ddl();
        ALTER EVENT TRIGGER {name} ENABLE ALWAYS;"""
    for name, (event, tags) in TRIGGERS.items()
)
FORWARDS = f"""
    DO $do$
    BEGIN
        {FUNCTION};
        REVOKE ALL ON FUNCTION {OWN}.audit_ddl() FROM PUBLIC;{CREATED}
    EXCEPTION
        WHEN insufficient_privilege THEN
            RAISE NOTICE 'no event triggers: % may not create them, so DDL leaves no entry', current_user;
        WHEN duplicate_object THEN
            RAISE NOTICE 'no event triggers: they belong to another schema of this database';
    END;
    $do$
"""
# Who may not create an event trigger may not drop one either; where there is none, there is nothing to do.
BACKWARDS = [
    *(f"DROP EVENT TRIGGER IF EXISTS {name}" for name in TRIGGERS),
    f"DROP FUNCTION IF EXISTS {OWN}.audit_ddl()",
]


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0035_baseline_of_anomalies")]

    operations = [pinning.InOwnSchema([FORWARDS], BACKWARDS)]
