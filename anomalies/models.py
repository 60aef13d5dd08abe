"""The tables, as docs/schema.md promises them to other programs.

Names and types up to a model's ``# Ours`` are the contract; what is below is nullable or has a default in
the database, so that an INSERT which knows only the contract goes on working.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce

from anomalies.fields import (
    BigSerialField,
    EmptyArray,
    Index,
    MultirangeField,
    Now,
    NumericField,
    RandomUUID,
    SerialField,
)
from anomalies.json_column import JSONColumn, Unreadable
from anomalies.querysets import AnomalyQuerySet, search_document


class Stream(models.TextChoices):
    """What kind of stream a detector watches."""

    LOGS = "logs", "logs"
    METRICS = "metrics", "metrics"
    TRACES = "traces", "traces"
    LLM = "llm", "LLM"


class Status(models.TextChoices):
    """Where the decision about an anomaly stands; ``transitions`` says what may follow what."""

    PENDING = "pending", "pending"
    ACKNOWLEDGED = "acknowledged", "acknowledged"
    DISMISSED = "dismissed", "dismissed"
    INVESTIGATING = "investigating", "investigating"


class DismissalReason(models.TextChoices):
    """Why an anomaly is none."""

    FALSE_POSITIVE = "false_positive", "false positive"
    KNOWN_HARMLESS = "known_harmless", "known and harmless"
    DUPLICATE = "duplicate", "duplicate"
    OTHER = "other", "other"


def _between_0_and_1(column: str, table: str) -> models.CheckConstraint:
    within = Q(**{f"{column}__gte": 0.0, f"{column}__lte": 1.0})
    return models.CheckConstraint(condition=within, name=f"{table}_{column}_check")


def _positive(column: str, table: str) -> models.CheckConstraint:
    return models.CheckConstraint(condition=Q(**{f"{column}__gt": 0}), name=f"{table}_{column}_check")


def _one_of(column: str, choices: type[models.TextChoices], table: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        condition=Q(**{f"{column}__in": choices.values}), name=f"{table}_{column}_check"
    )


# What a list's margins count by; an index that holds it saves a look at ten thousand rows.
_COUNTED = ("status", "stream_type", "is_statistically_significant")


class Anomaly(models.Model):
    """One window of a stream that a detector flagged, and what was decided about it."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    timestamp = models.DateTimeField(help_text="When the window happened.")
    stream_type = models.CharField("stream", max_length=50, choices=Stream.choices)
    ncd_score = models.FloatField("NCD", help_text="Normalized compression distance, 0 to 1.")
    p_value = models.FloatField("p-value", help_text="0 to 1.")
    status = models.CharField(max_length=20, choices=Status.choices, db_default=Status.PENDING)
    glass_box_explanation = models.TextField("explanation")
    detailed_explanation = models.TextField(null=True, blank=True)
    compression_baseline = models.FloatField(help_text="Compressed / raw size of the baseline.")
    compression_window = models.FloatField(help_text="Compressed / raw size of the window.")
    compression_combined = models.FloatField(help_text="Compressed / raw size of both together.")
    compression_ratio_change = models.FloatField(
        "change", null=True, blank=True, help_text="Percent: (window - baseline) / baseline × 100."
    )
    baseline_entropy = models.FloatField(null=True, blank=True, help_text="Bits per byte.")
    window_entropy = models.FloatField(null=True, blank=True, help_text="Bits per byte.")
    entropy_change = models.FloatField(null=True, blank=True, help_text="Bits per byte: window - baseline.")
    confidence_level = models.FloatField("confidence", help_text="0 to 1: 1 - p.")
    is_statistically_significant = models.BooleanField("significant", db_default=False)
    baseline_data = JSONColumn("baseline", null=True, blank=True)
    window_data = JSONColumn("window", null=True, blank=True)
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
        help_text="0 to 1: the share of the newest line that its stream had not shown in that place.",
    )
    dismissal_reason = models.CharField(max_length=20, null=True, blank=True, choices=DismissalReason.choices)
    investigating_by = models.CharField(max_length=255, null=True, blank=True)
    investigating_at = models.DateTimeField(null=True, blank=True)
    version = models.BigIntegerField(db_default=1, editable=False)  # a trigger counts every UPDATE
    assigned_to = models.CharField(max_length=255, null=True, blank=True)
    assigned_by = models.CharField(max_length=255, null=True, blank=True)
    assigned_at = models.DateTimeField(null=True, blank=True)
    snoozed_until = models.DateTimeField(null=True, blank=True)
    snooze_ncd_above = models.FloatField("snoozed until NCD above", null=True, blank=True)
    snooze_more = models.IntegerField("snoozed until so many more in 24 h", null=True, blank=True)
    snoozed_by = models.CharField(max_length=255, null=True, blank=True)
    snoozed_at = models.DateTimeField(null=True, blank=True)

    objects = AnomalyQuerySet.as_manager()

    class Meta:
        db_table = "anomalies"
        verbose_name_plural = "anomalies"
        default_permissions = ("view",)
        permissions: ClassVar = [("decide_anomaly", "Can decide about anomalies")]
        constraints: ClassVar = [
            _one_of("stream_type", Stream, "anomalies"),
            _between_0_and_1("ncd_score", "anomalies"),
            _between_0_and_1("p_value", "anomalies"),
            _one_of("status", Status, "anomalies"),
            _between_0_and_1("confidence_level", "anomalies"),
            _one_of("dismissal_reason", DismissalReason, "anomalies"),
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
            # Ours. The desk's list, newest first, of one status or one stream.
            models.Index(fields=["status", "-timestamp", "-id"], name="idx_anomalies_status_time"),
            models.Index(fields=["stream_type", "-timestamp", "-id"], name="idx_anomalies_stream_time"),
            # Sorted by, with an order among rows of the same value: many have the least p there is; and
            # counted by status and stream without a look at the rows.
            models.Index(fields=["-ncd_score", "-id"], include=_COUNTED, name="idx_anomalies_by_ncd"),
            models.Index(fields=["p_value", "id"], include=_COUNTED, name="idx_anomalies_by_p"),
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
            GinIndex(search_document(), name="idx_anomalies_search"),
            # The newest decisions: how long they took.
            models.Index(
                Coalesce("acknowledged_at", "dismissed_at").desc(),
                name="idx_anomalies_decided",
                condition=Q(acknowledged_at__isnull=False) | Q(dismissed_at__isnull=False),
            ),
        ]

    # Whose it is and whether it sleeps: the business of this desk, not of whoever reads an anomaly.
    ASSIGNMENT = ("assigned_to", "assigned_by", "assigned_at")
    SNOOZE = ("snoozed_until", "snooze_ncd_above", "snooze_more", "snoozed_by", "snoozed_at")

    def __str__(self) -> str:
        return f"{self.get_stream_type_display()} {self.timestamp:%Y-%m-%d %H:%M:%S %Z}"


