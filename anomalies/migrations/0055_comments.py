"""Comments about an anomaly: the table anomaly_comments, whose changes the audit log records, and their mentions.

A comment says who wrote it, so writing one leaves an entry, with the anomaly's id as its resource: the history of
an anomaly in a bundle has its comments by that. A comment stays as it was written: the trigger refuses any change
but that it is withdrawn, once. The mentions repeat the named accounts in the order of a start page; the array of
the comment is the evidence. Where an event trigger records DDL (0036), it does so for the new tables too.
"""

import importlib

import django.contrib.postgres.fields
from django.db import migrations, models
from django.db.models.functions import Length
from django.db.models.lookups import LessThanOrEqual

import anomalies.fields

pinning = importlib.import_module("anomalies.migrations.0031_pin_audit_functions")
ddl = importlib.import_module("anomalies.migrations.0051_record_ddl_of_later_tables")
record = pinning.record

OWN = pinning.OWN
COLUMNS = "id anomaly_id author text named created_at withdrawn_at".split()
BEFORE_IT = [*ddl.first.TABLES, *ddl.LATER, "notification_rules"]
NEEDS_AUTHOR = record.REFUSE_NOBODY.replace(
    "a decision about an anomaly needs somebody who takes it", "a comment needs somebody who writes it"
)


def entry(action, row, before="NULL", after="NULL"):
    about = f"jsonb_build_object('id', {row}.id)"
    return pinning.entry(action, "'comment'", f"{row}.anomaly_id", before, after, about)


CHANGE = pinning.function(
    "audit_comment_change()",
    f"""
            IF TG_OP = 'DELETE' THEN
                {entry("'delete'", "OLD", before="to_jsonb(OLD)")}
                RETURN NULL;
            END IF;
            {NEEDS_AUTHOR}
            IF TG_OP = 'INSERT' THEN
                {entry("'create'", "NEW", after="to_jsonb(NEW)")}
                RETURN NULL;
            END IF;
            {pinning.first.compare(COLUMNS)}
            IF before = '{{}}' THEN
                RETURN NULL;
            END IF;
            IF before - 'withdrawn_at' <> '{{}}' OR OLD.withdrawn_at IS NOT NULL THEN
                RAISE EXCEPTION 'a comment stays as it was written' USING ERRCODE = 'DL002',
                    HINT = 'Withdraw it, and write another one.';
            END IF;
            {entry("'withdraw'", "NEW", before="before", after="after")}
    """,
    record.COMPARING.replace("            action text := 'update';\n", ""),
)
FORWARDS = [
    CHANGE,
    f"REVOKE ALL ON FUNCTION {OWN}.audit_comment_change() FROM PUBLIC",
    *record.new_trigger(
        "audit_anomaly_comments",
        f"{OWN}.anomaly_comments",
        f"AFTER INSERT OR UPDATE OR DELETE ON {OWN}.anomaly_comments "
        f"FOR EACH ROW EXECUTE FUNCTION {OWN}.audit_comment_change()",
    ),
    *record.new_trigger(
        "audit_anomaly_comments_truncate",
        f"{OWN}.anomaly_comments",
        f"BEFORE TRUNCATE ON {OWN}.anomaly_comments FOR EACH STATEMENT "
        f"EXECUTE FUNCTION {OWN}.audit_truncate('comment')",
    ),
    ddl.replaced([*BEFORE_IT, "anomaly_comments", "comment_mentions"]),
]
BACKWARDS = [
    ddl.replaced(BEFORE_IT),
    f"DROP TRIGGER audit_anomaly_comments_truncate ON {OWN}.anomaly_comments",
    f"DROP TRIGGER audit_anomaly_comments ON {OWN}.anomaly_comments",
    f"DROP FUNCTION {OWN}.audit_comment_change()",
]


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0054_incoming_batches")]

    operations = [
        migrations.CreateModel(
            name="Mention",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "username",
                        "created_at",
                        "comment_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("username", models.CharField(max_length=255)),
                ("created_at", models.DateTimeField()),
                ("comment_id", models.UUIDField()),
                ("anomaly_id", models.UUIDField()),
            ],
            options={"db_table": "comment_mentions", "default_permissions": ()},
        ),
        migrations.CreateModel(
            name="Comment",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=anomalies.fields.RandomUUID(),
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("anomaly_id", models.UUIDField()),
                ("author", models.CharField(max_length=255)),
                ("text", models.TextField()),
                (
                    "named",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=255), db_default=[], default=list, size=None
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=anomalies.fields.Now())),
                ("withdrawn_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "db_table": "anomaly_comments",
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        fields=["anomaly_id", "created_at", "id"], name="idx_anomaly_comments_thread"
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("author", ""), _negated=True),
                            models.Q(("text", ""), _negated=True),
                            LessThanOrEqual(Length("text"), 10_000),
                        ),
                        name="anomaly_comments_text_check",
                    )
                ],
            },
        ),
        pinning.InOwnSchema(FORWARDS, BACKWARDS),
    ]
