"""The people who have the page of an anomaly open: the table anomaly_viewers.

A row is a person and an anomaly, and lasts a minute. It is no decision and no evidence, so the audit log has
nothing of it, and the table goes with a reverse.
"""

from django.db import migrations, models

import anomalies.fields


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0056_record_erasures")]

    operations = [
        migrations.CreateModel(
            name="AnomalyViewer",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "anomaly_id",
                        "username",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("anomaly_id", models.UUIDField()),
                ("username", models.CharField(max_length=255)),
                ("seen_at", models.DateTimeField(db_default=anomalies.fields.Now())),
            ],
            options={
                "db_table": "anomaly_viewers",
                "default_permissions": (),
                "indexes": [models.Index(fields=["seen_at"], name="idx_anomaly_viewers_seen_at")],
            },
        ),
    ]
