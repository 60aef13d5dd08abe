"""The table ``anomalies``: one row for each stretch of a stream that a detector flagged."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import OrderBy
from django.db.models.functions import Coalesce, Collate
from django.utils.translation import gettext_lazy as _

from anomalies.fields import (
    EmptyArray,
    Now,
    RandomUUID,
)
from anomalies.json_column import JSONColumn
from anomalies.querysets import AnomalyQuerySet, LeanManager, search_document

from .choices import DismissalReason, Status, Stream
from .constraints import between_0_and_1, one_of
from .ownership import TEAM_SIGN

# What the figures beside a list count by: an index that holds it saves a look at ten thousand rows.
_STATE = ("status", "stream_type", "is_statistically_significant")


def _up(*columns: str, collation: str = "C") -> list[OrderBy]:
    """An index's order that no index of the contract answers: for NULLs' place, and for texts' collation."""
    texts = ("source", "status", "stream_type")
    keys = [Collate(column, collation) if column in texts else F(column) for column in columns]
    return [key.asc(nulls_first=True) for key in keys]


def _down(*columns: str) -> list[OrderBy]:
    """The same order, reversed."""
    return [F(column).desc(nulls_last=True) for column in columns]


_WALK = ("pattern", 'status COLLATE "POSIX"', "timestamp", "id")
_LEAST, _GREATEST = (f"'{UUID(int=number)}'::uuid" for number in (0, 2**128 - 1))


def newest_of_pattern(
    columns: str, pattern: str, status: str, most: int | str, *, since: str = "", before: str = ""
) -> str:
    """A subquery in SQL: the newest anomalies of a pattern and a status, at most ``most``, newest first.

    ``since`` (included) and ``before`` (not included) limit their times. All arguments are SQL.

    A row comparison and an order by all columns of idx_anomalies_walk_pattern are answered by that index
    alone, and at most ``most`` of its entries are read, whatever the planner expects. What they hold beyond
    the status is dropped afterwards: before PostgreSQL 18 a scan whose condition ended it there would pass
    over all entries of the pattern.
    """
    keys = ", ".join(f"anomalies.{column}" for column in _WALK)
    down = ", ".join(f"anomalies.{column} DESC NULLS LAST" for column in _WALK)
    key, kind = f"{pattern}::uuid", f"{status}::text"
    place = f"{before}::timestamptz, {_LEAST}" if before else f"'infinity'::timestamptz, {_GREATEST}"
    held = f" AND anomalies.timestamp >= {since}::timestamptz" if since else ""
    return f"""(
        SELECT {columns} FROM (
            SELECT anomalies.* FROM anomalies
            WHERE ROW({keys}) < ROW({key}, {kind}, {place}) AND anomalies.pattern >= {key}
            ORDER BY {down} LIMIT {most}
        ) AS anomalies WHERE anomalies.pattern = {key} AND anomalies.status = {kind}{held}
    )"""  # noqa: S608 -- the arguments are SQL of ours


