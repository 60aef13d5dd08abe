"""How new a window is, why an anomaly was dismissed, who is looking into it: nullable, so that older
writers go on working.

The CHECK comes NOT VALID, so that no scan of a large table stands under a lock; 0006 validates it.
"""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0004_default_config")]

    operations = [
        migrations.AddField(
            model_name="anomaly",
            name="novelty",
            field=models.FloatField(
                blank=True,
                help_text="0 to 1: the share of the newest line that its stream had not shown in that place.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="anomaly",
            name="dismissal_reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("false_positive", "false positive"),
                    ("known_harmless", "known and harmless"),
                    ("duplicate", "duplicate"),
                    ("other", "other"),
                ],
                max_length=20,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="anomaly",
            name="investigating_by",
            field=models.CharField(blank=True, max_length=255, null=True),
        ),
        migrations.AddField(
            model_name="anomaly",
            name="investigating_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        AddConstraintNotValid(
            model_name="anomaly",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("dismissal_reason__in", ["false_positive", "known_harmless", "duplicate", "other"])
                ),
                name="anomalies_dismissal_reason_check",
            ),
        ),
    ]
