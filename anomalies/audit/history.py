"""The history of one anomaly, read from the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet, TextField
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from anomalies import json_column
from anomalies.models import Anomaly, AuditLog, DismissalReason

# Shown by the entry's own columns, so not again as "changes".
_SAID_BY_THE_ENTRY = frozenset(
    {"status", "dismissal_reason"}
    | {
        f"{decision}_{what}"
        for decision in ("acknowledged", "dismissed", "investigating")
        for what in ("by", "at")
    }
    | {*Anomaly.ASSIGNMENT, *Anomaly.SNOOZE}
)


DONE = {
    "acknowledge": "acknowledged",
    "dismiss": "dismissed",
    "investigate": "taken into investigation",
    "reopen": "reopened",
    "undo": "undone",
    "assign": "assigned",
    "unassign": "assigned to nobody",
    "snooze": "snoozed",
    "wake": "woken",
    "activate": "made active",
    "deactivate": "made inactive",
    "create": "created",
    "import": "imported",
    "delete": "deleted",
}


# From one resource to the next by the index of resources: DISTINCT would read the whole audit log.
_RESOURCE_TYPES = """
    WITH RECURSIVE walk (name, step) AS (
        (SELECT resource_type, 1 FROM audit_log ORDER BY resource_type LIMIT 1)
        UNION ALL
        SELECT (SELECT resource_type FROM audit_log WHERE resource_type > walk.name
                ORDER BY resource_type LIMIT 1), step + 1
        FROM walk WHERE walk.name IS NOT NULL AND step < 50
    )
    SELECT name FROM walk WHERE name IS NOT NULL
"""


def resource_types() -> list[str]:
    """The kinds of things there are entries about, in alphabetical order; 50 at most."""
    with connection.cursor() as cursor:
        cursor.execute(_RESOURCE_TYPES)
        return [name for (name,) in cursor.fetchall()]


def done(action: str, columns: str | None = None) -> str:
    """An action's participle; of a mere change, which columns it was of."""
    return DONE.get(action) or f"{columns or 'notes'} changed"


def done_by(
    action: str, columns: str | None, username: str, first: datetime, last: datetime | None = None
) -> str:
    """Who did what and when, in a line; to many at several times, from when to when."""
    when = f"{first:%Y-%m-%d %H:%M:%S} UTC"
    until = f"{last or first:%Y-%m-%d %H:%M:%S} UTC"
    times = f"at {when}" if when == until else f"between {when} and {until}"
    return f"{done(action, columns)} by {username} {times}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One recorded change: who did what when and from where, with the reason and the note given.

    ``id`` orders the changes of one row as they were made: it is drawn while the row is locked. ``when`` is
    the moment of writing; in entries of before the migration pin_audit_functions, the start of the
    transaction. ``batch`` joins the entries of one decision.
    """

    id: int
    batch: str | None
    when: datetime
    username: str
    address: str | None
    action: str
    old_status: str | None
    new_status: str | None
    reason: str | None
    note: str | None
    values: dict[str, tuple[Any, Any]]  # every column that changed: name → (before, after)

    @property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        """The columns that the entry's other fields do not show: name → (before, after)."""
        return {name: pair for name, pair in self.values.items() if name not in _SAID_BY_THE_ENTRY}

    @property
    def reason_words(self) -> str | None:
        """The dismissal's reason as the desk labels it."""
        return dict(DismissalReason.choices).get(self.reason or "", self.reason)

    @property
    def assigned_to(self) -> str | None:
        """The new assignee; None where it was unassigned, or the assignee did not change."""
        assignee: str | None = self.values.get("assigned_to", (None, None))[1]
        return assignee

    @property
    def ends_snooze(self) -> bool:
        """Whether a decision ended a snooze."""
        slept, sleeps = self.values.get("snoozed_at", (None, None))
        return bool(slept and not sleeps and self.action != "wake")

    @property
    def changed_columns(self) -> str:
        """The names of the other columns that changed; of a note that is shown not the column ``notes``."""
        return ", ".join(name for name in self.changes if not (name == "notes" and self.note))

    @property
    def told(self) -> str:
        """What was done by whom and when, in a line."""
        return done_by(self.action, self.changed_columns, self.username, self.when)


def history(anomaly_id: UUID, limit: int = 200) -> list[Entry]:
    """The entries about an anomaly, the last change first, at most ``limit``."""
    return entries_of(entries("anomaly", anomaly_id).order_by("-id")[:limit])


def entries(resource_type: str, key: Any) -> QuerySet[AuditLog]:
    """The audit log's rows about one anomaly (by its UUID) or one config (by its number)."""
    rows = AuditLog.objects.filter(resource_type=resource_type)
    if resource_type == "anomaly":
        return rows.filter(resource_id=key)
    return rows.alias(about=KeyTextTransform("id", "metadata")).filter(about=Cast(key, TextField()))


def entries_of(rows: QuerySet[AuditLog]) -> list[Entry]:
    """Rows of the audit log as entries, in their order."""
    return [_entry(row) for row in json_column.as_text(rows, ("old_values", "new_values", "metadata"))]


def _entry(row: Any) -> Entry:
    old, new = _values(row.old_values_text), _values(row.new_values_text)
    about = json_column.object_of(row.metadata_text)
    batch = about.get("batch")
    return Entry(
        id=row.pk,
        batch=batch if isinstance(batch, str) else None,
        when=row.timestamp,
        username=row.username,
        address=row.ip_address,
        action=row.action,
        old_status=old.get("status"),
        new_status=new.get("status"),
        reason=new.get("dismissal_reason"),
        note=about.get("note"),
        values={name: (old.get(name), new.get(name)) for name in sorted(new)},
    )


def _values(text: str | None) -> dict[str, Any]:
    """Values by column; JSON beyond the limits as one column whose name says so."""
    value = json_column.parsed(text or "null")
    if isinstance(value, json_column.Unreadable):
        return {str(value): None}
    return value if isinstance(value, dict) else {}
