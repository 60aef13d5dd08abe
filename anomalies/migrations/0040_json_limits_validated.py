"""The limits of JSON and tags hold for the rows that were there before, where they do.

Validating reads the table and lets reads and writes go on. A row that is older than the limits (0013) and breaks
one is no reason to stop: its pages show a placeholder, and a decision about it is still possible. Its constraint
stays NOT VALID, which holds for new rows just as well, and the notice says which one it is.
"""

from django.db import migrations

CONSTRAINTS = [
    ("anomalies", "anomalies_baseline_data_limits"),
    ("anomalies", "anomalies_window_data_limits"),
    ("anomalies", "anomalies_metadata_limits"),
    ("anomalies", "anomalies_tags_limits"),
    ("detection_config", "detection_config_stream_overrides_limits"),
]


def validated(table, constraint):
    return f"""
        DO $$
        BEGIN
            ALTER TABLE {table} VALIDATE CONSTRAINT {constraint};
        EXCEPTION WHEN check_violation THEN
            RAISE NOTICE '{constraint} holds for new rows only: an older one breaks it';
        END
        $$
    """


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("anomalies", "0039_json_limits_by_name")]

    operations = [
        migrations.RunSQL(sql=[validated(*each)], reverse_sql=migrations.RunSQL.noop) for each in CONSTRAINTS
    ]
