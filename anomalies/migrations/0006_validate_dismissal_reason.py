"""The CHECK of 0005 holds for the rows that were there before; validating lets reads and writes go on."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0005_triage_columns")]

    operations = [
        ValidateConstraint(model_name="anomaly", name="anomalies_dismissal_reason_check"),
    ]