def override_problems(overrides: object) -> list[str]:
    """What is wrong with a ``stream_overrides`` value, each in one sentence; nothing for a good one."""
    if overrides is None:
        return []
    if isinstance(overrides, Unreadable):
        return [f"It {overrides.reason}."]
    if not isinstance(overrides, dict):
        return ['It must be an object: {"logs": {"ncd_threshold": 0.6}}.']
    return [problem for stream, values in overrides.items() for problem in _stream_problems(stream, values)]


def _stream_problems(stream: str, values: object) -> list[str]:
    if stream not in Stream.values:
        return [f"{stream!r} is no stream; there are {', '.join(Stream.values)}."]
    if not isinstance(values, dict):
        return [f"{stream}: must be an object of thresholds."]
    return [f"{stream}.{key}: {words}" for key, value in values.items() if (words := _misfit(key, value))]


def _misfit(key: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "must be a number."
    if key in ("ncd_threshold", "p_value_threshold"):
        return "" if 0 <= value <= 1 else "must be from 0 to 1."
    if key in ("baseline_size", "window_size", "hop_size"):
        return "" if isinstance(value, int) and 0 < value < 2**31 else "must be a whole number above 0."
    return (
        "is no threshold; there are ncd_threshold, p_value_threshold, baseline_size, window_size, hop_size."
    )


class DetectionConfig(models.Model):
    """Thresholds that a detector works by. Exactly one row is active."""

    id = SerialField(primary_key=True)
    ncd_threshold = models.FloatField("NCD threshold", db_default=0.5, default=0.5)
    p_value_threshold = models.FloatField("p-value threshold", db_default=0.05, default=0.05)
    baseline_size = models.IntegerField(db_default=100, default=100, help_text="Events.")
    window_size = models.IntegerField(db_default=10, default=10, help_text="Events.")
    hop_size = models.IntegerField(
        db_default=1, default=1, help_text="Events from the start of one window to the start of the next."
    )
    stream_overrides = JSONColumn(
        null=True,
        blank=True,
        default=dict,
        db_default={},
        help_text='Per stream, the same keys as above: {"logs": {"ncd_threshold": 0.6}}',
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    created_by = models.CharField(max_length=255, db_default="system", editable=False)
    notes = models.TextField(null=True, blank=True)
    is_active = models.BooleanField("active", db_default=False, editable=False)
    # Ours
    version = models.BigIntegerField(db_default=1, editable=False)  # a trigger counts every UPDATE

    class Meta:
        db_table = "detection_config"
        verbose_name = "detection config"
        default_permissions = ("view", "add", "change")
        permissions: ClassVar = [("activate_detectionconfig", "Can activate a detection config")]
        constraints: ClassVar = [
            _between_0_and_1("ncd_threshold", "detection_config"),
            _between_0_and_1("p_value_threshold", "detection_config"),
            _positive("baseline_size", "detection_config"),
            _positive("window_size", "detection_config"),
            _positive("hop_size", "detection_config"),
            models.UniqueConstraint(
                fields=["is_active"], condition=Q(is_active=True), name="idx_detection_config_active"
            ),
        ]

    def __str__(self) -> str:
        return f"config {self.pk}"

    def clean(self) -> None:
        problems = override_problems(self.stream_overrides)
        if problems:
            raise ValidationError({"stream_overrides": problems})


class PerformanceMetric(models.Model):
    """How long a request or a job took; a detection's row also says how many windows it tested."""

    id = BigSerialField(primary_key=True)
    timestamp = models.DateTimeField(db_default=Now())
    metric_type = models.CharField(max_length=50)
    endpoint = models.CharField(max_length=255, null=True, blank=True)
    duration_ms = models.IntegerField("duration (ms)")
    success = models.BooleanField(db_default=True)
    error_message = models.TextField(null=True, blank=True)
    metadata = JSONColumn(null=True, blank=True, db_default={})

    class Meta:
        db_table = "performance_metrics"
        default_permissions = ("view",)
        indexes: ClassVar = [
            Index(fields=["-timestamp"], name="idx_performance_metrics_timestamp"),
            Index(fields=["endpoint"], name="idx_performance_metrics_endpoint"),
            Index(fields=["metric_type"], name="idx_performance_metrics_metric_type"),
        ]

    def __str__(self) -> str:
        return f"{self.metric_type} {self.endpoint or ''}".strip()


class AuditLog(models.Model):
    """Who changed what, when, from where. Triggers write it; nothing in Python does."""

    id = BigSerialField(primary_key=True)
    timestamp = models.DateTimeField(db_default=Now())
    username = models.CharField(max_length=255)
    ip_address = models.GenericIPAddressField("address", null=True, blank=True)
    action = models.CharField(max_length=50)
    resource_type = models.CharField("resource", max_length=50)
    resource_id = models.UUIDField(null=True, blank=True)
    old_values = JSONColumn(null=True, blank=True)
    new_values = JSONColumn(null=True, blank=True)
    metadata = JSONColumn(null=True, blank=True, db_default={})

    class Meta:
        db_table = "audit_log"
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        default_permissions = ("view",)
        indexes: ClassVar = [
            models.Index(fields=["-timestamp"], name="idx_audit_log_timestamp"),
            models.Index(fields=["username"], name="idx_audit_log_username"),
            models.Index(fields=["resource_type", "resource_id"], name="idx_audit_log_resource"),
            models.Index(fields=["action"], name="idx_audit_log_action"),
            # Ours. What one decision did, for its undo.
            models.Index(
                KeyTextTransform("batch", "metadata"),
                "id",
                condition=Q(resource_type="anomaly", resource_id__isnull=False),
                name="idx_audit_log_batch",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.username}: {self.action} {self.resource_type}"


class AuditSeal(models.Model):
    """A signed statement about some entries of the record; ``audit.sealing`` says what is in it."""

    number = models.BigIntegerField(primary_key=True)
    made_at = models.DateTimeField()
    ids = MultirangeField()
    rows = models.BigIntegerField()
    settled = models.BigIntegerField()
    seen = models.TextField()
    digest = models.CharField(max_length=64)
    row_hashes = models.BinaryField()
    guard = models.CharField(max_length=64)
    former = models.CharField(max_length=64)
    key = models.CharField(max_length=16)
    signature = models.CharField(max_length=128)
    head = models.CharField(max_length=64)

    class Meta:
        db_table = "audit_seals"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"seal {self.number}"


class SavedFilter(models.Model):
    """A filter of the list under a name: its owner's, or for everybody."""

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="saved_filters")
    name = models.CharField(max_length=80)
    query = models.TextField()
    shared = models.BooleanField(default=False, db_default=False)

    class Meta:
        db_table = "saved_filters"
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "name"], name="saved_filters_owner_name")
        ]

    def __str__(self) -> str:
        return self.name


