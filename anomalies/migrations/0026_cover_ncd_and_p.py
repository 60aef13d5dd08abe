"""The indexes to sort by NCD and p-value hold status, stream and significance, too.

How many there are of each status and stream beside "NCD ≥ 0.9" or "p ≤ 0.01" is then read from the index: ten
thousand rows that lie apart need not be fetched, which was more than all else that such a page takes. The new
ones are built CONCURRENTLY before the old ones go, so sorting is never without; writers go on meanwhile.
"""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models

COUNTED = ["status", "stream_type", "is_statistically_significant"]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("anomalies", "0025_update_record_by_statement")]

    operations = [
        AddIndexConcurrently(
            model_name="anomaly",
            index=models.Index(fields=["-ncd_score", "-id"], include=COUNTED, name="idx_anomalies_by_ncd"),
        ),
        AddIndexConcurrently(
            model_name="anomaly",
            index=models.Index(fields=["p_value", "id"], include=COUNTED, name="idx_anomalies_by_p"),
        ),
        RemoveIndexConcurrently(model_name="anomaly", name="idx_anomalies_ncd_order"),
        RemoveIndexConcurrently(model_name="anomaly", name="idx_anomalies_p_order"),
    ]
