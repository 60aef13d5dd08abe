"""The words of an anomaly are stored with it, so that a search that reads many rows need not parse their texts.

A column that PostgreSQL generates would rewrite the table. This one is nullable, hence added in an instant, and a
trigger writes it: of each new row, and of each row whose texts change. Nobody else can: what a writer gives is
replaced. Rows from before have none; for them the words are parsed when they are read (the index of 0038 holds
either), until ``manage.py schema fill`` has stored them. That sets the column and nothing else, which is no change of
the anomaly: its version and its updated_at stay. So the trigger's name puts it behind those that set these two.

The trigger is made under a short lock.
"""

from django.contrib.postgres.search import SearchVectorField
from django.db import migrations

FUNCTION = """
    CREATE FUNCTION anomaly_search_document() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        filled record;
    BEGIN
        NEW.search_document := to_tsvector(
            'simple',
            coalesce(left(NEW.glass_box_explanation, 100000), '') || ' ' || coalesce(left(NEW.notes, 100000), '')
        );
        IF TG_OP = 'UPDATE' AND OLD.search_document IS NULL THEN
            filled := OLD;
            filled.search_document := NEW.search_document;
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
TRIGGER = """
    CREATE TRIGGER words_of_anomaly
    BEFORE INSERT OR UPDATE OF glass_box_explanation, notes, search_document ON anomalies
    FOR EACH ROW EXECUTE FUNCTION anomaly_search_document()
"""


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0036_record_ddl")]

    operations = [
        migrations.AddField(
            model_name="anomaly",
            name="search_document",
            field=SearchVectorField(editable=False, null=True),
        ),
        migrations.RunSQL(
            sql=[
                FUNCTION,
                "REVOKE ALL ON FUNCTION anomaly_search_document() FROM PUBLIC",
                TRIGGER,
                "ALTER TABLE anomalies ENABLE ALWAYS TRIGGER words_of_anomaly",
                "COMMENT ON COLUMN anomalies.search_document IS 'The words that search reads; a trigger writes them.'",
            ],
            reverse_sql=[
                "DROP TRIGGER words_of_anomaly ON anomalies",
                "DROP FUNCTION anomaly_search_document()",
            ],
        ),
    ]
