"""The functions of the roll-ups take names as those of the audit log do: PostgreSQL's own, and ours by their schema.

Their bodies are those of 0019 and 0027. The functions are replaced in place: that locks no table.
"""

import importlib
import re

from django.db import migrations

hours = importlib.import_module("anomalies.migrations.0019_roll_up")
tags = importlib.import_module("anomalies.migrations.0027_roll_up_of_tags")
pinning = importlib.import_module("anomalies.migrations.0031_pin_audit_functions")
record = pinning.record

OWN = pinning.OWN


def pinned(sql):
    """The definition with its schema named and its path pinned."""
    named = re.sub(r"CREATE (?:OR REPLACE )?FUNCTION ", f"CREATE OR REPLACE FUNCTION {OWN}.", sql)
    return named.replace(" public.", f" {OWN}.").replace("pg_catalog, public, pg_temp", "pg_catalog, pg_temp")


def emptying(name, tables):
    """A trigger's function that empties tables; one that the same TRUNCATE names is in use, and empty already."""
    return pinning.function(
        f"{name}()",
        f"""
            FOREACH emptied IN ARRAY '{{{",".join(tables)}}}'::text[] LOOP
                BEGIN
                    EXECUTE format('TRUNCATE %I.%I', TG_TABLE_SCHEMA, emptied);
                EXCEPTION WHEN object_in_use THEN
                    EXECUTE format('DELETE FROM %I.%I', TG_TABLE_SCHEMA, emptied);
                END;
            END LOOP;
        """,
        "DECLARE emptied text;",
    )


APPENDING = [
    record.function(f"{name}_{event}()", body)
    for name, changes in (("roll_up", hours.CHANGES), ("roll_up_tags", tags.CHANGES))
    for event, (_, body) in changes.items()
]
FORMER = [*APPENDING, hours.FOLD, hours.REBUILD, tags.FOLD, tags.REBUILD]
FORWARDS = [
    *map(pinned, FORMER),
    emptying("roll_up_truncate", ["anomaly_hours", "anomaly_totals", "anomaly_hour_deltas"]),
    emptying("roll_up_tags_truncate", ["anomaly_tag_totals", "anomaly_tag_deltas"]),
]
BACKWARDS = [pinning.as_before(sql) for sql in (*FORMER, hours.TRUNCATED, tags.TRUNCATED)]


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0031_pin_audit_functions")]

    operations = [pinning.InOwnSchema(FORWARDS, BACKWARDS)]
