"""The language, time zone and date format that a person chose: the table user_preferences, a row for each who
did. It is new and empty, so nothing waits for it."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("anomalies", "0062_ownership"),
    ]

    operations = [
        migrations.CreateModel(
            name="UserPreferences",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="preferences",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("language", models.CharField(blank=True, db_default="", max_length=20)),
                ("zone", models.CharField(blank=True, db_default="", max_length=64)),
                ("formats", models.CharField(db_default="iso", max_length=20)),
            ],
            options={"db_table": "user_preferences", "default_permissions": ()},
        ),
    ]
