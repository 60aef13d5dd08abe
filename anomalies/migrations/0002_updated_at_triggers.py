"""updated_at is set by the database at every UPDATE, whoever writes."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0001_contract_tables")]

    operations = [
        migrations.RunSQL(
            sql=[
                """
                CREATE FUNCTION update_updated_at_column() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    NEW.updated_at = now();
                    RETURN NEW;
                END;
                $$
                """,
                """
                CREATE TRIGGER update_anomalies_updated_at BEFORE UPDATE ON anomalies
                FOR EACH ROW EXECUTE FUNCTION update_updated_at_column()
                """,
                """
                CREATE TRIGGER update_detection_config_updated_at BEFORE UPDATE ON detection_config
                FOR EACH ROW EXECUTE FUNCTION update_updated_at_column()
                """,
            ],
            reverse_sql=[
                "DROP TRIGGER update_detection_config_updated_at ON detection_config",
                "DROP TRIGGER update_anomalies_updated_at ON anomalies",
                "DROP FUNCTION update_updated_at_column()",
            ],
        ),
    ]
