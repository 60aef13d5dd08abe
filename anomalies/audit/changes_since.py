"""What changed since a page was read, for a form that comes back with an older version of a row.

A row's ``version`` says that it changed; the audit log says what, by whom and when. A page keeps the id of
the last entry about the row that it shows, read in the same statement: what the reader saw is then known
exactly, though an UPDATE that changes nothing counts a version and leaves no entry.
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

MOST = 1_000  # entries; of more changes of one row the last ones are shown


def with_last_entry(rows: QuerySet[Any], resource_type: str) -> QuerySet[Any]:
    """The same rows, each with ``last_entry``: the id of the last entry about it, or None."""
    # "+ 0" keeps PostgreSQL from walking the key backwards through other rows' entries.
    last = entries(resource_type, OuterRef("pk")).order_by().values("resource_type")
    number = Subquery(last.annotate(last=Max(F("id") + 0)).values("last"))
    annotated: QuerySet[Any] = rows.annotate(last_entry=number)
    return annotated


def entries_since(resource_type: str, key: Any, seen: int | None, versions: int) -> list[Entry]:
    """The changes of a row after the entry ``seen``, the last first; without it as many as its versions."""
    found = entries(resource_type, key).order_by("-id")
    if seen is None:
        return entries_of(found[: min(max(versions, 0), MOST)])
    return entries_of(found.filter(id__gt=seen)[:MOST])


def latest(anomaly_ids: Collection[UUID]) -> dict[UUID, Entry]:
    """The last entry about each of these anomalies that has one."""
    rows = AuditLog.objects.filter(resource_type="anomaly", resource_id__in=anomaly_ids)
    last = rows.order_by("resource_id", "-id").distinct("resource_id")
    keys = dict(last.values_list("id", "resource_id"))
    found = entries_of(AuditLog.objects.filter(id__in=list(keys)))
    return {key: entry for entry in found if (key := keys[entry.id]) is not None}


def differences(changes: list[Entry]) -> dict[str, tuple[Any, Any]]:
    """Column by column the value before these changes (the last first) and the value after them."""
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
    """Whether this person made one of these in this batch: the same form, sent twice."""
    made = AuditLog.objects.filter(resource_type=resource_type, action="create", username=username)
    return made.filter(metadata__batch=str(batch)).exists()
