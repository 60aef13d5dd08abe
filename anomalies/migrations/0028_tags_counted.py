"""The tags of the rows that were there before their roll-up.

Outside a transaction: the whole table is read once, in one statement that holds nobody up. Cut off, it is begun
anew; lists count from the table until it is there.
"""

from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("anomalies", "0027_roll_up_of_tags")]

    operations = [
        migrations.RunSQL(sql=["SELECT rebuild_anomaly_tags()"], reverse_sql=migrations.RunSQL.noop),
    ]
