"""Tables for OTLP: the batches that wait for the worker, and what the detector of each stream has learnt.

Both are new and empty, so no statement waits for a table that is in use. They hold nothing that has to be recorded:
a batch is what a program sent, and the anomalies found in it have entries of their own.
"""

from django.db import migrations, models

import anomalies.fields


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0053_notifications")]

    operations = [
        migrations.CreateModel(
            name="IncomingBatch",
            fields=[
                ("number", models.BigAutoField(primary_key=True, serialize=False)),
                ("digest", models.UUIDField(unique=True)),
                ("received_at", models.DateTimeField(db_default=anomalies.fields.Now())),
                ("signal", models.CharField(max_length=10)),
                ("service", models.CharField(max_length=200)),
                ("scope", models.CharField(max_length=200)),
                ("items", models.IntegerField()),
                ("size", models.IntegerField()),
                ("body", models.BinaryField()),
                ("done_at", models.DateTimeField(null=True)),
                ("failure", models.TextField(null=True)),
            ],
            options={
                "db_table": "incoming_batches",
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        fields=["signal", "service", "scope", "number"],
                        include=["size"],
                        condition=models.Q(done_at__isnull=True),
                        name="idx_incoming_waiting",
                    ),
                    models.Index(
                        fields=["done_at"],
                        condition=models.Q(done_at__isnull=False),
                        name="idx_incoming_done",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DetectorStream",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "signal",
                        "service",
                        "scope",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("signal", models.CharField(max_length=10)),
                ("service", models.CharField(max_length=200)),
                ("scope", models.CharField(max_length=200)),
                ("state", models.BinaryField()),
                ("is_open", models.BooleanField()),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "db_table": "detector_streams",
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        fields=["updated_at"], condition=models.Q(is_open=True), name="idx_streams_open"
                    ),
                ],
            },
        ),
    ]
