"""Figures by the hour, kept by what each write appends: statistics without reading the table.

Statement triggers append to anomaly_hour_deltas what a write changed: +1 and the row's NCD and p for each new
version, -1 for each old one, added up per hour, stream, status and significance. Nobody's row is updated, so
writers never queue. ``fold_anomaly_hours()`` adds the deltas to anomaly_hours and anomaly_totals; what is not
folded yet is read beside them (the views anomaly_hours_now and anomaly_totals_now), so figures are current always.

Sums are numeric: a double becomes the same numeric every time, so what is added is taken off to the last
digit, in whatever order, and nothing drifts.

Rows from before are counted by ``rebuild_anomaly_hours()``, which 0020 calls: in one statement, hence of one
snapshot, it appends what the roll-up lacks. Every transaction is either in that snapshot with its rows and its
deltas or not in it with both, so writers go on meanwhile and nothing is counted twice or lost. Until then a
delta without an hour says that figures from here are not whole.

What runs, runs as the owner (0011): who writes anomalies need not be able to write these.
"""

import importlib

from django.db import migrations, models

import anomalies.fields

record = importlib.import_module("anomalies.migrations.0011_record")

KEY = "stream_type, status, significant"
SUMS = ("total", "ncd_sum", "p_sum")
FOLDING, REBUILDING = 0x64726966_666F6C64, 0x64726966_6D616B65  # "driffold", "drifmake" in ASCII

# Truncating in UTC: an hour is the same one whatever zone a session is in.
ROW = """
    date_trunc('hour', timestamp, 'UTC') AS hour, stream_type, status, is_statistically_significant AS significant
"""
CHANGED = "HAVING sum(total) <> 0 OR sum(ncd_sum) <> 0 OR sum(p_sum) <> 0"


def rows(source, sign=""):
    return f"""
                SELECT {ROW}, {sign}1 AS total, {sign}ncd_score::numeric AS ncd_sum, {sign}p_value::numeric AS p_sum
                FROM {source}"""


def appending(changes):
    added = ", ".join(f"sum({name})" for name in SUMS)
    return f"""
            INSERT INTO public.anomaly_hour_deltas (hour, {KEY}, {", ".join(SUMS)})
            SELECT hour, {KEY}, {added} FROM ({changes}
            ) AS change GROUP BY hour, {KEY} {CHANGED};"""


CHANGES = {
    "insert": ("NEW TABLE AS inserted", appending(rows("inserted"))),
    "update": (
        "OLD TABLE AS former NEW TABLE AS latter",
        appending(f"{rows('latter')}\n                UNION ALL{rows('former', '-')}"),
    ),
    "delete": ("OLD TABLE AS deleted", appending(rows("deleted", "-"))),
}

# A table that the same TRUNCATE names is in use by it, and empty already.
TRUNCATED = record.function(
    "roll_up_truncate()",
    """
            FOREACH emptied IN ARRAY '{anomaly_hours,anomaly_totals,anomaly_hour_deltas}'::text[] LOOP
                BEGIN
                    EXECUTE format('TRUNCATE public.%I', emptied);
                EXCEPTION WHEN object_in_use THEN
                    EXECUTE format('DELETE FROM public.%I', emptied);
                END;
            END LOOP;
    """,
    "DECLARE emptied text;",
)


def adding_to(table, key):
    added = ", ".join(f"sum({name})" for name in SUMS)
    onto = ", ".join(f"{name} = {table}.{name} + EXCLUDED.{name}" for name in SUMS)
    return f"""
            INSERT INTO public.{table} ({key}, {", ".join(SUMS)})
            SELECT {key}, {added} FROM taken GROUP BY {key}
            ON CONFLICT ({key}) DO UPDATE SET {onto}"""


# One statement: who reads sees a delta either as itself or in the hours. What is deleted is what this statement
# sees, so an id that is committed later than a higher one stays for the next folding.
FOLD = f"""
    CREATE FUNCTION fold_anomaly_hours() RETURNS bigint LANGUAGE plpgsql {record.AS_OWNER} AS $$
    DECLARE folded bigint;
    BEGIN
        IF NOT pg_try_advisory_xact_lock({FOLDING}) THEN
            RETURN NULL;
        END IF;
        WITH taken AS (
            DELETE FROM public.anomaly_hour_deltas WHERE hour IS NOT NULL RETURNING *
        ), hours AS ({adding_to("anomaly_hours", f"hour, {KEY}")}
        ), totals AS ({adding_to("anomaly_totals", KEY)}
        )
        SELECT count(*) INTO folded FROM taken;
        RETURN folded;
    END;
    $$
"""

