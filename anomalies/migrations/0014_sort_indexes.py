"""Indexes to sort by: NCD and p-value with the id, so that rows of the same value have an order, too.

Half of all anomalies can have the least p-value that there is (1 / (history + 1)): sorted by it, a page
would otherwise be cut out of all of them. Built CONCURRENTLY: on a large table writers go on meanwhile.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("anomalies", "0013_json_limits")]

    operations = [
        AddIndexConcurrently(
            model_name="anomaly",
            index=models.Index(fields=["-ncd_score", "-id"], name="idx_anomalies_ncd_order"),
        ),
        AddIndexConcurrently(
            model_name="anomaly",
            index=models.Index(fields=["p_value", "id"], name="idx_anomalies_p_order"),
        ),
    ]
