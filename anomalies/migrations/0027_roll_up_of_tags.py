"""How many there are with a tag, of each stream and status: kept by what each write appends, as 0019 does by hour.

A filter by a tag is answered by an inverted index, which finds rows and nothing about them: to count ten
thousand that lie apart took as long as the rest of the page, and five times that in a table of ten million rows.

Statement triggers append to anomaly_tag_deltas; ``fold_anomaly_tags()`` adds that to anomaly_tag_totals, and what
is not folded is read beside them (anomaly_tags_now). Rows are added up by their tags as a whole first: an
ingest or a bulk decision knows few combinations. An UPDATE that changes no status, stream or tag appends nothing.

Each row counts once for a tag, as often as it names it. A tag of more than LONGEST characters is not counted:
an index can't hold any length. Rows from before are counted by ``rebuild_anomaly_tags()``, which 0028 calls; until
then a delta without a tag says that figures from here are not whole. See 0019 for why nothing is lost meanwhile.
"""

import importlib

from django.db import migrations, models

record = importlib.import_module("anomalies.migrations.0011_record")

LONGEST = 200
FOLDING, REBUILDING = 0x74616773_666F6C64, 0x74616773_6D616B65  # "tagsfold", "tagsmake" in ASCII

KEY = "tag, stream_type, status"


def rows(source, sign=""):
    return f"""
                    SELECT tags, stream_type, status, {sign}1 AS one FROM {source} WHERE tags <> '{{}}'"""


def by_tag(changes):
    """Each tag's changes, out of those of each combination of tags."""
    return f"""
            SELECT each.tag, stream_type, status, sum(total)
            FROM (
                SELECT tags, stream_type, status, sum(one) AS total FROM ({changes}
                ) AS change GROUP BY tags, stream_type, status HAVING sum(one) <> 0
            ) AS alike,
            LATERAL (
                SELECT DISTINCT tag FROM unnest(tags) AS tag WHERE length(tag) <= {LONGEST}
            ) AS each
            GROUP BY each.tag, stream_type, status HAVING sum(total) <> 0"""


def appending(changes):
    return f"""
            INSERT INTO public.anomaly_tag_deltas ({KEY}, total){by_tag(changes)};"""


CHANGES = {
    "insert": ("NEW TABLE AS inserted", appending(rows("inserted"))),
    "update": (
        "OLD TABLE AS former NEW TABLE AS latter",
        appending(f"{rows('latter')}\n                    UNION ALL{rows('former', '-')}"),
    ),
    "delete": ("OLD TABLE AS deleted", appending(rows("deleted", "-"))),
}

# A table that the same TRUNCATE names is in use by it, and empty already.
TRUNCATED = record.function(
    "roll_up_tags_truncate()",
    """
            FOREACH emptied IN ARRAY '{anomaly_tag_totals,anomaly_tag_deltas}'::text[] LOOP
                BEGIN
                    EXECUTE format('TRUNCATE public.%I', emptied);
                EXCEPTION WHEN object_in_use THEN
                    EXECUTE format('DELETE FROM public.%I', emptied);
                END;
            END LOOP;
    """,
    "DECLARE emptied text;",
)

