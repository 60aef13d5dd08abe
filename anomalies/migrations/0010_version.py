"""How often a row was changed: what a form was opened with, so that nobody overwrites what they did not see.

A constant default is kept in the catalog, so no table is rewritten. The trigger counts every UPDATE, whoever
writes, and whatever they say the version is.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0009_roles")]

    operations = [
        migrations.AddField(
            model_name="anomaly",
            name="version",
            field=models.BigIntegerField(db_default=1, editable=False),
        ),
        migrations.AddField(
            model_name="detectionconfig",
            name="version",
            field=models.BigIntegerField(db_default=1, editable=False),
        ),
        migrations.RunSQL(
            sql=[
                """
                CREATE FUNCTION next_version() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    NEW.version := OLD.version + 1;
                    RETURN NEW;
                END;
                $$
                """,
                """
                CREATE TRIGGER anomalies_version BEFORE UPDATE ON anomalies
                FOR EACH ROW EXECUTE FUNCTION next_version()
                """,
                """
                CREATE TRIGGER detection_config_version BEFORE UPDATE ON detection_config
                FOR EACH ROW EXECUTE FUNCTION next_version()
                """,
                "ALTER TABLE anomalies ENABLE ALWAYS TRIGGER anomalies_version",
                "ALTER TABLE detection_config ENABLE ALWAYS TRIGGER detection_config_version",
            ],
            reverse_sql=[
                "DROP TRIGGER detection_config_version ON detection_config",
                "DROP TRIGGER anomalies_version ON anomalies",
                "DROP FUNCTION next_version()",
            ],
        ),
    ]
