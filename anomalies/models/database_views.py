"""The views of the contract, as models that are read and never written."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from .choices import Status, Stream


class RecentSignificantAnomaly(models.Model):
    """The view ``recent_significant_anomalies``: the 100 newest significant ones."""

    id = models.UUIDField(primary_key=True)
    timestamp = models.DateTimeField()
    stream_type = models.CharField(_("stream"), max_length=50, choices=Stream.choices)
    ncd_score = models.FloatField(_("NCD"))
    p_value = models.FloatField(_("p-value"))
    status = models.CharField(max_length=20, choices=Status.choices)
    glass_box_explanation = models.TextField(_("explanation"))
    compression_ratio_change = models.FloatField(_("change"), null=True)
    tags = ArrayField(models.TextField(), null=True)
    created_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "recent_significant_anomalies"
        verbose_name_plural = _("recent significant anomalies")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.get_stream_type_display()} {self.timestamp:%Y-%m-%d %H:%M:%S %Z}"


class StreamFigures(models.Model):
    """One row per stream: what was found, and what was decided."""

    stream_type = models.CharField(_("stream"), max_length=50, primary_key=True, choices=Stream.choices)
    total_anomalies = models.BigIntegerField(_("total"))
    significant_anomalies = models.BigIntegerField(_("significant"))
    avg_ncd_score = models.FloatField(_("average NCD"))
    avg_p_value = models.FloatField(_("average p-value"))
    pending_count = models.BigIntegerField(_("pending"))
    acknowledged_count = models.BigIntegerField(_("acknowledged"))
    dismissed_count = models.BigIntegerField(_("dismissed"))
    investigating_count = models.BigIntegerField(_("investigating"))

    class Meta:
        abstract = True
        managed = False

    def __str__(self) -> str:
        return self.get_stream_type_display()


class StreamStatistics(StreamFigures):
    """The view ``anomaly_stats_by_stream``, which reads the table."""

    class Meta(StreamFigures.Meta):
        db_table = "anomaly_stats_by_stream"
        verbose_name = verbose_name_plural = _("statistics by stream")
        default_permissions = ("view",)


class StreamStatisticsNow(StreamFigures):
    """The view ``anomaly_stats_by_stream_now``: the same from the roll-up."""

    class Meta(StreamFigures.Meta):
        db_table = "anomaly_stats_by_stream_now"
        default_permissions: ClassVar = ()
