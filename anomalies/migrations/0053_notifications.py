"""Notifications: their rules, whose changes the audit log records, what arrived, and the outbox.

A rule sends what the desk shows to an address outside, in its owner's name, so making and stopping one leaves an
entry. Its secret never does, nor the whole address of a receiver, which is a secret where it is Slack's: only the
host is, and that one of them changed.

A trigger writes the ids of inserted anomalies into notification_arrivals, in the transaction of the INSERT: a row of
it is visible exactly when the anomalies are, however late they are committed, and no cursor can pass it by. It writes one
row for each thousand, and none where no rule asks for anomalies. Like the rules for what comes (0048) it is not
fired by the apply worker of logical replication: who is notified is decided where the rows come from.

All tables are new and empty. Creating the trigger waits for a lock on anomalies like any DDL (``migrate`` retries).
"""

import importlib

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import anomalies.fields

pinning = importlib.import_module("anomalies.migrations.0031_pin_audit_functions")
ddl = importlib.import_module("anomalies.migrations.0036_record_ddl")
later = importlib.import_module("anomalies.migrations.0051_record_ddl_of_later_tables")
record = pinning.record

OWN = pinning.OWN
COLUMNS = (
    "id name owner condition query minutes digest_seconds quiet_from quiet_until zone channel created_at "
    "stopped_at stopped_by stop_reason"
).split()


def rule(row):
    """A rule as the audit log shows it: without its secret, and of an address the host."""
    shown = ", ".join(f"{name!r}, {row}.{name}" for name in COLUMNS)
    host = f"CASE {row}.channel WHEN 'email' THEN {row}.target ELSE substring({row}.target FROM '^[a-z]+://[^/?#]+') END"
    return f"jsonb_build_object({shown}, 'receiver', {host})"


def withheld(column):
    """Statements that record of a column only that it changed."""
    return f"""
            IF OLD.{column} IS DISTINCT FROM NEW.{column} THEN
                before := before || '{{"{column}": "former"}}';
                after := after || '{{"{column}": "changed"}}';
            END IF;"""


