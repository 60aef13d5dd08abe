"""Indexes of the desk: a status or a stream newest first, and full-text search.

Built CONCURRENTLY: on a large table writers go on meanwhile.
"""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.functions.text
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("anomalies", "0006_validate_dismissal_reason")]

    operations = [
        AddIndexConcurrently(
            model_name="anomaly",
            index=models.Index(fields=["status", "-timestamp", "-id"], name="idx_anomalies_status_time"),
        ),
        AddIndexConcurrently(
            model_name="anomaly",
            index=models.Index(fields=["stream_type", "-timestamp", "-id"], name="idx_anomalies_stream_time"),
        ),
        AddIndexConcurrently(
            model_name="anomaly",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.search.SearchVector(
                    django.db.models.functions.text.Left("glass_box_explanation", 100000),
                    django.db.models.functions.text.Left("notes", 100000),
                    config="simple",
                ),
                name="idx_anomalies_search",
            ),
        ),
    ]
