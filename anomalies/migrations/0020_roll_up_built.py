"""The roll-up of the rows that were there before it, and an index of the newest decisions.

Both outside a transaction: the index is built CONCURRENTLY, and the roll-up reads the whole table once, in one
statement that holds nobody up. Cut off, it is begun anew; figures come from the table until it is there.
"""

import django.db.models.functions.comparison
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("anomalies", "0019_roll_up")]

    operations = [
        AddIndexConcurrently(
            model_name="anomaly",
            index=models.Index(
                models.OrderBy(
                    django.db.models.functions.comparison.Coalesce("acknowledged_at", "dismissed_at"),
                    descending=True,
                ),
                name="idx_anomalies_decided",
                condition=models.Q(acknowledged_at__isnull=False) | models.Q(dismissed_at__isnull=False),
            ),
        ),
        migrations.RunSQL(sql=["SELECT rebuild_anomaly_hours()"], reverse_sql=migrations.RunSQL.noop),
    ]
