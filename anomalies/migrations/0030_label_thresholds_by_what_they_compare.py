"""Labels and help texts only: "novelty threshold" for ncd_threshold, which is compared with the novelty.

No SQL: Django keeps labels in its migrations' state and not in the database.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("anomalies", "0029_comments"),
    ]

    operations = [
        migrations.AlterField(
            model_name="anomaly",
            name="novelty",
            field=models.FloatField(
                blank=True,
                help_text="0 to 1: the share of the newest event that its stream had not shown before in that place.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="anomaly",
            name="snooze_more",
            field=models.IntegerField(blank=True, null=True, verbose_name="snoozed until N more within 24 h"),
        ),
        migrations.AlterField(
            model_name="detectionconfig",
            name="ncd_threshold",
            field=models.FloatField(
                db_default=0.5,
                default=0.5,
                help_text="Column ncd_threshold: from 0 to 1, the novelty from which a window is flagged; the NCD where a detector reports no novelty.",
                verbose_name="novelty threshold",
            ),
        ),
        migrations.AlterField(
            model_name="detectionconfig",
            name="p_value_threshold",
            field=models.FloatField(
                db_default=0.05,
                default=0.05,
                help_text="From 0 to 1: a window is flagged if its p-value is below.",
                verbose_name="p-value threshold",
            ),
        ),
    ]
