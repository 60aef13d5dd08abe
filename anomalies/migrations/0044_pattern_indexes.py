"""Indexes for the anomalies of a pattern: those of each status by time, and the newest decisions.

The second one holds what was decided only, so what arrives pays for one. The first one has another collation than
the index of statuses (0038): PostgreSQL 18 can skip a first column, and for a list by status it would use this index
in place of that one, and read all of it. Built CONCURRENTLY.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations
from django.db.models import F, Index, Q
from django.db.models.functions import Coalesce, Collate

DECIDED = Q(acknowledged_at__isnull=False) | Q(dismissed_at__isnull=False)
WALKED = [F("pattern"), Collate("status", "POSIX"), F("timestamp"), F("id")]

INDEXES = [
    Index(*(key.asc(nulls_first=True) for key in WALKED), name="idx_anomalies_walk_pattern"),
    Index(
        F("pattern"),
        Coalesce("acknowledged_at", "dismissed_at").desc(),
        name="idx_anomalies_pattern_decided",
        condition=DECIDED,
    ),
]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("anomalies", "0043_patterns_written")]

    operations = [AddIndexConcurrently(model_name="anomaly", index=index) for index in INDEXES]
