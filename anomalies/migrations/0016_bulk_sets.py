"""The anomalies that a decision about many was asked for, frozen as they were shown.

They hold no history: a set is forgotten a while after it was made. Rows are found by set and position; there
are no foreign keys, whose checks would be dearer than the rows.
"""

from django.db import migrations, models

import anomalies.fields


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0015_saved_filters")]

    operations = [
        migrations.CreateModel(
            name="BulkSet",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=anomalies.fields.RandomUUID(),
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=anomalies.fields.Now())),
                ("owner", models.CharField(max_length=255)),
                ("action", models.CharField(max_length=50)),
                ("words", models.TextField()),
                ("query", models.TextField(db_default="")),
                ("rows", models.IntegerField(db_default=0)),
                ("is_capped", models.BooleanField(db_default=False)),
                ("reason", models.CharField(blank=True, max_length=20, null=True)),
                ("note", models.TextField(db_default="")),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("done_to", models.IntegerField(db_default=0)),
                ("decided", models.IntegerField(db_default=0)),
            ],
            options={
                "db_table": "bulk_sets",
                "default_permissions": (),
                "indexes": [models.Index(fields=["created_at"], name="idx_bulk_sets_created_at")],
            },
        ),
        migrations.CreateModel(
            name="BulkRow",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "set_id", "position", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("set_id", models.UUIDField()),
                ("position", models.IntegerField()),
                ("anomaly_id", models.UUIDField()),
                ("version", models.BigIntegerField()),
            ],
            options={"db_table": "bulk_rows", "default_permissions": ()},
        ),
    ]
