"""Somebody's anomalies newest first, and those that sleep: partial, so that what arrives pays for neither.

Built CONCURRENTLY: on a large table writers go on meanwhile.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("anomalies", "0021_assigned_and_snoozed")]

    operations = [
        AddIndexConcurrently(
            model_name="anomaly",
            index=models.Index(
                fields=["assigned_to", "status", "-timestamp", "-id"],
                name="idx_anomalies_assigned",
                condition=models.Q(("assigned_to__isnull", False)),
            ),
        ),
        AddIndexConcurrently(
            model_name="anomaly",
            index=models.Index(
                fields=["stream_type", "snoozed_at"],
                name="idx_anomalies_snoozed",
                condition=models.Q(("snoozed_at__isnull", False)),
            ),
        ),
    ]
