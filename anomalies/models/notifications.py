"""The tables of notifications: the rules, what arrived since the worker last looked, and the outbox."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from anomalies.fields import Now, RandomUUID
from anomalies.json_column import JSONColumn

from .constraints import one_of

MOST_DIGEST_SECONDS = 86_400
MOST_MINUTES = 7 * 24 * 60


class Condition(models.TextChoices):
    """The occasion of a notification; the first three are about anomalies that match the rule's filter."""

    EVERY_MATCH = "every_match", _("every anomaly that matches")
    NEW_PATTERN = "new_pattern", _("the first anomaly of a pattern")
    UNASSIGNED = "unassigned", _("undecided and unassigned for some minutes")
    ESCALATED = "escalated", _("a triage rule stopped by itself")
    SILENT = "silent", _("a detector is silent or overdue")


class Channel(models.TextChoices):
    """The way by which a notification is sent."""

    WEBHOOK = "webhook", _("webhook (Standard Webhooks)")
    SLACK = "slack", _("Slack and what takes its messages")
    ALERTMANAGER = "alertmanager", "Prometheus Alertmanager"
    EMAIL = "email", _("e-mail")


class NotificationRule(models.Model):
    """A rule: who is notified of which anomalies, or of what else, and how; ``notifications.rules`` makes it.

    Nothing of it is edited but the stop. ``secret`` signs webhooks; it is shown once, and is on no record.
    """

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    name = models.CharField(max_length=80)
    owner = models.CharField(max_length=255)
    condition = models.CharField(max_length=20, choices=Condition.choices)
    query = models.TextField(db_default="", blank=True)  # the filter, as the list's address has it
    minutes = models.IntegerField(null=True, blank=True)
    digest_seconds = models.IntegerField(_("digest (seconds)"), db_default=60)
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    zone = models.CharField(max_length=64, db_default="UTC")
    channel = models.CharField(max_length=20, choices=Channel.choices)
    target = models.TextField()
    secret = models.TextField(db_default="", blank=True)
    created_at = models.DateTimeField(db_default=Now())
    stopped_at = models.DateTimeField(null=True, blank=True)
    stopped_by = models.CharField(max_length=255, null=True, blank=True)
    stop_reason = models.TextField(null=True, blank=True)

    class Meta:
        db_table = "notification_rules"
        verbose_name = _("notification rule")
        default_permissions = ()
        constraints: ClassVar = [
            one_of("condition", Condition, "notification_rules"),
            one_of("channel", Channel, "notification_rules"),
            models.CheckConstraint(
                condition=~Q(owner="") & ~Q(name="") & ~Q(target=""), name="notification_rules_named_check"
            ),
            models.CheckConstraint(
                condition=Q(condition="unassigned", minutes__gte=1, minutes__lte=MOST_MINUTES)
                | (~Q(condition="unassigned") & Q(minutes__isnull=True)),
                name="notification_rules_minutes_check",
            ),
            models.CheckConstraint(
                condition=Q(digest_seconds__gte=0, digest_seconds__lte=MOST_DIGEST_SECONDS),
                name="notification_rules_digest_check",
            ),
            models.CheckConstraint(
                condition=Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | (Q(quiet_from__isnull=False, quiet_until__isnull=False) & ~Q(quiet_from=F("quiet_until"))),
                name="notification_rules_quiet_check",
            ),
            models.CheckConstraint(
                condition=Q(stopped_at__isnull=True, stopped_by__isnull=True, stop_reason__isnull=True)
                | Q(stopped_at__isnull=False, stop_reason__isnull=False),
                name="notification_rules_stopped_check",
            ),
        ]
        indexes: ClassVar = [
            # Asked for by each INSERT of anomalies; empty where nobody is notified.
            models.Index(
                fields=["condition"],
                condition=Q(stopped_at__isnull=True),
                name="idx_notification_rules_active",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class NotificationArrival(models.Model):
    """Anomalies that one statement inserted, at most 1,000, until the worker has looked at them.

    A trigger writes it in the transaction of the INSERT, so it is visible exactly when the anomalies are.
    """

    id = models.BigAutoField(primary_key=True)
    ids = ArrayField(models.UUIDField())
    arrived_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "notification_arrivals"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{len(self.ids)} anomalies"


class NotificationWatch(models.Model):
    """An anomaly that a rule about unassigned ones looks at again at ``due_at``."""

    pk = models.CompositePrimaryKey("rule_id", "anomaly_id")
    rule_id = models.UUIDField()
    anomaly_id = models.UUIDField()
    due_at = models.DateTimeField()

    class Meta:
        db_table = "notification_watches"
        default_permissions = ()
        indexes: ClassVar = [models.Index(fields=["due_at"], name="idx_notification_watches_due")]

    def __str__(self) -> str:
        return str(self.anomaly_id)


class NotificationSeen(models.Model):
    """A subject that a rule has notified of, so that it does so once: a pattern, a rule, a detector."""

    pk = models.CompositePrimaryKey("rule_id", "subject")
    rule_id = models.UUIDField()
    subject = models.CharField(max_length=600)
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "notification_seen"
        default_permissions = ()
        indexes: ClassVar = [models.Index(fields=["seen_at"], name="idx_notification_seen_at")]

    def __str__(self) -> str:
        return self.subject


class NotificationDelivery(models.Model):
    """A digest: open while it collects, then sent until the receiver takes it. The table is the queue.

    ``id`` names it to the receiver, the same at each attempt; so is ``body``, which is written when it is
    closed. ``due_at`` is the end of its window, and then the time of the next attempt.
    """

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    rule = models.ForeignKey(NotificationRule, models.PROTECT, related_name="deliveries", db_index=False)
    is_test = models.BooleanField(db_default=False)
    opened_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField()
    total = models.BigIntegerField(db_default=0)
    items = JSONColumn(db_default=[])  # the most unusual ones
    body = models.TextField(null=True, blank=True)
    attempts = models.IntegerField(db_default=0)
    attempted_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(null=True, blank=True)  # the answer to the last attempt that failed
    sent_at = models.DateTimeField(null=True, blank=True)
    gave_up_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "notification_deliveries"
        verbose_name = _("notification")
        verbose_name_plural = _("notification log")
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["rule"], condition=Q(closed_at__isnull=True), name="notification_deliveries_one_open"
            ),
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True, body__isnull=True, attempts=0, sent_at__isnull=True)
                | Q(closed_at__isnull=False),
                name="notification_deliveries_open_check",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"],
                condition=Q(sent_at__isnull=True, gave_up_at__isnull=True),
                name="idx_notification_due",
            ),
            models.Index(fields=["rule", "opened_at"], name="idx_notification_log"),
        ]

    def __str__(self) -> str:
        return f"{self.total} by {self.rule_id}"
