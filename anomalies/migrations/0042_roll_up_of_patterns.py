"""How many anomalies have a pattern, of each status, and since when: kept as 0019 and 0027 keep their figures.

Triggers append what a write changes to anomaly_pattern_deltas; ``fold_anomaly_patterns()`` adds that to
anomaly_patterns, and what is not folded is read beside it (anomaly_patterns_now). Writers update no row of
anybody's, so they never queue, not for a pattern that two of them bring at once either: a delta has the template of
a pattern that is not folded yet, and the folding, of which one runs at a time, makes the row.

``first_seen`` and ``last_seen`` are the times of the anomalies that had the pattern, deleted ones included. A row
without a pattern, from before the column, counts for none; once filled it counts as a changed row. So figures are
right from the start, for what is filled.
"""

import importlib

from django.db import migrations, models

pinning = importlib.import_module("anomalies.migrations.0031_pin_audit_functions")
columns = importlib.import_module("anomalies.migrations.0041_pattern_columns")

OWN, AS_OWNER = pinning.OWN, pinning.AS_OWNER
FOLDING, REBUILDING = 0x70617474_666F6C64, 0x70617474_6D616B65  # "pattfold", "pattmake" in ASCII

STATUSES = ("pending", "acknowledged", "dismissed", "investigating")
COUNTS = ", ".join(STATUSES)
ABOUT = "stream_type, source, template, algorithm"
SEEN = "first_seen, last_seen"
TEMPLATE = f"{OWN}.anomaly_template(example.glass_box_explanation, example.window_data, example.metadata)"


def rows(source, sign="", where="pattern IS NOT NULL"):
    return f"""
                    SELECT id, pattern, status, timestamp, {sign}1 AS one FROM {source} WHERE {where}"""


def by_pattern(changes):
    """Each pattern's changes: the counts, the times of what is new, and one row that is new."""
    counts = ", ".join(
        f"coalesce(sum(one) FILTER (WHERE status = '{each}'), 0) AS {each}" for each in STATUSES
    )
    changed = " OR ".join(f"sum(one) FILTER (WHERE status = '{each}') <> 0" for each in STATUSES)
    return f"""
                SELECT pattern, {counts},
                       min(timestamp) FILTER (WHERE one > 0) AS first_seen,
                       max(timestamp) FILTER (WHERE one > 0) AS last_seen,
                       min(id::text) FILTER (WHERE one > 0)::uuid AS example
                FROM ({changes}
                ) AS change GROUP BY pattern
                HAVING {changed}
                    OR min(timestamp) FILTER (WHERE one > 0) < min(timestamp) FILTER (WHERE one < 0)
                    OR max(timestamp) FILTER (WHERE one > 0) > max(timestamp) FILTER (WHERE one < 0)"""


def appending(changes, examples):
    """The statement that appends changes; ``examples`` has the rows whose text gives a new pattern's template."""
    described = f"CASE WHEN example.id IS NOT NULL THEN {TEMPLATE} END"
    return f"""
            INSERT INTO {OWN}.anomaly_pattern_deltas (pattern, {COUNTS}, {SEEN}, {ABOUT})
            SELECT added.pattern, {COUNTS}, added.first_seen, added.last_seen,
                   example.stream_type, example.source, {described},
                   CASE WHEN example.id IS NOT NULL THEN {columns.ALGORITHM} END
            FROM ({by_pattern(changes)}
            ) AS added LEFT JOIN {examples} AS example ON example.id = added.example
                AND NOT EXISTS (SELECT FROM {OWN}.anomaly_patterns AS known WHERE known.key = added.pattern);"""


CHANGES = {
    "insert": ("NEW TABLE AS inserted", appending(rows("inserted"), "inserted")),
    "update": (
        "OLD TABLE AS former NEW TABLE AS latter",
        appending(f"{rows('latter')}\n                    UNION ALL{rows('former', '-')}", "latter"),
    ),
    "delete": ("OLD TABLE AS deleted", appending(rows("deleted", "-"), "deleted")),
}
NEW, OLD = "(SELECT NEW.*) AS latter", "(SELECT OLD.*) AS former"
BY_ROW = appending(
    rows(NEW, where="TG_OP <> 'DELETE' AND pattern IS NOT NULL")
    + "\n                    UNION ALL"
    + rows(OLD, "-", where="TG_OP <> 'INSERT' AND pattern IS NOT NULL"),
    "(SELECT NEW.*)",
)

