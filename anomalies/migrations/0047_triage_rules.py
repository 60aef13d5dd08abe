"""Rules for what comes: the table triage_rules, whose changes the audit log records, and the hits of each rule.

A rule decides about anomalies in its owner's name (0048), so making, renewing and stopping one leaves an entry, as a
decision does. The hits are figures, which a trigger adds up; the entries about the anomalies themselves are
the evidence.
"""

import importlib

from django.db import migrations, models
from django.db.models.lookups import LessThanOrEqual

import anomalies.fields

pinning = importlib.import_module("anomalies.migrations.0031_pin_audit_functions")
record = pinning.record

OWN = pinning.OWN
COLUMNS = (
    "id pattern stream_type source action dismissal_reason assign_to owner note created_at renewed_at expires_at "
    "window_start window_end ncd_limit hourly_limit stopped_at stopped_by stop_reason"
).split()

CHANGE = pinning.function(
    "audit_triage_rule_change()",
    pinning.row_change(
        "'triage rule'",
        "to_jsonb(NEW)",
        "to_jsonb(OLD)",
        pinning.first.compare(COLUMNS),
        """action := CASE WHEN before ? 'stopped_at' AND NEW.stopped_at IS NOT NULL THEN 'stop'
                           WHEN before ? 'expires_at' THEN 'renew' ELSE 'update' END;""",
        lambda row: f"jsonb_build_object('id', {row or 'NEW'}.id)",
    ),
    record.COMPARING,
    pinning.EXACT,
)
FORWARDS = [
    CHANGE,
    f"REVOKE ALL ON FUNCTION {OWN}.audit_triage_rule_change() FROM PUBLIC",
    *record.new_trigger(
        "audit_triage_rules",
        f"{OWN}.triage_rules",
        f"AFTER INSERT OR UPDATE OR DELETE ON {OWN}.triage_rules "
        f"FOR EACH ROW EXECUTE FUNCTION {OWN}.audit_triage_rule_change()",
    ),
    *record.new_trigger(
        "audit_triage_rules_truncate",
        f"{OWN}.triage_rules",
        f"BEFORE TRUNCATE ON {OWN}.triage_rules FOR EACH STATEMENT "
        f"EXECUTE FUNCTION {OWN}.audit_truncate('triage rule')",
    ),
]
BACKWARDS = [
    f"DROP TRIGGER audit_triage_rules_truncate ON {OWN}.triage_rules",
    f"DROP TRIGGER audit_triage_rules ON {OWN}.triage_rules",
    f"DROP FUNCTION {OWN}.audit_triage_rule_change()",
]


class Migration(migrations.Migration):
    dependencies = [("anomalies", "0046_api_tokens")]

    operations = [
        migrations.CreateModel(
            name="RuleHour",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("rule_id", models.UUIDField()),
                ("hour", models.DateTimeField()),
                ("hits", models.BigIntegerField()),
                ("last_at", models.DateTimeField()),
            ],
            options={
                "db_table": "triage_rule_hours",
                "default_permissions": (),
                "indexes": [models.Index(fields=["rule_id", "hour"], name="idx_triage_rule_hours")],
            },
        ),
        migrations.CreateModel(
            name="TriageRule",
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
                ("pattern", models.UUIDField(blank=True, null=True)),
                (
                    "stream_type",
                    models.CharField(blank=True, db_default="", max_length=50, verbose_name="stream"),
                ),
                ("source", models.CharField(blank=True, db_default="", max_length=255)),
                (
                    "action",
                    models.CharField(
                        choices=[("dismiss", "dismiss"), ("assign", "assign"), ("snooze", "snooze")],
                        max_length=20,
                    ),
                ),
                (
                    "dismissal_reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("false_positive", "false positive"),
                            ("known_harmless", "known and harmless"),
                            ("duplicate", "duplicate"),
                            ("other", "other"),
                        ],
                        max_length=20,
                        null=True,
                    ),
                ),
                ("assign_to", models.CharField(blank=True, max_length=255, null=True)),
                ("owner", models.CharField(max_length=255)),
                ("note", models.TextField()),
                ("created_at", models.DateTimeField(db_default=anomalies.fields.Now())),
                ("renewed_at", models.DateTimeField(db_default=anomalies.fields.Now())),
                ("expires_at", models.DateTimeField(verbose_name="expires")),
                ("window_start", models.DateTimeField(blank=True, null=True)),
                ("window_end", models.DateTimeField(blank=True, null=True)),
                ("ncd_limit", models.FloatField(blank=True, null=True, verbose_name="highest NCD")),
                (
                    "hourly_limit",
                    models.IntegerField(blank=True, null=True, verbose_name="most within an hour"),
                ),
                ("stopped_at", models.DateTimeField(blank=True, null=True)),
                ("stopped_by", models.CharField(blank=True, max_length=255, null=True)),
                ("stop_reason", models.TextField(blank=True, null=True)),
            ],
            options={
                "verbose_name": "rule",
                "db_table": "triage_rules",
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        condition=models.Q(("stopped_at__isnull", True)),
                        fields=["expires_at"],
                        name="idx_triage_rules_active",
                    ),
                    models.Index(
                        condition=models.Q(("pattern__isnull", True), ("stopped_at__isnull", True)),
                        fields=["window_end"],
                        name="idx_triage_rules_windows",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("action__in", ["dismiss", "assign", "snooze"])),
                        name="triage_rules_action_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "dismissal_reason__in",
                                ["false_positive", "known_harmless", "duplicate", "other"],
                            )
                        ),
                        name="triage_rules_dismissal_reason_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("action", "dismiss"), ("dismissal_reason__isnull", False)),
                            models.Q(
                                models.Q(("action", "dismiss"), _negated=True),
                                ("dismissal_reason__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="triage_rules_reason_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("action", "assign"), ("assign_to__isnull", False)),
                            models.Q(
                                models.Q(("action", "assign"), _negated=True), ("assign_to__isnull", True)
                            ),
                            _connector="OR",
                        ),
                        name="triage_rules_assign_to_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("owner", ""), _negated=True), models.Q(("note", ""), _negated=True)
                        ),
                        name="triage_rules_who_and_why_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("hourly_limit__gt", 0),
                                ("hourly_limit__isnull", False),
                                ("ncd_limit__isnull", False),
                                ("pattern__isnull", False),
                                ("window_end__isnull", True),
                                ("window_start__isnull", True),
                            ),
                            models.Q(
                                models.Q(("source", ""), ("stream_type", ""), _negated=True),
                                ("hourly_limit__isnull", True),
                                ("ncd_limit__isnull", True),
                                ("pattern__isnull", True),
                                ("window_end__gt", models.F("window_start")),
                                ("window_end__isnull", False),
                                ("window_start__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="triage_rules_about_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("expires_at__gt", models.F("renewed_at")),
                            LessThanOrEqual(
                                anomalies.fields.Seconds(models.F("expires_at") - models.F("renewed_at")),
                                7776000,
                            ),
                        ),
                        name="triage_rules_expires_at_check",
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
                        name="triage_rules_stopped_check",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("pattern__isnull", False), ("stopped_at__isnull", True)),
                        fields=("pattern",),
                        name="triage_rules_one_of_a_pattern",
                    ),
                ],
            },
        ),
        pinning.InOwnSchema(FORWARDS, BACKWARDS),
    ]