# One statement: who reads sees a delta either as itself or in the totals.
FOLD = f"""
    CREATE FUNCTION fold_anomaly_tags() RETURNS bigint LANGUAGE plpgsql {record.AS_OWNER} AS $$
    DECLARE folded bigint;
    BEGIN
        IF NOT pg_try_advisory_xact_lock({FOLDING}) THEN
            RETURN NULL;
        END IF;
        WITH taken AS (
            DELETE FROM public.anomaly_tag_deltas WHERE tag IS NOT NULL RETURNING *
        ), totals AS (
            INSERT INTO public.anomaly_tag_totals ({KEY}, total)
            SELECT {KEY}, sum(total) FROM taken GROUP BY {KEY}
            ON CONFLICT ({KEY}) DO UPDATE SET total = anomaly_tag_totals.total + EXCLUDED.total
        )
        SELECT count(*) INTO folded FROM taken;
        RETURN folded;
    END;
    $$
"""
NOW = f"""
    CREATE VIEW anomaly_tags_now AS
    SELECT {KEY}, total FROM anomaly_tag_totals
    UNION ALL
    SELECT {KEY}, total FROM anomaly_tag_deltas WHERE tag IS NOT NULL
"""
MISSING = f"""
    CREATE VIEW anomaly_tags_missing AS
    SELECT {KEY}, sum(total)::bigint AS total
    FROM ({by_tag(rows("anomalies"))}
        UNION ALL
        SELECT {KEY}, -total FROM anomaly_tags_now
    ) AS difference (tag, stream_type, status, total)
    GROUP BY {KEY} HAVING sum(total) <> 0
"""
REBUILD = f"""
    CREATE FUNCTION rebuild_anomaly_tags() RETURNS bigint LANGUAGE plpgsql {record.AS_OWNER} AS $$
    DECLARE corrected bigint;
    BEGIN
        IF current_setting('transaction_isolation') <> 'read committed' THEN
            RAISE EXCEPTION 'the roll-up is rebuilt in a transaction that is READ COMMITTED';
        END IF;
        PERFORM pg_advisory_xact_lock({REBUILDING});
        WITH marks AS (
            DELETE FROM public.anomaly_tag_deltas WHERE tag IS NULL
        ), missing AS (
            INSERT INTO public.anomaly_tag_deltas ({KEY}, total)
            SELECT {KEY}, total FROM public.anomaly_tags_missing
            RETURNING 1
        )
        SELECT count(*) INTO corrected FROM missing;
        PERFORM pg_advisory_xact_lock({FOLDING});
        DELETE FROM public.anomaly_tag_totals WHERE total = 0;
        RETURN corrected;
    END;
    $$
"""

FUNCTIONS = [f"roll_up_tags_{event}()" for event in (*CHANGES, "truncate")]
FUNCTIONS += ["fold_anomaly_tags()", "rebuild_anomaly_tags()"]

# Vacuumed early, as 0024 has it for the deltas of hours: every list by a tag reads what is not folded.
PARAMETERS = {"autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "1000"}

FORWARDS = [
    f"ALTER TABLE anomaly_tag_deltas SET ({', '.join(f'{name} = {value}' for name, value in PARAMETERS.items())})",
    *(record.function(f"roll_up_tags_{event}()", body) for event, (_, body) in CHANGES.items()),
    TRUNCATED,
    NOW,
    MISSING,
    FOLD,
    REBUILD,
    *(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC" for name in FUNCTIONS),
    *(
        statement
        for event, (tables, _) in CHANGES.items()
        for statement in record.new_trigger(
            f"roll_up_tags_{event}",
            "anomalies",
            f"AFTER {event.upper()} ON anomalies REFERENCING {tables} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION roll_up_tags_{event}()",
        )
    ),
    *record.new_trigger(
        "roll_up_tags_truncate",
        "anomalies",
        "AFTER TRUNCATE ON anomalies FOR EACH STATEMENT EXECUTE FUNCTION roll_up_tags_truncate()",
    ),
    # Whoever wrote before has ended, whoever writes later is counted: these rows are what is not.
    """
    INSERT INTO anomaly_tag_deltas (stream_type, status, total)
    SELECT '', '', 0 WHERE EXISTS (SELECT FROM anomalies)
    """,
]
BACKWARDS = [
    *(f"DROP TRIGGER roll_up_tags_{event} ON anomalies" for event in ("truncate", *CHANGES)),
    "DROP FUNCTION rebuild_anomaly_tags()",
    "DROP FUNCTION fold_anomaly_tags()",
    "DROP VIEW anomaly_tags_missing",
    "DROP VIEW anomaly_tags_now",
    *(f"DROP FUNCTION roll_up_tags_{event}()" for event in (*CHANGES, "truncate")),
]


def figures():
    return [
        ("stream_type", models.CharField(max_length=50)),
        ("status", models.CharField(max_length=20)),
        ("total", models.BigIntegerField()),
    ]


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0026_cover_ncd_and_p")]

    operations = [
        migrations.CreateModel(
            name="TagTotal",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "tag",
                        "stream_type",
                        "status",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("tag", models.CharField(max_length=LONGEST)),
                *figures(),
            ],
            options={"db_table": "anomaly_tag_totals", "default_permissions": ()},
        ),
        migrations.CreateModel(
            name="TagDelta",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("tag", models.CharField(max_length=LONGEST, null=True)),
                *figures(),
            ],
            options={
                "db_table": "anomaly_tag_deltas",
                "default_permissions": (),
                "indexes": [models.Index(fields=["tag"], name="idx_tag_deltas_tag")],
            },
        ),
        migrations.RunSQL(sql=FORWARDS, reverse_sql=BACKWARDS),
    ]
