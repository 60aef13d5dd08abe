"""The patterns of the rows that have one already: where 0042 was reversed and comes back.

Outside a transaction: one statement reads the rows with a pattern, by the index of 0044, and blocks nobody.
"""

from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("anomalies", "0044_pattern_indexes")]

    operations = [
        migrations.RunSQL(sql=["SELECT rebuild_anomaly_patterns()"], reverse_sql=migrations.RunSQL.noop),
    ]
