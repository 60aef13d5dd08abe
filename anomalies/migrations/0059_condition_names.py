"""The words of a notification's condition: a rule about arrivals is a triage rule everywhere.

It changes no table: the words are the form's.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0058_list_columns")]

    operations = [
        migrations.AlterField(
            model_name="notificationrule",
            name="condition",
            field=models.CharField(
                choices=[
                    ("every_match", "every anomaly that matches"),
                    ("new_pattern", "the first anomaly of a pattern"),
                    ("unassigned", "undecided and unassigned for some minutes"),
                    ("escalated", "a triage rule stopped by itself"),
                    ("silent", "a detector is silent or overdue"),
                ],
                max_length=20,
            ),
        ),
    ]