class StartPage(models.Model):
    """The saved filter that somebody begins with."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="start_page"
    )
    filter = models.ForeignKey(SavedFilter, models.CASCADE, related_name="+")

    class Meta:
        db_table = "start_pages"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user}: {self.filter}"


class BulkSet(models.Model):
    """A decision about many, and how far it is; ``triage.frozen_selection`` makes and runs it."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)  # the decision's batch
    created_at = models.DateTimeField(db_default=Now())
    owner = models.CharField(max_length=255)
    action = models.CharField(max_length=50)
    words = models.TextField()  # the filter, as people say it
    query = models.TextField(db_default="")  # and as the list's address has it
    rows = models.IntegerField(db_default=0)
    is_capped = models.BooleanField(db_default=False)  # whether more match than are in it
    reason = models.CharField(max_length=20, null=True, blank=True)
    note = models.TextField(db_default="")
    started_at = models.DateTimeField(null=True, blank=True)
    done_to = models.IntegerField(db_default=0)  # the position up to which it is done
    decided = models.IntegerField(db_default=0)

    class Meta:
        db_table = "bulk_sets"
        default_permissions = ()
        indexes: ClassVar = [models.Index(fields=["created_at"], name="idx_bulk_sets_created_at")]

    def __str__(self) -> str:
        return f"{self.action} {self.words}"


