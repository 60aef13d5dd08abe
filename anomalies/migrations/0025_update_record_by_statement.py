"""The record of an UPDATE is written by statement: what it costs a row is a half.

The trigger reads the rows before and after from the transition tables, which the roll-up (0019) has made
anyway, and writes all entries in one INSERT, so that settings are read and the context is parsed once. What is
written is what the row trigger wrote, entry by entry. Rows are joined by their id; where an UPDATE changes
that, which the join can't see, the row trigger of before (0021) goes on recording, and so it does for the
evidence, which is compared only where an UPDATE names it: statement triggers know no columns.

A plan of a trigger is kept, and may have been made for one row: nested loops over the transition tables
would be quadratic in the next statement, so they are off.

The trigger is replaced in place, under a lock that lets readers go on.
"""

import importlib

from django.db import migrations

record = importlib.import_module("anomalies.migrations.0011_record")
undoing = importlib.import_module("anomalies.migrations.0017_undo_on_record")
former = importlib.import_module("anomalies.migrations.0021_assigned_and_snoozed")

HELD = [*former.ASSIGNMENT, *former.SNOOZE]
OTHERS = [column for column in undoing.OTHERS if column != "id"]


def differ(columns):
    old, new = (", ".join(f"{table}.{column}" for column in columns) for table in ("former", "latter"))
    return f"({old}) IS DISTINCT FROM ({new})"


def changed(table, columns):
    """Those of the columns that differ, as one side has them."""
    return " || ".join(
        f"""
                       CASE WHEN former.{column} IS DISTINCT FROM latter.{column}
                            THEN jsonb_build_object('{column}', {table}.{column}) ELSE '{{}}' END"""
        for column in columns
    )


def all_changed(table):
    """All columns that differ; of those that a decision seldom changes it is asked at once whether any does."""
    seldom = "".join(
        f"""
                       || CASE WHEN {differ(columns)} THEN {changed(table, columns)} ELSE '{{}}' END"""
        for columns in (HELD, OTHERS)
    )
    return changed(table, undoing.DECISION) + seldom


UPDATED = f"""
    CREATE FUNCTION audit_anomalies_updated() RETURNS trigger LANGUAGE plpgsql
    {record.AS_OWNER} SET enable_nestloop = off AS $$
    DECLARE
        somebody text := {record.SOMEBODY};
        said jsonb := nullif(current_setting('driftlock.context', true), '')::jsonb;
    BEGIN
        IF somebody IS NULL THEN
            IF EXISTS (
                SELECT FROM latter JOIN former USING (id) WHERE {differ([*record.DECISION, *HELD])}
            ) THEN
                {record.REFUSE_NOBODY}
            END IF;
        END IF;
        IF said IS NULL OR NOT said ? 'batch' THEN
            said := jsonb_build_object('batch', 'transaction ' || pg_current_xact_id()::text)
                || coalesce(said, '{{}}');
        END IF;
        said := said || jsonb_build_object('database_user', session_user,
                                           'application', current_setting('application_name', true));
        INSERT INTO public.audit_log
            (username, ip_address, action, resource_type, resource_id, old_values, new_values, metadata)
        SELECT
            coalesce(somebody, session_user),
            CASE WHEN somebody IS NULL THEN inet_client_addr()
                ELSE nullif(current_setting('driftlock.address', true), '')::inet END,
            CASE
                WHEN said ? 'undoes' AND {former.any_of(["status", *HELD])} THEN 'undo'
                WHEN before ? 'status' THEN CASE change.status
                    WHEN 'acknowledged' THEN 'acknowledge' WHEN 'dismissed' THEN 'dismiss'
                    WHEN 'investigating' THEN 'investigate' ELSE 'reopen' END
                WHEN {former.any_of(former.SNOOZE)} THEN
                    CASE WHEN change.snoozed_at IS NULL THEN 'wake' ELSE 'snooze' END
                WHEN before ? 'assigned_to' THEN
                    CASE WHEN change.assigned_to IS NULL THEN 'unassign' ELSE 'assign' END
                ELSE 'update' END,
            'anomaly', change.id, change.before, change.after, said
        FROM (
            SELECT latter.id, latter.status, latter.snoozed_at, latter.assigned_to,
                   {all_changed("former")} AS before,
                   {all_changed("latter")} AS after
            FROM latter JOIN former USING (id)
            OFFSET 0  -- so that the two are made once, and not wherever they are named
        ) AS change
        WHERE change.before <> '{{}}';
        RETURN NULL;
    END;
    $$
"""

BY_STATEMENT = """
    CREATE OR REPLACE TRIGGER audit_anomalies_update AFTER UPDATE ON anomalies
    REFERENCING OLD TABLE AS former NEW TABLE AS latter
    FOR EACH STATEMENT EXECUTE FUNCTION audit_anomalies_updated()
"""
BY_ROW = """
    CREATE OR REPLACE TRIGGER audit_anomalies_update AFTER UPDATE ON anomalies
    FOR EACH ROW EXECUTE FUNCTION audit_anomaly_update()
"""
ALWAYS = "ALTER TABLE anomalies ENABLE ALWAYS TRIGGER audit_anomalies_update"


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0024_deltas_vacuumed")]

    operations = [
        migrations.RunSQL(
            sql=[
                UPDATED,
                "REVOKE ALL ON FUNCTION audit_anomalies_updated() FROM PUBLIC",
                *record.new_trigger(
                    "audit_anomalies_update_id",
                    "anomalies",
                    "AFTER UPDATE OF id ON anomalies FOR EACH ROW WHEN (OLD.id IS DISTINCT FROM NEW.id) "
                    "EXECUTE FUNCTION audit_anomaly_update()",
                ),
                BY_STATEMENT,
                ALWAYS,
            ],
            reverse_sql=[
                BY_ROW,
                ALWAYS,
                "DROP TRIGGER audit_anomalies_update_id ON anomalies",
                "DROP FUNCTION audit_anomalies_updated()",
            ],
        )
    ]
