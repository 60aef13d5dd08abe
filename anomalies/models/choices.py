"""The values that the contract allows in its text columns."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Stream(models.TextChoices):
    """The kind of a stream."""

    LOGS = "logs", _("logs")
    METRICS = "metrics", _("metrics")
    TRACES = "traces", _("traces")
    LLM = "llm", "LLM"


class Status(models.TextChoices):
    """The state of the decision about an anomaly; ``triage.decisions.MOVES`` has the transitions."""

    PENDING = "pending", _("pending")
    ACKNOWLEDGED = "acknowledged", _("acknowledged")
    DISMISSED = "dismissed", _("dismissed")
    INVESTIGATING = "investigating", _("investigating")


OPEN = (Status.PENDING, Status.INVESTIGATING)  # undecided


class DismissalReason(models.TextChoices):
    """The reason of a dismissal."""

    FALSE_POSITIVE = "false_positive", _("false positive")
    KNOWN_HARMLESS = "known_harmless", _("known and harmless")
    DUPLICATE = "duplicate", _("duplicate")
    OTHER = "other", _("other")