class BulkRow(models.Model):
    """An anomaly of such a set, with the version at which it was shown. Positions begin at 1."""

    pk = models.CompositePrimaryKey("set_id", "position")
    set_id = models.UUIDField()
    position = models.IntegerField()
    anomaly_id = models.UUIDField()
    version = models.BigIntegerField()

    class Meta:
        db_table = "bulk_rows"
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.anomaly_id)


class RecentSignificantAnomaly(models.Model):
    """The view ``recent_significant_anomalies``: the 100 newest significant ones."""

    id = models.UUIDField(primary_key=True)
    timestamp = models.DateTimeField()
    stream_type = models.CharField("stream", max_length=50, choices=Stream.choices)
    ncd_score = models.FloatField("NCD")
    p_value = models.FloatField("p-value")
    status = models.CharField(max_length=20, choices=Status.choices)
    glass_box_explanation = models.TextField("explanation")
    compression_ratio_change = models.FloatField("change", null=True)
    tags = ArrayField(models.TextField(), null=True)
    created_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "recent_significant_anomalies"
        verbose_name_plural = "recent significant anomalies"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.get_stream_type_display()} {self.timestamp:%Y-%m-%d %H:%M:%S %Z}"


class StreamFigures(models.Model):
    """One row per stream: what was found, and what was decided."""

    stream_type = models.CharField("stream", max_length=50, primary_key=True, choices=Stream.choices)
    total_anomalies = models.BigIntegerField("total")
    significant_anomalies = models.BigIntegerField("significant")
    avg_ncd_score = models.FloatField("average NCD")
    avg_p_value = models.FloatField("average p-value")
    pending_count = models.BigIntegerField("pending")
    acknowledged_count = models.BigIntegerField("acknowledged")
    dismissed_count = models.BigIntegerField("dismissed")
    investigating_count = models.BigIntegerField("investigating")

    class Meta:
        abstract = True
        managed = False

    def __str__(self) -> str:
        return self.get_stream_type_display()