NOW = f"""
    CREATE VIEW anomaly_hours_now AS
    SELECT hour, {KEY}, {", ".join(SUMS)} FROM anomaly_hours
    UNION ALL
    SELECT hour, {KEY}, {", ".join(SUMS)} FROM anomaly_hour_deltas WHERE hour IS NOT NULL
"""
TOTALS_NOW = f"""
    CREATE VIEW anomaly_totals_now AS
    SELECT {KEY}, {", ".join(SUMS)} FROM anomaly_totals
    UNION ALL
    SELECT {KEY}, {", ".join(SUMS)} FROM anomaly_hour_deltas WHERE hour IS NOT NULL
"""
# The contract's view, column by column; from the table as long as the roll-up is not whole. What the condition
# excludes is not begun. It does not read that view itself: whoever has to change it should find nothing on it.
UNBUILT = "EXISTS (SELECT FROM anomaly_hour_deltas WHERE hour IS NULL)"
COUNTS = ", ".join(
    f"(coalesce(sum(total) FILTER (WHERE status = '{status}'), 0))::bigint AS {status}_count"
    for status in ("pending", "acknowledged", "dismissed", "investigating")
)
STATISTICS_NOW = f"""
    CREATE VIEW anomaly_stats_by_stream_now AS
    SELECT stream_type,
           sum(total)::bigint AS total_anomalies,
           (coalesce(sum(total) FILTER (WHERE significant), 0))::bigint AS significant_anomalies,
           (sum(ncd_sum) / sum(total))::float8 AS avg_ncd_score,
           (sum(p_sum) / sum(total))::float8 AS avg_p_value,
           {COUNTS}
    FROM (
        SELECT {KEY}, {", ".join(SUMS)} FROM anomaly_totals_now WHERE NOT {UNBUILT}
        UNION ALL
        SELECT {KEY}, {", ".join(SUMS)} FROM ({rows("anomalies")}) AS exact WHERE {UNBUILT}
    ) AS either
    GROUP BY stream_type HAVING sum(total) <> 0
"""
MISSING = f"""
    CREATE VIEW anomaly_hours_missing AS
    SELECT hour, {KEY}, sum(total)::bigint AS total, sum(ncd_sum) AS ncd_sum, sum(p_sum) AS p_sum
    FROM ({rows("anomalies")}
        UNION ALL
        SELECT hour, {KEY}, -total, -ncd_sum, -p_sum FROM anomaly_hours_now
    ) AS difference
    GROUP BY hour, {KEY} {CHANGED}
"""

# The totals are made anew of the hours, in the same statement as nobody folds.
REBUILD = f"""
    CREATE FUNCTION rebuild_anomaly_hours() RETURNS bigint LANGUAGE plpgsql {record.AS_OWNER} AS $$
    DECLARE corrected bigint;
    BEGIN
        IF current_setting('transaction_isolation') <> 'read committed' THEN
            RAISE EXCEPTION 'the roll-up is rebuilt in a transaction that is READ COMMITTED';
        END IF;
        PERFORM pg_advisory_xact_lock({REBUILDING});
        WITH marks AS (
            DELETE FROM public.anomaly_hour_deltas WHERE hour IS NULL
        ), missing AS (
            INSERT INTO public.anomaly_hour_deltas (hour, {KEY}, {", ".join(SUMS)})
            SELECT hour, {KEY}, {", ".join(SUMS)} FROM public.anomaly_hours_missing
            RETURNING 1
        )
        SELECT count(*) INTO corrected FROM missing;
        PERFORM pg_advisory_xact_lock({FOLDING});
        DELETE FROM public.anomaly_hours WHERE total = 0 AND ncd_sum = 0 AND p_sum = 0;
        DELETE FROM public.anomaly_totals;
        INSERT INTO public.anomaly_totals ({KEY}, {", ".join(SUMS)})
        SELECT {KEY}, {", ".join(f"sum({name})" for name in SUMS)} FROM public.anomaly_hours GROUP BY {KEY};
        RETURN corrected;
    END;
    $$
"""

