"""Changes made to a row since a form was opened, for a form submitted with an outdated version.

A row's ``version`` shows that it changed; the audit log shows the columns, the user and the time. A page
stores the id of the last entry about the row, read in the same statement as the row, so the reader's state
is known exactly. Versions alone would not do: an UPDATE without a change raises the version and writes no
entry.
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

MOST = 1_000  # entries shown of one row's changes, the most recent ones


def with_last_entry(rows: QuerySet[Any], resource_type: str) -> QuerySet[Any]:
    """The same rows, each annotated with ``last_entry``: the id of the last entry about it, or None."""
    # "+ 0" keeps PostgreSQL from walking the key backwards through other rows' entries.
    last = entries(resource_type, OuterRef("pk")).order_by().values("resource_type")
    number = Subquery(last.annotate(last=Max(F("id") + 0)).values("last"))
    annotated: QuerySet[Any] = rows.annotate(last_entry=number)
    return annotated


def entries_since(resource_type: str, key: Any, seen: int | None, versions: int) -> list[Entry]:
    """The changes of a row after the entry ``seen``, newest first; without ``seen`` the last ``versions``."""
    found = entries(resource_type, key).order_by("-id")
    if seen is None:
        return entries_of(found[: min(max(versions, 0), MOST)])
    return entries_of(found.filter(id__gt=seen)[:MOST])


def latest(anomaly_ids: Collection[UUID]) -> dict[UUID, Entry]:
    """The last entry about each of these anomalies, by its id; anomalies without an entry are absent."""
    rows = AuditLog.objects.filter(resource_type="anomaly", resource_id__in=anomaly_ids)
    last = rows.order_by("resource_id", "-id").distinct("resource_id")
    keys = dict(last.values_list("id", "resource_id"))
    found = entries_of(AuditLog.objects.filter(id__in=list(keys)))
    return {key: entry for entry in found if (key := keys[entry.id]) is not None}


def differences(changes: list[Entry]) -> dict[str, tuple[Any, Any]]:
    """The (before, after) values of each changed column over ``changes``, which come newest first."""
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
    """True if this user created such a row in this batch: the same form was submitted twice."""
    made = AuditLog.objects.filter(resource_type=resource_type, action="create", username=username)
    return made.filter(metadata__batch=str(batch)).exists()
