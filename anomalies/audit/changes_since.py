"""What changed since somebody looked, for whoever comes back with an older version of a row.

A row's ``version`` says that it changed; the record says what, by whom and when. A page keeps the record's
last entry about the row that it shows, read in the same statement: what was seen is then known exactly,
though an UPDATE that changes nothing counts a version and leaves no entry.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, Max, OuterRef, QuerySet, Subquery
from django.db.models.fields.json import KeyTextTransform
from django.utils import timezone

from anomalies.models import AuditLog

from .history import Entry, entries, entries_of

MOST = 1_000  # entries; who was away for more changes of one row sees the last of them


def with_last_entry(rows: QuerySet[Any], resource_type: str) -> QuerySet[Any]:
    """The same rows, each with ``last_entry``: the number of the record's last entry about it, or None."""
    # "+ 0" keeps PostgreSQL from walking the key backwards through other rows' entries.
    last = entries(resource_type, OuterRef("pk")).order_by().values("resource_type")
    number = Subquery(last.annotate(last=Max(F("id") + 0)).values("last"))
    annotated: QuerySet[Any] = rows.annotate(last_entry=number)
    return annotated


def entries_since(resource_type: str, key: Any, seen: int | None, versions: int) -> list[Entry]:
    """The changes of a row after the entry ``seen``, the last first; without it as many as its versions."""
    told = entries(resource_type, key).order_by("-id")
    if seen is None:
        return entries_of(told[: min(max(versions, 0), MOST)])
    return entries_of(told.filter(id__gt=seen)[:MOST])


def latest(anomaly_ids: Collection[UUID]) -> dict[UUID, Entry]:
    """The last change of each of these anomalies that has one on record."""
    rows = AuditLog.objects.filter(resource_type="anomaly", resource_id__in=anomaly_ids)
    last = rows.order_by("resource_id", "-id").distinct("resource_id")
    keys = dict(last.values_list("id", "resource_id"))
    told = entries_of(AuditLog.objects.filter(id__in=list(keys)))
    return {key: entry for entry in told if (key := keys[entry.id]) is not None}


def differences(changes: list[Entry]) -> dict[str, tuple[Any, Any]]:
    """Column by column what it was before these changes (the last first), and what it is after them."""
    found: dict[str, tuple[Any, Any]] = {}
    for entry in changes:
        for name, (before, after) in entry.values.items():
            found[name] = (before, found[name][1] if name in found else after)
    return {name: pair for name, pair in found.items() if pair[0] != pair[1]}


def was_stored(batch: UUID) -> bool:
    """True if the audit log has an entry of this batch: a form's change was committed.

    Entries about anomalies are found by their index, others among those of the last hour.
    """
    entries = AuditLog.objects.annotate(of=KeyTextTransform("batch", "metadata")).filter(of=str(batch))
    about_anomalies = entries.filter(resource_type="anomaly", resource_id__isnull=False)
    recent = entries.filter(timestamp__gte=timezone.now() - timedelta(hours=1))
    return about_anomalies.exists() or recent.exists()


def is_made(resource_type: str, batch: UUID, username: str) -> bool:
    """Whether this person made one of these in this batch: the same form, come twice."""
    made = AuditLog.objects.filter(resource_type=resource_type, action="create", username=username)
    return made.filter(metadata__batch=str(batch)).exists()
