"""A fresh database holds one active row of thresholds, the defaults; one that has a row keeps its own.

Backwards nothing is deleted: the row may have been changed, and it harms nobody.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0003_views")]

    operations = [
        migrations.RunSQL(
            sql=[
                """
                INSERT INTO detection_config (is_active)
                SELECT true WHERE NOT EXISTS (SELECT FROM detection_config)
                """
            ],
            reverse_sql=migrations.RunSQL.noop,
        ),
    ]