CHANGE = pinning.function(
    "audit_notification_rule_change()",
    pinning.row_change(
        "'notification rule'",
        rule("NEW"),
        rule("OLD"),
        pinning.first.compare(COLUMNS) + withheld("secret") + withheld("target"),
        """action := CASE WHEN before ? 'stopped_at' AND NEW.stopped_at IS NOT NULL THEN 'stop'
                           ELSE 'update' END;""",
        lambda row: f"jsonb_build_object('id', {row or 'NEW'}.id)",
    ),
    record.COMPARING,
)
ARRIVED = pinning.function(
    "queue_notifications()",
    f"""
            IF NOT EXISTS (
                SELECT FROM {OWN}.notification_rules
                WHERE stopped_at IS NULL AND condition IN ('every_match', 'new_pattern', 'unassigned')
            ) THEN
                RETURN NULL;
            END IF;
            INSERT INTO {OWN}.notification_arrivals (ids)
            SELECT array_agg(id) FROM (
                SELECT id, (row_number() OVER () - 1) / 1000 AS part FROM inserted
            ) AS numbered GROUP BY part;""",
)
FORWARDS = [
    CHANGE,
    f"REVOKE ALL ON FUNCTION {OWN}.audit_notification_rule_change() FROM PUBLIC",
    *record.new_trigger(
        "audit_notification_rules",
        f"{OWN}.notification_rules",
        f"AFTER INSERT OR UPDATE OR DELETE ON {OWN}.notification_rules "
        f"FOR EACH ROW EXECUTE FUNCTION {OWN}.audit_notification_rule_change()",
    ),
    *record.new_trigger(
        "audit_notification_rules_truncate",
        f"{OWN}.notification_rules",
        f"BEFORE TRUNCATE ON {OWN}.notification_rules FOR EACH STATEMENT "
        f"EXECUTE FUNCTION {OWN}.audit_truncate('notification rule')",
    ),
    ARRIVED,
    f"REVOKE ALL ON FUNCTION {OWN}.queue_notifications() FROM PUBLIC",
    f"CREATE TRIGGER queue_notifications AFTER INSERT ON {OWN}.anomalies "
    f"REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION {OWN}.queue_notifications()",
    later.replaced([*ddl.TABLES, *later.LATER, "notification_rules"]),
]
BACKWARDS = [
    later.replaced([*ddl.TABLES, *later.LATER]),
    f"DROP TRIGGER queue_notifications ON {OWN}.anomalies",
    f"DROP FUNCTION {OWN}.queue_notifications()",
    f"DROP TRIGGER audit_notification_rules_truncate ON {OWN}.notification_rules",
    f"DROP TRIGGER audit_notification_rules ON {OWN}.notification_rules",
    f"DROP FUNCTION {OWN}.audit_notification_rule_change()",
]


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0052_archived_without_evidence")]

    operations = [
        migrations.CreateModel(
            name="NotificationArrival",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("ids", django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), size=None)),
                ("arrived_at", models.DateTimeField(db_default=anomalies.fields.Now())),
            ],
            options={
                "db_table": "notification_arrivals",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="NotificationRule",
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
                ("name", models.CharField(max_length=80)),
                ("owner", models.CharField(max_length=255)),
                (
                    "condition",
                    models.CharField(
                        choices=[
                            ("every_match", "every anomaly that matches"),
                            ("new_pattern", "the first anomaly of a pattern"),
                            ("unassigned", "undecided and unassigned for some minutes"),
                            ("escalated", "a rule for what comes stopped by itself"),
                            ("silent", "a detector is silent or overdue"),
                        ],
                        max_length=20,
                    ),
                ),
                ("query", models.TextField(blank=True, db_default="")),
                ("minutes", models.IntegerField(blank=True, null=True)),
                ("digest_seconds", models.IntegerField(db_default=60, verbose_name="digest (seconds)")),
                ("quiet_from", models.TimeField(blank=True, null=True)),
                ("quiet_until", models.TimeField(blank=True, null=True)),
                ("zone", models.CharField(db_default="UTC", max_length=64)),
                (
                    "channel",
                    models.CharField(
                        choices=[
                            ("webhook", "webhook (Standard Webhooks)"),
                            ("slack", "Slack and what takes its messages"),
                            ("alertmanager", "Prometheus Alertmanager"),
                            ("email", "e-mail"),
                        ],
                        max_length=20,
                    ),
                ),
                ("target", models.TextField()),
                ("secret", models.TextField(blank=True, db_default="")),
                ("created_at", models.DateTimeField(db_default=anomalies.fields.Now())),
                ("stopped_at", models.DateTimeField(blank=True, null=True)),
                ("stopped_by", models.CharField(blank=True, max_length=255, null=True)),
                ("stop_reason", models.TextField(blank=True, null=True)),
            ],
            options={
                "verbose_name": "notification rule",
                "db_table": "notification_rules",
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        condition=models.Q(("stopped_at__isnull", True)),
                        fields=["condition"],
                        name="idx_notification_rules_active",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "condition__in",
                                ["every_match", "new_pattern", "unassigned", "escalated", "silent"],
                            )
                        ),
                        name="notification_rules_condition_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("channel__in", ["webhook", "slack", "alertmanager", "email"])),
                        name="notification_rules_channel_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("owner", ""), _negated=True),
                            models.Q(("name", ""), _negated=True),
                            models.Q(("target", ""), _negated=True),
                        ),
                        name="notification_rules_named_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("condition", "unassigned"), ("minutes__gte", 1), ("minutes__lte", 10080)
                            ),
                            models.Q(
                                models.Q(("condition", "unassigned"), _negated=True),
                                ("minutes__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="notification_rules_minutes_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("digest_seconds__gte", 0), ("digest_seconds__lte", 86400)),
                        name="notification_rules_digest_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("quiet_from__isnull", True), ("quiet_until__isnull", True)),
                            models.Q(
                                ("quiet_from__isnull", False),
                                ("quiet_until__isnull", False),
                                models.Q(("quiet_from", models.F("quiet_until")), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="notification_rules_quiet_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("stop_reason__isnull", True),
                                ("stopped_at__isnull", True),
                                ("stopped_by__isnull", True),
                            ),
                            models.Q(("stop_reason__isnull", False), ("stopped_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="notification_rules_stopped_check",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="NotificationSeen",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "rule_id", "subject", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("rule_id", models.UUIDField()),
                ("subject", models.CharField(max_length=600)),
                ("seen_at", models.DateTimeField(db_default=anomalies.fields.Now())),
            ],
            options={
                "db_table": "notification_seen",
                "default_permissions": (),
                "indexes": [models.Index(fields=["seen_at"], name="idx_notification_seen_at")],
            },
        ),
        migrations.CreateModel(
            name="NotificationWatch",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "rule_id", "anomaly_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("rule_id", models.UUIDField()),
                ("anomaly_id", models.UUIDField()),
                ("due_at", models.DateTimeField()),
            ],
            options={
                "db_table": "notification_watches",
                "default_permissions": (),
                "indexes": [models.Index(fields=["due_at"], name="idx_notification_watches_due")],
            },
        ),
        migrations.CreateModel(
            name="NotificationDelivery",
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
                ("is_test", models.BooleanField(db_default=False)),
                ("opened_at", models.DateTimeField(db_default=anomalies.fields.Now())),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("due_at", models.DateTimeField()),
                ("total", models.BigIntegerField(db_default=0)),
                ("items", models.JSONField(db_default=[])),
                ("body", models.TextField(blank=True, null=True)),
                ("attempts", models.IntegerField(db_default=0)),
                ("attempted_at", models.DateTimeField(blank=True, null=True)),
                ("error", models.TextField(blank=True, null=True)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("gave_up_at", models.DateTimeField(blank=True, null=True)),
                (
                    "rule",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deliveries",
                        to="anomalies.notificationrule",
                    ),
                ),
            ],
            options={
                "verbose_name": "notification",
                "verbose_name_plural": "notification log",
                "db_table": "notification_deliveries",
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        condition=models.Q(("gave_up_at__isnull", True), ("sent_at__isnull", True)),
                        fields=["due_at"],
                        name="idx_notification_due",
                    ),
                    models.Index(fields=["rule", "opened_at"], name="idx_notification_log"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("closed_at__isnull", True)),
                        fields=("rule",),
                        name="notification_deliveries_one_open",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("attempts", 0),
                                ("body__isnull", True),
                                ("closed_at__isnull", True),
                                ("sent_at__isnull", True),
                            ),
                            ("closed_at__isnull", False),
                            _connector="OR",
                        ),
                        name="notification_deliveries_open_check",
                    ),
                ],
            },
        ),
        pinning.InOwnSchema(FORWARDS, BACKWARDS),
    ]
