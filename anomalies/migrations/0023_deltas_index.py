"""Whether the roll-up is still being built, which every list asks, is answered by an index that is empty else.

Without it the whole table was read for that, dead rows too. Built CONCURRENTLY.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("anomalies", "0022_assigned_and_snoozed_indexes")]

    operations = [
        AddIndexConcurrently(
            model_name="anomalyhourdelta",
            index=models.Index(
                fields=["id"], name="idx_hour_deltas_unbuilt", condition=models.Q(hour__isnull=True)
            ),
        ),
    ]
