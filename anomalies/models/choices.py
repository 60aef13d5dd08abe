"""The values that the contract allows in its text columns."""

from __future__ import annotations

from django.db import models


class Stream(models.TextChoices):
    """The kind of a stream."""

    LOGS = "logs", "logs"
    METRICS = "metrics", "metrics"
    TRACES = "traces", "traces"
    LLM = "llm", "LLM"


class Status(models.TextChoices):
    """The state of the decision about an anomaly; ``triage.decisions.MOVES`` has the transitions."""

    PENDING = "pending", "pending"
    ACKNOWLEDGED = "acknowledged", "acknowledged"
    DISMISSED = "dismissed", "dismissed"
    INVESTIGATING = "investigating", "investigating"


OPEN = (Status.PENDING, Status.INVESTIGATING)  # undecided


class DismissalReason(models.TextChoices):
    """The reason of a dismissal."""

    FALSE_POSITIVE = "false_positive", "false positive"
    KNOWN_HARMLESS = "known_harmless", "known and harmless"
    DUPLICATE = "duplicate", "duplicate"
    OTHER = "other", "other"