EMPTIED = ["anomaly_patterns", "anomaly_pattern_deltas"]
TRUNCATED = importlib.import_module("anomalies.migrations.0032_pin_rollup_functions").emptying(
    "roll_up_patterns_truncate", EMPTIED
)

KEPT = ", ".join(
    [
        *(f"{each} = pattern.{each} + EXCLUDED.{each}" for each in STATUSES),
        "first_seen = least(pattern.first_seen, EXCLUDED.first_seen)",
        "last_seen = greatest(pattern.last_seen, EXCLUDED.last_seen)",
    ]
)
SUMS = ", ".join(f"sum({each}) AS {each}" for each in STATUSES)
# One statement: who reads sees a delta either as itself or in the pattern.
FOLD = f"""
    CREATE FUNCTION {OWN}.fold_anomaly_patterns() RETURNS bigint LANGUAGE plpgsql {AS_OWNER} AS $$
    DECLARE folded bigint;
    BEGIN
        IF NOT pg_try_advisory_xact_lock({FOLDING}) THEN
            RETURN NULL;
        END IF;
        WITH taken AS (
            DELETE FROM {OWN}.anomaly_pattern_deltas RETURNING *
        ), totals AS (
            INSERT INTO {OWN}.anomaly_patterns AS pattern (key, {ABOUT}, {SEEN}, {COUNTS})
            SELECT pattern, coalesce(max(stream_type), ''), coalesce(max(source), ''), coalesce(max(template), ''),
                   coalesce(max(algorithm), {columns.ALGORITHM}), min(first_seen), max(last_seen), {SUMS}
            FROM taken GROUP BY pattern
            ON CONFLICT (key) DO UPDATE SET {KEPT}
        )
        SELECT count(*) INTO folded FROM taken;
        RETURN folded;
    END;
    $$
"""
NOW = f"""
    CREATE VIEW {OWN}.anomaly_patterns_now AS
    SELECT key AS pattern, {COUNTS}, {SEEN} FROM {OWN}.anomaly_patterns
    UNION ALL
    SELECT pattern, {COUNTS}, {SEEN} FROM {OWN}.anomaly_pattern_deltas
"""
WRONG = " OR ".join(f"coalesce(found.{each}, 0) <> coalesce(kept.{each}, 0)" for each in STATUSES)
LACKING = ", ".join(
    f"(coalesce(found.{each}, 0) - coalesce(kept.{each}, 0))::bigint AS {each}" for each in STATUSES
)
MISSING = f"""
    CREATE VIEW {OWN}.anomaly_patterns_missing AS
    SELECT pattern, {LACKING}, found.first_seen, found.last_seen, found.example
    FROM ({by_pattern(rows(f"{OWN}.anomalies"))}
    ) AS found FULL JOIN (
        SELECT pattern, {SUMS}, min(first_seen) AS first_seen, max(last_seen) AS last_seen
        FROM {OWN}.anomaly_patterns_now GROUP BY pattern
    ) AS kept USING (pattern)
    WHERE {WRONG}
        OR found.first_seen < kept.first_seen OR found.last_seen > kept.last_seen
        OR found.first_seen IS NOT NULL AND (kept.first_seen IS NULL OR kept.last_seen IS NULL)
"""
# A pattern's own row is made again where somebody removed it: the deltas have its template then.
REBUILD = f"""
    CREATE FUNCTION {OWN}.rebuild_anomaly_patterns() RETURNS bigint LANGUAGE plpgsql {AS_OWNER} AS $$
    DECLARE corrected bigint;
    BEGIN
        IF current_setting('transaction_isolation') <> 'read committed' THEN
            RAISE EXCEPTION 'the roll-up is rebuilt in a transaction that is READ COMMITTED';
        END IF;
        PERFORM pg_advisory_xact_lock({REBUILDING});
        INSERT INTO {OWN}.anomaly_pattern_deltas (pattern, {COUNTS}, {SEEN}, {ABOUT})
        SELECT missing.pattern, {COUNTS}, missing.first_seen, missing.last_seen,
               example.stream_type, example.source,
               CASE WHEN example.id IS NOT NULL THEN {TEMPLATE} END,
               CASE WHEN example.id IS NOT NULL THEN {columns.ALGORITHM} END
        FROM {OWN}.anomaly_patterns_missing AS missing
        LEFT JOIN {OWN}.anomalies AS example ON example.id = missing.example;
        GET DIAGNOSTICS corrected = ROW_COUNT;
        RETURN corrected;
    END;
    $$
"""
FUNCTIONS = [f"roll_up_patterns_{event}()" for event in (*CHANGES, "truncate", "row")]
FUNCTIONS += ["fold_anomaly_patterns()", "rebuild_anomaly_patterns()"]

