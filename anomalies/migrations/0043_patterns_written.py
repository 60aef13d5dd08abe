"""A trigger writes source and pattern of each new row, and of each row whose text, evidence or metadata change.

Nobody else can: what a writer gives is replaced. Older rows have neither until ``manage.py schema fill`` has stored
them. That sets the two columns and nothing else, which is no change of the anomaly (see 0037, also for the trigger's
name); 0042 counts it.

The trigger is made under a short lock.
"""

import importlib

from django.db import migrations

pinning = importlib.import_module("anomalies.migrations.0031_pin_audit_functions")

OWN, PINNED = pinning.OWN, pinning.PINNED

SETTING = f"""
    CREATE FUNCTION {OWN}.anomaly_pattern() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
    DECLARE
        filled record;
    BEGIN
        NEW.source := {OWN}.anomaly_source(NEW.metadata);
        NEW.pattern := {OWN}.anomaly_pattern_key(
            NEW.stream_type, NEW.source,
            {OWN}.anomaly_template(NEW.glass_box_explanation, NEW.window_data, NEW.metadata)
        );
        IF TG_OP = 'UPDATE' AND OLD.pattern IS NULL THEN
            filled := OLD;
            filled.source := NEW.source;
            filled.pattern := NEW.pattern;
            filled.version := NEW.version;
            filled.updated_at := NEW.updated_at;
            IF filled IS NOT DISTINCT FROM NEW THEN
                NEW.version := OLD.version;
                NEW.updated_at := OLD.updated_at;
            END IF;
        END IF;
        RETURN NEW;
    END;
    $$
"""
READ = "stream_type, glass_box_explanation, window_data, metadata"
TRIGGER = f"""
    CREATE TRIGGER write_pattern_of_anomaly
    BEFORE INSERT OR UPDATE OF {READ}, pattern, source ON {OWN}.anomalies
    FOR EACH ROW EXECUTE FUNCTION {OWN}.anomaly_pattern()
"""
FORWARDS = [
    SETTING,
    f"REVOKE ALL ON FUNCTION {OWN}.anomaly_pattern() FROM PUBLIC",
    TRIGGER,
    f"ALTER TABLE {OWN}.anomalies ENABLE ALWAYS TRIGGER write_pattern_of_anomaly",
]
BACKWARDS = [
    f"DROP TRIGGER write_pattern_of_anomaly ON {OWN}.anomalies",
    f"DROP FUNCTION {OWN}.anomaly_pattern()",
]


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0042_roll_up_of_patterns")]

    operations = [pinning.InOwnSchema(FORWARDS, BACKWARDS)]
