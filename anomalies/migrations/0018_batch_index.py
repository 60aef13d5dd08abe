"""What one decision did, found by its batch: an undo reads it, and a retry knows by it what is done.

Built CONCURRENTLY; the entries of anomalies only, in the order in which they were written.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.fields.json import KeyTextTransform


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("anomalies", "0017_undo_on_record")]

    operations = [
        AddIndexConcurrently(
            model_name="auditlog",
            index=models.Index(
                KeyTextTransform("batch", "metadata"),
                "id",
                condition=models.Q(resource_type="anomaly", resource_id__isnull=False),
                name="idx_audit_log_batch",
            ),
        ),
    ]
