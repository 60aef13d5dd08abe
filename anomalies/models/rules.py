"""The triage rules: the table ``triage_rules``, and how often each of them was applied."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.lookups import LessThanOrEqual
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from anomalies.fields import Now, RandomUUID, Seconds

from .choices import DismissalReason
from .constraints import one_of

MOST_DAYS = 90


class RuleAction(models.TextChoices):
    """The decision that a rule takes about what comes."""

    DISMISS = "dismiss", pgettext_lazy("action", "dismiss")
    ASSIGN = "assign", pgettext_lazy("action", "assign")
    SNOOZE = "snooze", pgettext_lazy("action", "snooze")


_OF_A_PATTERN = Q(
    pattern__isnull=False,
    ncd_limit__isnull=False,
    hourly_limit__isnull=False,
    hourly_limit__gt=0,
    window_start__isnull=True,
    window_end__isnull=True,
)
_OF_A_WINDOW = Q(
    ~Q(stream_type="", source=""),
    pattern__isnull=True,
    ncd_limit__isnull=True,
    hourly_limit__isnull=True,
    window_start__isnull=False,
    window_end__isnull=False,
    window_end__gt=F("window_start"),
)


class TriageRule(models.Model):
    """A decision about anomalies that will come; a trigger (0048) applies it as they are inserted.

    It is about a pattern, or, as a maintenance window, about all that happens on a stream or a source (an
    empty text is any) from ``window_start`` to ``window_end``. What it does has its ``id`` as the batch.
    Above ``ncd_limit``, or beyond ``hourly_limit`` anomalies within an hour, it stops by itself; then
    ``stopped_by`` is NULL.
    """

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    pattern = models.UUIDField(null=True, blank=True)
    stream_type = models.CharField(_("stream"), max_length=50, blank=True, db_default="")
    source = models.CharField(max_length=255, blank=True, db_default="")
    action = models.CharField(max_length=20, choices=RuleAction.choices)
    dismissal_reason = models.CharField(max_length=20, null=True, blank=True, choices=DismissalReason.choices)
    assign_to = models.CharField(max_length=255, null=True, blank=True)
    owner = models.CharField(max_length=255)
    note = models.TextField()
    created_at = models.DateTimeField(db_default=Now())
    renewed_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(_("expires"))
    window_start = models.DateTimeField(null=True, blank=True)
    window_end = models.DateTimeField(null=True, blank=True)
    ncd_limit = models.FloatField(_("highest NCD"), null=True, blank=True)
    hourly_limit = models.IntegerField(_("most within an hour"), null=True, blank=True)
    stopped_at = models.DateTimeField(null=True, blank=True)
    stopped_by = models.CharField(max_length=255, null=True, blank=True)
    stop_reason = models.TextField(null=True, blank=True)

    class Meta:
        db_table = "triage_rules"
        verbose_name = _("rule")
        default_permissions = ()
        constraints: ClassVar = [
            one_of("action", RuleAction, "triage_rules"),
            one_of("dismissal_reason", DismissalReason, "triage_rules"),
            models.CheckConstraint(
                condition=Q(action="dismiss", dismissal_reason__isnull=False)
                | (~Q(action="dismiss") & Q(dismissal_reason__isnull=True)),
                name="triage_rules_reason_check",
            ),
            models.CheckConstraint(
                condition=Q(action="assign", assign_to__isnull=False)
                | (~Q(action="assign") & Q(assign_to__isnull=True)),
                name="triage_rules_assign_to_check",
            ),
            models.CheckConstraint(
                condition=~Q(owner="") & ~Q(note=""), name="triage_rules_who_and_why_check"
            ),
            models.CheckConstraint(condition=_OF_A_PATTERN | _OF_A_WINDOW, name="triage_rules_about_check"),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("renewed_at"))
                & Q(LessThanOrEqual(Seconds(F("expires_at") - F("renewed_at")), MOST_DAYS * 86_400)),
                name="triage_rules_expires_at_check",
            ),
            models.CheckConstraint(
                condition=Q(stopped_at__isnull=True, stopped_by__isnull=True, stop_reason__isnull=True)
                | Q(stopped_at__isnull=False, stop_reason__isnull=False),
                name="triage_rules_stopped_check",
            ),
            # The trigger finds the rule of a pattern by it.
            models.UniqueConstraint(
                fields=["pattern"],
                condition=Q(stopped_at__isnull=True, pattern__isnull=False),
                name="triage_rules_one_of_a_pattern",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["expires_at"],
                condition=Q(stopped_at__isnull=True),
                name="idx_triage_rules_active",
            ),
            models.Index(
                fields=["window_end"],
                condition=Q(stopped_at__isnull=True, pattern__isnull=True),
                name="idx_triage_rules_windows",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.pattern or self.source or self.stream_type}"


class RuleHour(models.Model):
    """The number of anomalies of an hour that a rule was applied to. A trigger writes it.

    A writer that would wait for another one's row adds a row: the hits of an hour are the sum of its rows.
    """

    id = models.BigAutoField(primary_key=True)
    rule_id = models.UUIDField()
    hour = models.DateTimeField()
    hits = models.BigIntegerField()
    last_at = models.DateTimeField()

    class Meta:
        db_table = "triage_rule_hours"
        default_permissions = ()
        indexes: ClassVar = [models.Index(fields=["rule_id", "hour"], name="idx_triage_rule_hours")]

    def __str__(self) -> str:
        return f"{self.hits} of rule {self.rule_id}"
