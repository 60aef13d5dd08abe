"""Tables for the HTTP API: what each token has used of its rate limit, and the answers kept for retries.

Both are new and empty, so no statement waits for a table that is in use. They hold nothing that has to be
recorded: an allowance is a counter, and an answer repeats what the audit log has.
"""

from django.db import migrations, models

import anomalies.fields


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0049_source_index")]

    operations = [
        migrations.CreateModel(
            name="ApiAllowance",
            fields=[
                ("token_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("spent_until", models.DateTimeField()),
                ("granted", models.IntegerField()),
            ],
            options={"db_table": "api_allowances", "default_permissions": ()},
        ),
        migrations.CreateModel(
            name="ApiAnswer",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "owner", "key", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("owner", models.CharField(max_length=255)),
                ("key", models.UUIDField()),
                ("digest", models.CharField(max_length=64)),
                ("answer", models.TextField()),
                ("created_at", models.DateTimeField(db_default=anomalies.fields.Now())),
            ],
            options={
                "db_table": "api_answers",
                "default_permissions": (),
                "indexes": [models.Index(fields=["created_at"], name="idx_api_answers_created_at")],
            },
        ),
    ]