# Vacuumed early, as 0024 has it for the deltas of hours.
PARAMETERS = "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000"


def trigger(event, clause):
    return (
        f"CREATE TRIGGER roll_up_patterns_{event} AFTER {event.upper()} ON {OWN}.anomalies {clause} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {OWN}.roll_up_patterns_{event}()"
    )


FORWARDS = [
    f"ALTER TABLE {OWN}.anomaly_pattern_deltas SET ({PARAMETERS})",
    *(pinning.function(f"roll_up_patterns_{event}()", body) for event, (_, body) in CHANGES.items()),
    pinning.function("roll_up_patterns_row()", BY_ROW),
    TRUNCATED,
    NOW,
    MISSING,
    FOLD,
    REBUILD,
    *(f"REVOKE ALL ON FUNCTION {OWN}.{name} FROM PUBLIC" for name in FUNCTIONS),
    *(trigger(event, f"REFERENCING {tables}") for event, (tables, _) in CHANGES.items()),
    trigger("truncate", ""),
    f"ALTER TABLE {OWN}.anomalies ENABLE ALWAYS TRIGGER roll_up_patterns_truncate",
    # What logical replication applies, by row (0033).
    f"CREATE TRIGGER roll_up_patterns_replica AFTER INSERT OR UPDATE OR DELETE ON {OWN}.anomalies "
    f"FOR EACH ROW EXECUTE FUNCTION {OWN}.roll_up_patterns_row()",
    f"ALTER TABLE {OWN}.anomalies ENABLE REPLICA TRIGGER roll_up_patterns_replica",
]
BACKWARDS = [
    *(
        f"DROP TRIGGER roll_up_patterns_{event} ON {OWN}.anomalies"
        for event in ("replica", "truncate", *CHANGES)
    ),
    f"DROP FUNCTION {OWN}.rebuild_anomaly_patterns()",
    f"DROP FUNCTION {OWN}.fold_anomaly_patterns()",
    f"DROP VIEW {OWN}.anomaly_patterns_missing",
    f"DROP VIEW {OWN}.anomaly_patterns_now",
    *(f"DROP FUNCTION {OWN}.roll_up_patterns_{event}()" for event in ("row", "truncate", *CHANGES)),
]


def counts():
    return [(each, models.BigIntegerField()) for each in STATUSES]


def about(null):
    return [
        ("stream_type", models.CharField(max_length=50, null=null)),
        ("source", models.CharField(max_length=255, null=null)),
        ("template", models.TextField(null=null)),
        ("algorithm", models.SmallIntegerField(null=null)),
        ("first_seen", models.DateTimeField(null=True)),
        ("last_seen", models.DateTimeField(null=True)),
    ]


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0041_pattern_columns")]

    operations = [
        migrations.CreateModel(
            name="Pattern",
            fields=[
                ("key", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                *about(null=False),
                *counts(),
            ],
            options={"db_table": "anomaly_patterns", "default_permissions": ()},
        ),
        migrations.CreateModel(
            name="PatternDelta",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("pattern", models.UUIDField()),
                *about(null=True),
                *counts(),
            ],
            options={
                "db_table": "anomaly_pattern_deltas",
                "default_permissions": (),
                "indexes": [models.Index(fields=["pattern"], name="idx_pattern_deltas_pattern")],
            },
        ),
        pinning.InOwnSchema(FORWARDS, BACKWARDS),
    ]
