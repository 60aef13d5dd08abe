"""The table ``detection_config``: a column for each number of ``detection.parameters.Thresholds``."""

from __future__ import annotations

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from anomalies.detection.parameters import NAMES, SHARES, Thresholds, problem
from anomalies.fields import (
    Now,
    SerialField,
)
from anomalies.json_column import JSONColumn, Unreadable

from .choices import Stream
from .constraints import between_0_and_1, positive

DEFAULTS = Thresholds()


def override_problems(overrides: object) -> list[str]:
    """Return what is wrong with a ``stream_overrides`` value, a sentence each; [] for a valid one."""
    if overrides is None:
        return []
    if isinstance(overrides, Unreadable):
        return [f"It {overrides.reason}."]
    if not isinstance(overrides, dict):
        return ['It must be an object: {"logs": {"ncd_threshold": 0.6}}.']
    return [problem for stream, values in overrides.items() for problem in _stream_problems(stream, values)]


def _stream_problems(stream: str, values: object) -> list[str]:
    if stream not in Stream.values:
        return [f"{stream!r} is not a stream; use {', '.join(Stream.values)}."]
    if not isinstance(values, dict):
        return [f"{stream}: must be an object of thresholds."]
    return [f"{stream}.{key}: {words}." for key, value in values.items() if (words := problem(key, value))]


class DetectionConfig(models.Model):
    """The thresholds of a detector. Exactly one row is active."""

    id = SerialField(primary_key=True)
    ncd_threshold = models.FloatField(
        _("novelty threshold"),
        db_default=DEFAULTS.ncd_threshold,
        default=DEFAULTS.ncd_threshold,
        help_text=_(
            "Column ncd_threshold: from 0 to 1, the novelty from which a window is flagged; "
            "the NCD where a detector reports no novelty."
        ),
    )
    p_value_threshold = models.FloatField(
        _("p-value threshold"),
        db_default=DEFAULTS.p_value_threshold,
        default=DEFAULTS.p_value_threshold,
        help_text=_("From 0 to 1: a window is flagged if its p-value is below."),
    )
    baseline_size = models.IntegerField(
        db_default=DEFAULTS.baseline_size, default=DEFAULTS.baseline_size, help_text=_("Events.")
    )
    window_size = models.IntegerField(
        db_default=DEFAULTS.window_size, default=DEFAULTS.window_size, help_text=_("Events.")
    )
    hop_size = models.IntegerField(
        db_default=DEFAULTS.hop_size,
        default=DEFAULTS.hop_size,
        help_text=_("Events from the start of one window to the start of the next."),
    )
    stream_overrides = JSONColumn(
        null=True,
        blank=True,
        default=dict,
        db_default={},
        help_text=_('Per stream, the same keys as above: {"logs": {"ncd_threshold": 0.6}}'),
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    created_by = models.CharField(max_length=255, db_default="system", editable=False)
    notes = models.TextField(null=True, blank=True)
    is_active = models.BooleanField(_("active"), db_default=False, editable=False)
    # Ours
    version = models.BigIntegerField(db_default=1, editable=False)  # a trigger counts every UPDATE

    class Meta:
        db_table = "detection_config"
        verbose_name = _("detection config")
        default_permissions = ("view", "add", "change")
        permissions: ClassVar = [("activate_detectionconfig", "Can activate a detection config")]
        constraints: ClassVar = [
            *((between_0_and_1 if name in SHARES else positive)(name, "detection_config") for name in NAMES),
            models.UniqueConstraint(
                fields=["is_active"], condition=Q(is_active=True), name="idx_detection_config_active"
            ),
        ]

    def __str__(self) -> str:
        return gettext("config %(number)s") % {"number": self.pk}

    def clean(self) -> None:
        problems = override_problems(self.stream_overrides)
        if problems:
            raise ValidationError({"stream_overrides": problems})
