"""An undo is on record as what it is, and a decision about many rows is written down faster.

The application says ``undoes`` in ``driftlock.context``: the batch that is taken back. The entry's action is
then ``undo`` instead of whatever the former status would be called.

Faster without losing a column: what a decision never changes is compared in one expression, and column by
column only where that finds a difference; the context is parsed once. The function is replaced in place: that
locks no table, and the triggers that call it stay as they are.
"""

import importlib

from django.db import migrations

first = importlib.import_module("anomalies.migrations.0008_audit_triggers")
former = importlib.import_module("anomalies.migrations.0011_record")

DECISION = [*former.DECISION, "notes"]
OTHERS = [column for column in first.DECIDING if column not in DECISION]


def compare(columns):
    """Compare them all at once, and one by one where that finds a difference."""
    old, new = (", ".join(f"{row}.{column}" for column in columns) for row in ("OLD", "NEW"))
    return f"""
                IF ({old}) IS DISTINCT FROM ({new}) THEN
                    {first.compare(columns)}
                END IF;"""


ANOMALY_UPDATE = former.function(
    "audit_anomaly_update()",
    f"""
            IF TG_ARGV[0] = 'evidence' THEN
                {compare(first.EVIDENCE)}
            ELSE
                {compare(DECISION)}
                {compare(OTHERS)}
            END IF;
            IF before = '{{}}' THEN
                RETURN NULL;
            END IF;
            IF before ?| '{{{",".join(former.DECISION)}}}' THEN
                {former.REFUSE_NOBODY}
            END IF;
            said := nullif(current_setting('driftlock.context', true), '')::jsonb;
            IF before ? 'status' THEN
                action := CASE WHEN said ? 'undoes' THEN 'undo' ELSE CASE NEW.status
                    WHEN 'acknowledged' THEN 'acknowledge' WHEN 'dismissed' THEN 'dismiss'
                    WHEN 'investigating' THEN 'investigate' ELSE 'reopen' END END;
            END IF;
            IF said IS NULL OR NOT said ? 'batch' THEN
                said := jsonb_build_object('batch', 'transaction ' || pg_current_xact_id()::text)
                    || coalesce(said, '{{}}');
            END IF;
            somebody := {former.SOMEBODY};
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
    former.COMPARING.rstrip() + "\n            said jsonb;\n            somebody text;\n",
)


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0016_bulk_sets")]

    operations = [migrations.RunSQL(sql=[ANOMALY_UPDATE], reverse_sql=[former.ANOMALY_UPDATE])]
