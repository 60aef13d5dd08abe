"""The audit entry of an anomaly that goes into an archive leaves out its evidence, which the archive holds.

The entry of any other deletion keeps the whole row, so that it can be restored from there. An archive is named
by ``archive`` in the context of the transaction, and so in the metadata of the entry: the SHA-256 of its manifest.
The function is replaced in place, which locks no table.
"""

import importlib

from django.db import migrations

pinning = importlib.import_module("anomalies.migrations.0031_pin_audit_functions")

# As to_jsonb has it, the search document repeats the words of the explanations.
LEFT_OUT = ["baseline_data", "window_data", "detailed_explanation", "search_document"]
KEPT = f"""CASE WHEN nullif(current_setting('driftlock.context', true), '')::jsonb ? 'archive'
                        THEN to_jsonb(OLD) - ARRAY[{", ".join(f"'{column}'" for column in LEFT_OUT)}]
                        ELSE to_jsonb(OLD) END"""
ANOMALY_DELETE = pinning.function(
    "audit_anomaly_delete()",
    pinning.entry("'delete'", "'anomaly'", "OLD.id", KEPT),
    settings=pinning.EXACT,
)


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0051_record_ddl_of_later_tables")]

    operations = [pinning.InOwnSchema([ANOMALY_DELETE], [pinning.ANOMALY_DELETE])]
