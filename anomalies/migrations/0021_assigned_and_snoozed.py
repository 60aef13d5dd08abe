"""Whose an anomaly is, and until when it sleeps: nullable, so that older writers go on working.

The record compares these columns, too, and calls their changes ``assign``, ``unassign``, ``snooze`` and
``wake`` where no status changes with them; what takes one of them back is an ``undo``, as of a decision. The
function is replaced in place: that locks no table, and the triggers that call it stay as they are.
"""

import importlib

from django.db import migrations, models

first = importlib.import_module("anomalies.migrations.0011_record")
former = importlib.import_module("anomalies.migrations.0017_undo_on_record")

ASSIGNMENT = "assigned_to assigned_by assigned_at".split()
SNOOZE = "snoozed_until snooze_ncd_above snooze_more snoozed_by snoozed_at".split()


def any_of(columns):
    """Whether any of these columns changed."""
    return f"before ?| '{{{','.join(columns)}}}'"


ANOMALY_UPDATE = first.function(
    "audit_anomaly_update()",
    f"""
            IF TG_ARGV[0] = 'evidence' THEN
                {former.compare(former.first.EVIDENCE)}
            ELSE
                {former.compare(former.DECISION)}
                {former.compare([*ASSIGNMENT, *SNOOZE])}
                {former.compare(former.OTHERS)}
            END IF;
            IF before = '{{}}' THEN
                RETURN NULL;
            END IF;
            said := nullif(current_setting('driftlock.context', true), '')::jsonb;
            IF {any_of([*first.DECISION, *ASSIGNMENT, *SNOOZE])} THEN
                {first.REFUSE_NOBODY}
                action := CASE
                    WHEN said ? 'undoes' AND {any_of(["status", *ASSIGNMENT, *SNOOZE])} THEN 'undo'
                    WHEN before ? 'status' THEN CASE NEW.status
                        WHEN 'acknowledged' THEN 'acknowledge' WHEN 'dismissed' THEN 'dismiss'
                        WHEN 'investigating' THEN 'investigate' ELSE 'reopen' END
                    WHEN {any_of(SNOOZE)} THEN CASE WHEN NEW.snoozed_at IS NULL THEN 'wake' ELSE 'snooze' END
                    WHEN before ? 'assigned_to' THEN
                        CASE WHEN NEW.assigned_to IS NULL THEN 'unassign' ELSE 'assign' END
                    ELSE action END;
            END IF;
            IF said IS NULL OR NOT said ? 'batch' THEN
                said := jsonb_build_object('batch', 'transaction ' || pg_current_xact_id()::text)
                    || coalesce(said, '{{}}');
            END IF;
            somebody := {first.SOMEBODY};
            INSERT INTO public.audit_log
                (username, ip_address, action, resource_type, resource_id, old_values, new_values, metadata)
            VALUES (
                coalesce(somebody, session_user),
                CASE WHEN somebody IS NULL THEN inet_client_addr()
                    ELSE nullif(current_setting('driftlock.address', true), '')::inet END,
                action, 'anomaly', NEW.id, before, after,
                said || jsonb_build_object('database_user', session_user,
                                           'application', current_setting('application_name', true))
            );
    """,
    first.COMPARING.rstrip() + "\n            said jsonb;\n            somebody text;\n",
)


def text(name):
    return migrations.AddField("anomaly", name, models.CharField(blank=True, max_length=255, null=True))


def time(name):
    return migrations.AddField("anomaly", name, models.DateTimeField(blank=True, null=True))


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0020_roll_up_built")]

    operations = [
        text("assigned_to"),
        text("assigned_by"),
        time("assigned_at"),
        time("snoozed_until"),
        migrations.AddField(
            "anomaly",
            "snooze_ncd_above",
            models.FloatField(blank=True, null=True, verbose_name="snoozed until NCD above"),
        ),
        migrations.AddField(
            "anomaly",
            "snooze_more",
            models.IntegerField(blank=True, null=True, verbose_name="snoozed until so many more in 24 h"),
        ),
        text("snoozed_by"),
        time("snoozed_at"),
        migrations.RunSQL(sql=[ANOMALY_UPDATE], reverse_sql=[former.ANOMALY_UPDATE]),
    ]
