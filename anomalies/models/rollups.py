"""The roll-up tables: counts by hour, in all, by tag and by pattern, which triggers and functions write."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from anomalies.fields import (
    NumericField,
)

from .choices import OPEN, Status


class RolledUp(models.Model):
    """Figures of some anomalies: their number and the exact sums of NCD and p."""

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
    """The change of one hour by one write, until it is folded. Triggers append it.

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
    """The number of anomalies of a stream and status that have a tag."""

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
    """The change of one tag by one write, until it is folded. Triggers append it.

    Without a tag it says that rows from before the roll-up are not counted yet.
    """

    id = models.BigAutoField(primary_key=True)
    tag = models.CharField(max_length=CountedTag.LONGEST, null=True)

    class Meta(CountedTag.Meta):
        db_table = "anomaly_tag_deltas"
        # What is not folded of one tag, and whether the roll-up is still being built.
        indexes: ClassVar = [models.Index(fields=["tag"], name="idx_tag_deltas_tag")]


class CountedPattern(models.Model):
    """The number of anomalies of a pattern, by status, and the times of the first and the last one."""

    first_seen = models.DateTimeField(null=True)
    last_seen = models.DateTimeField(null=True)
    pending = models.BigIntegerField()
    acknowledged = models.BigIntegerField()
    dismissed = models.BigIntegerField()
    investigating = models.BigIntegerField()

    class Meta:
        abstract = True
        default_permissions: ClassVar = ()


class PatternQuerySet(models.QuerySet["Pattern"]):
    """Patterns by the anomalies that they have."""

    def with_anomalies(self) -> PatternQuerySet:
        """Those with any: a pattern stays where all of its anomalies were deleted."""
        return self.exclude(**dict.fromkeys(Status.values, 0))

    def open(self, wanted: bool) -> PatternQuerySet:
        """Those with undecided anomalies, or all others."""
        none = {status.value: 0 for status in OPEN}
        return self.exclude(**none) if wanted else self.filter(**none)


class Pattern(CountedPattern):
    """The masked text that anomalies of one stream and source have in common.

    ``key`` is a hash of ``algorithm``, stream, source and template, the same in every database. The counts
    are as far as folded. Functions of the database write it.
    """

    key = models.UUIDField(primary_key=True, editable=False)
    stream_type = models.CharField(max_length=50)
    source = models.CharField(max_length=255)
    template = models.TextField()
    algorithm = models.SmallIntegerField()

    objects = PatternQuerySet.as_manager()

    class Meta(CountedPattern.Meta):
        db_table = "anomaly_patterns"

    def __str__(self) -> str:
        return self.template


class PatternDelta(CountedPattern):
    """The change of one pattern by one write, until it is folded. Triggers append it.

    It describes the pattern where that was not folded yet.
    """

    id = models.BigAutoField(primary_key=True)
    pattern = models.UUIDField()
    stream_type = models.CharField(max_length=50, null=True)
    source = models.CharField(max_length=255, null=True)
    template = models.TextField(null=True)
    algorithm = models.SmallIntegerField(null=True)

    class Meta(CountedPattern.Meta):
        db_table = "anomaly_pattern_deltas"
        indexes: ClassVar = [models.Index(fields=["pattern"], name="idx_pattern_deltas_pattern")]

    def __str__(self) -> str:
        return f"change of {self.pattern}"
