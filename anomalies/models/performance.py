"""The table ``performance_metrics``: how long requests and jobs took."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from anomalies.fields import (
    BigSerialField,
    Index,
    Now,
)
from anomalies.json_column import JSONColumn


class PerformanceMetric(models.Model):
    """The duration of a request or a job; for a detection also the number of windows tested."""

    id = BigSerialField(primary_key=True)
    timestamp = models.DateTimeField(db_default=Now())
    metric_type = models.CharField(max_length=50)
    endpoint = models.CharField(max_length=255, null=True, blank=True)
    duration_ms = models.IntegerField(_("duration (ms)"))
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
