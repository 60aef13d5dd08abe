"""What JSON may be is said by a function with a name: ``json_within_limits``. The limits are those of 0013.

Spelled out, PostgreSQL wrote the largest number as its four thousand digits, 8 KB for each of four CHECKs, and
``\\d anomalies`` filled twenty screens. The function is one expression, whose names were looked up when it was made,
so that no search_path changes what it means; and being immutable it is put into the CHECK's place when that is
prepared: a row costs what it did.

The CHECKs are replaced under one short lock, NOT VALID; 0040 validates them.
"""

from django.db import migrations

# The texts are cast and not written as jsonpath, which PostgreSQL would print with all digits.
FUNCTION = """
    CREATE FUNCTION json_within_limits(value jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN NOT pg_catalog.jsonb_path_exists(value, CAST(
               'strict $.**{64} ? (@.type() == "array" || @.type() == "object")'::text AS pg_catalog.jsonpath))
           AND NOT pg_catalog.jsonb_path_exists(value, CAST(
               'strict $.** ? (@ >= 1e4000 || @ <= -1e4000)'::text AS pg_catalog.jsonpath))
"""
TOO_DEEP = """$.**{64} ? (@.type() == "array" || @.type() == "object")"""
TOO_LARGE = "$.** ? (@ >= 1e4000 || @ <= -1e4000)"

# The most bytes of each column, as stored.
BYTES = {
    ("anomalies", "baseline_data"): 32 << 20,
    ("anomalies", "window_data"): 32 << 20,
    ("anomalies", "metadata"): 32 << 20,
    ("detection_config", "stream_overrides"): 64 << 10,
}


def by_name(column, size):
    return f"{column} IS NULL OR (pg_column_size({column}) <= {size} AND json_within_limits({column}))"


def spelled_out(column, size):
    return f"""
        {column} IS NULL OR (pg_column_size({column}) <= {size}
            AND NOT jsonb_path_exists({column}, 'strict {TOO_DEEP}')
            AND NOT jsonb_path_exists({column}, 'strict {TOO_LARGE}'))
    """


def replaced(bound):
    return [
        f"ALTER TABLE {table} DROP CONSTRAINT {table}_{column}_limits, "
        f"ADD CONSTRAINT {table}_{column}_limits CHECK (version > 1 OR {bound(column, size)}) NOT VALID"
        for (table, column), size in BYTES.items()
    ]


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0038_walked_indexes")]

    operations = [
        migrations.RunSQL(
            sql=[FUNCTION, *replaced(by_name)],
            reverse_sql=[*replaced(spelled_out), "DROP FUNCTION json_within_limits(jsonb)"],
        ),
    ]
