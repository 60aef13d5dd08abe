"""audit_log is written by triggers, so that no way of writing goes unseen, raw SQL included.

An UPDATE is recorded per row, column by column: comparing whole rows as jsonb costs four times as much.
The evidence columns have a trigger of their own that fires only where an UPDATE names one of them, since
comparing megabytes on each decision would be the dearest part of it. An INSERT statement, be it of one row
or of an ingest's thousands, is recorded as one batch: an anomaly's row is the record of its own creation.

Who did it is what the application says in ``driftlock.username``, ``driftlock.address`` and
``driftlock.context`` (set for one transaction by anomalies.audit), else the database's user.
"""

from django.db import migrations

DECIDING = (
    "id timestamp stream_type ncd_score p_value status glass_box_explanation compression_baseline "
    "compression_window compression_combined compression_ratio_change baseline_entropy window_entropy "
    "entropy_change confidence_level is_statistically_significant metadata tags acknowledged_by "
    "acknowledged_at dismissed_by dismissed_at notes created_at novelty dismissal_reason "
    "investigating_by investigating_at"
).split()
EVIDENCE = "detailed_explanation baseline_data window_data".split()
CONFIG = (
    "id ncd_threshold p_value_threshold baseline_size window_size hop_size stream_overrides created_at "
    "created_by notes is_active"
).split()


def compare(columns):
    """Statements that fill ``before`` and ``after`` with the columns that differ."""
    return "\n".join(
        f"""
                    IF OLD.{column} IS DISTINCT FROM NEW.{column} THEN
                        before := before || jsonb_build_object('{column}', OLD.{column});
                        after := after || jsonb_build_object('{column}', NEW.{column});
                    END IF;"""
        for column in columns
    )


RECORD = """
    CREATE FUNCTION audit_record(
        action text, resource_type text, resource_id uuid, before jsonb, after jsonb, about jsonb
    ) RETURNS void LANGUAGE sql AS $$
        INSERT INTO audit_log
            (username, ip_address, action, resource_type, resource_id, old_values, new_values, metadata)
        VALUES (
            coalesce(nullif(current_setting('driftlock.username', true), ''), session_user),
            CASE WHEN nullif(current_setting('driftlock.username', true), '') IS NULL
                THEN inet_client_addr()
                ELSE nullif(current_setting('driftlock.address', true), '')::inet END,
            action, resource_type, resource_id, before, after,
            coalesce(nullif(current_setting('driftlock.context', true), '')::jsonb, '{}')
                || about || jsonb_build_object('database_user', session_user)
        )
    $$
"""

ANOMALY_UPDATE = f"""
    CREATE FUNCTION audit_anomaly_update() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        before jsonb := '{{}}';
        after jsonb := '{{}}';
        action text := 'update';
    BEGIN
        IF TG_ARGV[0] = 'evidence' THEN
            {compare(EVIDENCE)}
        ELSE
            {compare(DECIDING)}
        END IF;
        IF before = '{{}}' THEN
            RETURN NULL;
        END IF;
        IF before ? 'status' THEN
            action := CASE NEW.status
                WHEN 'acknowledged' THEN 'acknowledge' WHEN 'dismissed' THEN 'dismiss'
                WHEN 'investigating' THEN 'investigate' ELSE 'reopen' END;
        END IF;
        PERFORM audit_record(action, 'anomaly', NEW.id, before, after, '{{}}');
        RETURN NULL;
    END;
    $$
"""

ANOMALY_DELETE = """
    CREATE FUNCTION audit_anomaly_delete() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM audit_record('delete', 'anomaly', OLD.id, to_jsonb(OLD), NULL, '{}');
        RETURN NULL;
    END;
    $$
"""

ANOMALY_INSERT = """
    CREATE FUNCTION audit_anomaly_insert() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        batch record;
    BEGIN
        SELECT count(*) AS rows, min(id::text)::uuid AS first,
               count(*) FILTER (WHERE status <> 'pending') AS decided
        INTO batch FROM inserted;
        IF batch.rows > 0 THEN
            PERFORM audit_record(
                'create', 'anomaly', CASE WHEN batch.rows = 1 THEN batch.first END, NULL, NULL,
                jsonb_build_object('rows', batch.rows, 'decided_on_arrival', batch.decided)
            );
        END IF;
        RETURN NULL;
    END;
    $$
"""

CONFIG_CHANGE = f"""
    CREATE FUNCTION audit_config_change() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        before jsonb := '{{}}';
        after jsonb := '{{}}';
        action text := 'update';
    BEGIN
        IF TG_OP = 'INSERT' THEN
            PERFORM audit_record('create', 'detection_config', NULL, NULL, to_jsonb(NEW),
                                 jsonb_build_object('id', NEW.id));
            RETURN NULL;
        ELSIF TG_OP = 'DELETE' THEN
            PERFORM audit_record('delete', 'detection_config', NULL, to_jsonb(OLD), NULL,
                                 jsonb_build_object('id', OLD.id));
            RETURN NULL;
        END IF;
        {compare(CONFIG)}
        IF before = '{{}}' THEN
            RETURN NULL;
        END IF;
        IF before ? 'is_active' THEN
            action := CASE WHEN NEW.is_active THEN 'activate' ELSE 'deactivate' END;
        END IF;
        PERFORM audit_record(action, 'detection_config', NULL, before, after,
                             jsonb_build_object('id', NEW.id));
        RETURN NULL;
    END;
    $$
"""

TRIGGERS = [
    """
    CREATE TRIGGER audit_anomalies_update AFTER UPDATE ON anomalies
    FOR EACH ROW EXECUTE FUNCTION audit_anomaly_update()
    """,
    f"""
    CREATE TRIGGER audit_anomalies_update_evidence AFTER UPDATE OF {", ".join(EVIDENCE)} ON anomalies
    FOR EACH ROW EXECUTE FUNCTION audit_anomaly_update('evidence')
    """,
    """
    CREATE TRIGGER audit_anomalies_delete AFTER DELETE ON anomalies
    FOR EACH ROW EXECUTE FUNCTION audit_anomaly_delete()
    """,
    """
    CREATE TRIGGER audit_anomalies_insert AFTER INSERT ON anomalies
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION audit_anomaly_insert()
    """,
    """
    CREATE TRIGGER audit_detection_config AFTER INSERT OR UPDATE OR DELETE ON detection_config
    FOR EACH ROW EXECUTE FUNCTION audit_config_change()
    """,
]


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0007_list_indexes")]

    operations = [
        migrations.RunSQL(
            sql=[RECORD, ANOMALY_UPDATE, ANOMALY_DELETE, ANOMALY_INSERT, CONFIG_CHANGE, *TRIGGERS],
            reverse_sql=[
                "DROP TRIGGER audit_detection_config ON detection_config",
                "DROP TRIGGER audit_anomalies_insert ON anomalies",
                "DROP TRIGGER audit_anomalies_delete ON anomalies",
                "DROP TRIGGER audit_anomalies_update_evidence ON anomalies",
                "DROP TRIGGER audit_anomalies_update ON anomalies",
                "DROP FUNCTION audit_config_change()",
                "DROP FUNCTION audit_anomaly_insert()",
                "DROP FUNCTION audit_anomaly_delete()",
                "DROP FUNCTION audit_anomaly_update()",
                "DROP FUNCTION audit_record(text, text, uuid, jsonb, jsonb, jsonb)",
            ],
        ),
    ]
