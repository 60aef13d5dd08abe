"""An index for the anomalies of a source, those of each status by time: the filter "source" is read from it.

Its status has the collation of 0044, for the same reason. Built CONCURRENTLY.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations
from django.db.models import F, Index
from django.db.models.functions import Collate

WALKED = [Collate("source", "POSIX"), Collate("status", "POSIX"), F("timestamp"), F("id")]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("anomalies", "0048_rules_applied")]

    operations = [
        AddIndexConcurrently(
            model_name="anomaly",
            index=Index(*(key.asc(nulls_first=True) for key in WALKED), name="idx_anomalies_walk_source"),
        )
    ]
