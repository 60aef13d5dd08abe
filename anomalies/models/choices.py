"""The values that the contract allows in its text columns."""

from __future__ import annotations

from django.db import models


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
