"""The audit entry of an erasure says what was erased, and does not keep it.

An erasure is named by ``erasure`` in the context of the transaction, and so in the metadata of the entry, whose
action is "erase". The former values of the texts that it may change are left out; the new ones are recorded, so
that a replay still compares them with the table. All other columns are recorded as ever. The functions are
replaced in place, which locks no table.
"""

import importlib

from django.db import migrations

pinning = importlib.import_module("anomalies.migrations.0031_pin_audit_functions")

# Beside the evidence, whose trigger is audit_anomaly_update.
TEXTS = ["glass_box_explanation", "metadata", "tags"]
IS_ERASURE = "coalesce(said ? 'erasure', false)"

UPDATE_ACTION = "ELSE 'update' END"
ERASE_ACTION = f"WHEN {IS_ERASURE} THEN 'erase'\n                    {UPDATE_ACTION}"

BY_ROW = pinning.ANOMALY_UPDATE.replace(
    f"IF {pinning.holding.any_of(pinning.DECISION)} THEN",
    f"""IF TG_ARGV[0] = 'evidence' AND {IS_ERASURE} THEN
                before := '{{}}';
                action := 'erase';
            END IF;
            IF {pinning.holding.any_of(pinning.DECISION)} THEN""",
)
LEFT_OUT = f"""
                   - CASE WHEN {IS_ERASURE} THEN ARRAY[{", ".join(f"'{column}'" for column in TEXTS)}] ELSE '{{}}' END"""
BEFORE = f"""{pinning.updating.all_changed("former")} AS before"""
BY_STATEMENT = (
    pinning.UPDATED.replace(BEFORE, f"({pinning.updating.all_changed('former')}){LEFT_OUT} AS before")
    .replace(UPDATE_ACTION, ERASE_ACTION)
    .replace("WHERE change.before <> '{}'", "WHERE change.after <> '{}'")
)


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0055_comments")]

    operations = [
        pinning.InOwnSchema(
            [BY_ROW, BY_STATEMENT],
            [pinning.ANOMALY_UPDATE, pinning.UPDATED],
        )
    ]