class Anomaly(models.Model):
    """One window of a stream that a detector flagged, and what was decided about it."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    timestamp = models.DateTimeField(help_text=_("When the window happened."))
    stream_type = models.CharField(_("stream"), max_length=50, choices=Stream.choices)
    ncd_score = models.FloatField(_("NCD"), help_text=_("Normalized compression distance, 0 to 1."))
    p_value = models.FloatField(_("p-value"), help_text=_("0 to 1."))
    status = models.CharField(max_length=20, choices=Status.choices, db_default=Status.PENDING)
    glass_box_explanation = models.TextField(_("explanation"))
    detailed_explanation = models.TextField(null=True, blank=True)
    compression_baseline = models.FloatField(help_text=_("Compressed / raw size of the baseline."))
    compression_window = models.FloatField(help_text=_("Compressed / raw size of the window."))
    compression_combined = models.FloatField(help_text=_("Compressed / raw size of both together."))
    compression_ratio_change = models.FloatField(
        _("change"), null=True, blank=True, help_text=_("Percent: (window - baseline) / baseline × 100.")
    )
    baseline_entropy = models.FloatField(null=True, blank=True, help_text=_("Bits per byte."))
    window_entropy = models.FloatField(null=True, blank=True, help_text=_("Bits per byte."))
    entropy_change = models.FloatField(
        null=True, blank=True, help_text=_("Bits per byte: window - baseline.")
    )
    confidence_level = models.FloatField(_("confidence"), help_text=_("0 to 1: 1 - p."))
    is_statistically_significant = models.BooleanField(_("significant"), db_default=False)
    baseline_data = JSONColumn(_("baseline"), null=True, blank=True)
    window_data = JSONColumn(_("window"), null=True, blank=True)
    metadata = JSONColumn(null=True, blank=True)
    tags = ArrayField(models.TextField(), null=True, blank=True, db_default=EmptyArray())
    acknowledged_by = models.CharField(max_length=255, null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    dismissed_by = models.CharField(max_length=255, null=True, blank=True)
    dismissed_at = models.DateTimeField(null=True, blank=True)
    notes = models.TextField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    # Ours
    novelty = models.FloatField(
        null=True,
        blank=True,
        help_text=_(
            "0 to 1: the share of the newest event that its stream had not shown before in that place."
        ),
    )
    dismissal_reason = models.CharField(max_length=20, null=True, blank=True, choices=DismissalReason.choices)
    investigating_by = models.CharField(max_length=255, null=True, blank=True)
    investigating_at = models.DateTimeField(null=True, blank=True)
    version = models.BigIntegerField(db_default=1, editable=False)  # a trigger counts every UPDATE
    assigned_to = models.CharField(max_length=255, null=True, blank=True)
    assigned_by = models.CharField(max_length=255, null=True, blank=True)
    assigned_at = models.DateTimeField(null=True, blank=True)
    snoozed_until = models.DateTimeField(null=True, blank=True)
    snooze_ncd_above = models.FloatField(_("snoozed until NCD above"), null=True, blank=True)
    snooze_more = models.IntegerField(_("snoozed until N more within 24 h"), null=True, blank=True)
    snoozed_by = models.CharField(max_length=255, null=True, blank=True)
    snoozed_at = models.DateTimeField(null=True, blank=True)

    search_document = SearchVectorField(null=True, editable=False)  # a trigger writes it (0037)
    source = models.CharField(max_length=255, null=True, editable=False)  # a trigger writes both (0041)
    pattern = models.UUIDField(null=True, editable=False)

    objects = LeanManager.from_queryset(AnomalyQuerySet)()

    class Meta:
        db_table = "anomalies"
        verbose_name_plural = _("anomalies")
        default_permissions = ("view",)
        permissions: ClassVar = [("decide_anomaly", "Can decide about anomalies")]
        constraints: ClassVar = [
            one_of("stream_type", Stream, "anomalies"),
            between_0_and_1("ncd_score", "anomalies"),
            between_0_and_1("p_value", "anomalies"),
            one_of("status", Status, "anomalies"),
            between_0_and_1("confidence_level", "anomalies"),
            one_of("dismissal_reason", DismissalReason, "anomalies"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-timestamp"], name="idx_anomalies_timestamp"),
            models.Index(fields=["status"], name="idx_anomalies_status"),
            models.Index(fields=["stream_type"], name="idx_anomalies_stream_type"),
            models.Index(fields=["p_value"], name="idx_anomalies_p_value"),
            models.Index(fields=["ncd_score"], name="idx_anomalies_ncd_score"),
            models.Index(
                fields=["is_statistically_significant"],
                name="idx_anomalies_significant",
                condition=Q(is_statistically_significant=True),
            ),
            models.Index(fields=["-created_at"], name="idx_anomalies_created_at"),
            GinIndex(fields=["tags"], name="idx_anomalies_tags"),
            GinIndex(fields=["metadata"], name="idx_anomalies_metadata"),
            # Ours. What the desk's lists are read from (queries/bounded/walks.py).
            models.Index(*_down("timestamp", "id"), include=_STATE, name="idx_anomalies_walk_time"),
            models.Index(*_up(*_STATE, "timestamp", "id"), name="idx_anomalies_walk_status"),
            models.Index(*_up("stream_type", "timestamp", "id"), name="idx_anomalies_walk_stream"),
            models.Index(*_down("ncd_score", "id"), include=_STATE, name="idx_anomalies_walk_ncd"),
            models.Index(*_up("p_value", "id"), include=_STATE, name="idx_anomalies_walk_p"),
            models.Index(
                *_up("pattern", "status", "timestamp", "id", collation="POSIX"),
                name="idx_anomalies_walk_pattern",
            ),
            models.Index(
                *_up("source", "status", "timestamp", "id", collation="POSIX"),
                name="idx_anomalies_walk_source",
            ),
            # Whose it is, and what sleeps: few rows, so that what arrives pays for neither.
            models.Index(
                fields=["assigned_to", "status", "-timestamp", "-id"],
                name="idx_anomalies_assigned",
                condition=Q(assigned_to__isnull=False),
            ),
            models.Index(
                fields=["stream_type", "snoozed_at"],
                name="idx_anomalies_snoozed",
                condition=Q(snoozed_at__isnull=False),
            ),
            # The desk's search box.
            GinIndex(search_document(), name="idx_anomalies_words"),
            # The newest decisions: how long they took.
            models.Index(
                Coalesce("acknowledged_at", "dismissed_at").desc(),
                name="idx_anomalies_decided",
                condition=Q(acknowledged_at__isnull=False) | Q(dismissed_at__isnull=False),
            ),
            models.Index(
                F("pattern"),
                Coalesce("acknowledged_at", "dismissed_at").desc(),
                name="idx_anomalies_pattern_decided",
                condition=Q(acknowledged_at__isnull=False) | Q(dismissed_at__isnull=False),
            ),
        ]

    # Whose it is and whether it sleeps: the business of this desk, not of whoever reads an anomaly.
    ASSIGNMENT = ("assigned_to", "assigned_by", "assigned_at")
    SNOOZE = ("snoozed_until", "snooze_ncd_above", "snooze_more", "snoozed_by", "snoozed_at")

    def __str__(self) -> str:
        return f"{self.get_stream_type_display()} {self.timestamp:%Y-%m-%d %H:%M:%S %Z}"

    @property
    def owner_team(self) -> str | None:
        """The name of the team that it is assigned to; None for a person, and for nobody."""
        assignee = self.assigned_to or ""
        return assignee.removeprefix(TEAM_SIGN) if assignee.startswith(TEAM_SIGN) else None