class StreamStatistics(StreamFigures):
    """The view ``anomaly_stats_by_stream``, which reads the table."""

    class Meta(StreamFigures.Meta):
        db_table = "anomaly_stats_by_stream"
        verbose_name = verbose_name_plural = "statistics by stream"
        default_permissions = ("view",)


class StreamStatisticsNow(StreamFigures):
    """The view ``anomaly_stats_by_stream_now``: the same from the roll-up."""

    class Meta(StreamFigures.Meta):
        db_table = "anomaly_stats_by_stream_now"
        default_permissions: ClassVar = ()


class RolledUp(models.Model):
    """What the roll-up knows of some anomalies: how many, and the sums of their NCD and p, exact."""

    stream_type = models.CharField(max_length=50)
    status = models.CharField(max_length=20)
    significant = models.BooleanField()
    total = models.BigIntegerField()
    ncd_sum = NumericField()
    p_sum = NumericField()

    class Meta:
        abstract = True
        default_permissions: ClassVar = ()

    def __str__(self) -> str:
        return f"{self.total} {self.stream_type} {self.status}"


class AnomalyHour(RolledUp):
    """The anomalies of one hour (UTC), as far as folded. Functions of the database write it."""

    pk = models.CompositePrimaryKey("hour", "stream_type", "status", "significant")
    hour = models.DateTimeField()

    class Meta(RolledUp.Meta):
        db_table = "anomaly_hours"


class AnomalyTotal(RolledUp):
    """The same over all hours."""

    pk = models.CompositePrimaryKey("stream_type", "status", "significant")

    class Meta(RolledUp.Meta):
        db_table = "anomaly_totals"


class AnomalyHourDelta(RolledUp):
    """What one write changed in one hour, until it is folded. Triggers append it.

    Without an hour it says that rows from before the roll-up are not counted yet.
    """

    id = models.BigAutoField(primary_key=True)
    hour = models.DateTimeField(null=True)

    class Meta(RolledUp.Meta):
        db_table = "anomaly_hour_deltas"
        indexes: ClassVar = [
            # Whether the roll-up is still being built: asked by every list, and empty otherwise.
            models.Index(fields=["id"], name="idx_hour_deltas_unbuilt", condition=Q(hour__isnull=True)),
        ]


class CountedTag(models.Model):
    """How many anomalies of a stream and status have a tag."""

    # A longer tag is not counted (0027).
    LONGEST = 200

    stream_type = models.CharField(max_length=50)
    status = models.CharField(max_length=20)
    total = models.BigIntegerField()

    class Meta:
        abstract = True
        default_permissions: ClassVar = ()

    def __str__(self) -> str:
        return f"{self.total} {self.stream_type} {self.status}"


class TagTotal(CountedTag):
    """As far as folded. Functions of the database write it."""

    pk = models.CompositePrimaryKey("tag", "stream_type", "status")
    tag = models.CharField(max_length=CountedTag.LONGEST)

    class Meta(CountedTag.Meta):
        db_table = "anomaly_tag_totals"


class TagDelta(CountedTag):
    """What one write changed of one tag, until it is folded. Triggers append it.

    Without a tag it says that rows from before the roll-up are not counted yet.
    """

    id = models.BigAutoField(primary_key=True)
    tag = models.CharField(max_length=CountedTag.LONGEST, null=True)

    class Meta(CountedTag.Meta):
        db_table = "anomaly_tag_deltas"
        # What is not folded of one tag, and whether the roll-up is still being built.
        indexes: ClassVar = [models.Index(fields=["tag"], name="idx_tag_deltas_tag")]
