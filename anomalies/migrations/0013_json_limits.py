"""Bounds for the JSON and the tags of rows that others insert: what a reader can't hold takes its page down.

A row's version is 1 as it is inserted, so these hold for INSERTs. An UPDATE does not weigh megabytes of
evidence anew at each decision, and a row that is older than the bounds can still be decided about. For the
same reason they are NOT VALID and stay so: what is there is there, and the pages show a placeholder for it.

Bounds: at most 64 brackets within brackets, no number of more than 4,000 digits (Python parses 4,300), 32 MiB
a column as stored, 1,000 tags in 256 KiB. Ours, for what `ingest` takes, are settings and tighter
(docs/limits.md).
"""

from django.db import migrations

TOO_DEEP = """$.**{64} ? (@.type() == "array" || @.type() == "object")"""
TOO_LARGE = "$.** ? (@ >= 1e4000 || @ <= -1e4000)"


def json_bound(column, size):
    return f"""
        {column} IS NULL OR (pg_column_size({column}) <= {size}
            AND NOT jsonb_path_exists({column}, 'strict {TOO_DEEP}')
            AND NOT jsonb_path_exists({column}, 'strict {TOO_LARGE}'))
    """


BOUNDS = {
    ("anomalies", "baseline_data"): json_bound("baseline_data", 32 << 20),
    ("anomalies", "window_data"): json_bound("window_data", 32 << 20),
    ("anomalies", "metadata"): json_bound("metadata", 32 << 20),
    ("anomalies", "tags"): "tags IS NULL OR (cardinality(tags) <= 1000 AND pg_column_size(tags) <= 262144)",
    ("detection_config", "stream_overrides"): json_bound("stream_overrides", 64 << 10),
}


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0012_seals")]

    operations = [
        migrations.RunSQL(
            sql=[
                f"ALTER TABLE {table} ADD CONSTRAINT {table}_{column}_limits CHECK (version > 1 OR {bound}) NOT VALID"
                for (table, column), bound in BOUNDS.items()
            ],
            reverse_sql=[
                f"ALTER TABLE {table} DROP CONSTRAINT {table}_{column}_limits" for table, column in BOUNDS
            ],
        ),
    ]