FUNCTIONS = [f"roll_up_{event}()" for event in (*CHANGES, "truncate")]
FUNCTIONS += ["fold_anomaly_hours()", "rebuild_anomaly_hours()"]

FORWARDS = [
    *(record.function(f"roll_up_{event}()", body) for event, (_, body) in CHANGES.items()),
    TRUNCATED,
    NOW,
    TOTALS_NOW,
    STATISTICS_NOW,
    MISSING,
    FOLD,
    REBUILD,
    *(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC" for name in FUNCTIONS),
    *(
        statement
        for event, (tables, _) in CHANGES.items()
        for statement in record.new_trigger(
            f"roll_up_{event}",
            "anomalies",
            f"AFTER {event.upper()} ON anomalies REFERENCING {tables} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION roll_up_{event}()",
        )
    ),
    *record.new_trigger(
        "roll_up_truncate",
        "anomalies",
        "AFTER TRUNCATE ON anomalies FOR EACH STATEMENT EXECUTE FUNCTION roll_up_truncate()",
    ),
    # Whoever wrote before has ended, whoever writes later is counted: these rows are what is not.
    """
    INSERT INTO anomaly_hour_deltas (stream_type, status, significant, total, ncd_sum, p_sum)
    SELECT '', '', false, 0, 0, 0 WHERE EXISTS (SELECT FROM anomalies)
    """,
]
BACKWARDS = [
    *(f"DROP TRIGGER roll_up_{event} ON anomalies" for event in ("truncate", *CHANGES)),
    "DROP FUNCTION rebuild_anomaly_hours()",
    "DROP FUNCTION fold_anomaly_hours()",
    "DROP VIEW anomaly_hours_missing",
    "DROP VIEW anomaly_stats_by_stream_now",
    "DROP VIEW anomaly_totals_now",
    "DROP VIEW anomaly_hours_now",
    *(f"DROP FUNCTION roll_up_{event}()" for event in ("truncate", *CHANGES)),
]


def figures():
    return [
        ("stream_type", models.CharField(max_length=50)),
        ("status", models.CharField(max_length=20)),
        ("significant", models.BooleanField()),
        ("total", models.BigIntegerField()),
        ("ncd_sum", anomalies.fields.NumericField()),
        ("p_sum", anomalies.fields.NumericField()),
    ]


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0018_batch_index")]

    operations = [
        migrations.CreateModel(
            name="AnomalyHour",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "hour",
                        "stream_type",
                        "status",
                        "significant",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("hour", models.DateTimeField()),
                *figures(),
            ],
            options={"db_table": "anomaly_hours", "default_permissions": ()},
        ),
        migrations.CreateModel(
            name="AnomalyTotal",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "stream_type",
                        "status",
                        "significant",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                *figures(),
            ],
            options={"db_table": "anomaly_totals", "default_permissions": ()},
        ),
        migrations.CreateModel(
            name="AnomalyHourDelta",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("hour", models.DateTimeField(null=True)),
                *figures(),
            ],
            options={"db_table": "anomaly_hour_deltas", "default_permissions": ()},
        ),
        migrations.CreateModel(
            name="StreamStatisticsNow",
            fields=[
                (
                    "stream_type",
                    models.CharField(
                        choices=[
                            ("logs", "logs"),
                            ("metrics", "metrics"),
                            ("traces", "traces"),
                            ("llm", "LLM"),
                        ],
                        max_length=50,
                        primary_key=True,
                        serialize=False,
                        verbose_name="stream",
                    ),
                ),
                ("total_anomalies", models.BigIntegerField(verbose_name="total")),
                ("significant_anomalies", models.BigIntegerField(verbose_name="significant")),
                ("avg_ncd_score", models.FloatField(verbose_name="average NCD")),
                ("avg_p_value", models.FloatField(verbose_name="average p-value")),
                ("pending_count", models.BigIntegerField(verbose_name="pending")),
                ("acknowledged_count", models.BigIntegerField(verbose_name="acknowledged")),
                ("dismissed_count", models.BigIntegerField(verbose_name="dismissed")),
                ("investigating_count", models.BigIntegerField(verbose_name="investigating")),
            ],
            options={"db_table": "anomaly_stats_by_stream_now", "managed": False, "default_permissions": ()},
        ),
        migrations.RunSQL(sql=FORWARDS, reverse_sql=BACKWARDS),
    ]
