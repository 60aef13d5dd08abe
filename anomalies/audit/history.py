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
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies import json_column
from anomalies.models import Anomaly, AuditLog, DismissalReason

# Shown by the entry's own fields, therefore not repeated among its "changes".
_SHOWN_BY_FIELDS = frozenset(
    {"status", "dismissal_reason"}
    | {
        f"{decision}_{what}"
        for decision in ("acknowledged", "dismissed", "investigating")
        for what in ("by", "at")
    }
    | {*Anomaly.ASSIGNMENT, *Anomaly.SNOOZE}
)


DONE = {
    "acknowledge": gettext_lazy("acknowledged"),
    "dismiss": gettext_lazy("dismissed"),
    "investigate": gettext_lazy("taken into investigation"),
    "reopen": gettext_lazy("reopened"),
    "undo": gettext_lazy("undone"),
    "assign": gettext_lazy("assigned"),
    "unassign": gettext_lazy("unassigned"),
    "snooze": gettext_lazy("snoozed"),
    "wake": gettext_lazy("woken"),
    "activate": gettext_lazy("made active"),
    "deactivate": gettext_lazy("made inactive"),
    "create": gettext_lazy("created"),
    "import": gettext_lazy("imported"),
    "delete": gettext_lazy("deleted"),
    "erase": gettext_lazy("erased"),
    "withdraw": gettext_lazy("withdrawn"),
    "grant": gettext_lazy("granted"),
    "revoke": gettext_lazy("revoked"),
}


# A loose index scan: each step finds the next resource type by the index, as DISTINCT would read the whole
# audit log (https://wiki.postgresql.org/wiki/Loose_indexscan).
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
    """The resource types that have entries, in alphabetical order, at most 50."""
    with connection.cursor() as cursor:
        cursor.execute(_RESOURCE_TYPES)
        return [name for (name,) in cursor.fetchall()]


def done(action: str, columns: str | None = None) -> str:
    """An action's participle ("dismissed"); for a plain update the columns, as in "tags changed"."""
    words = DONE.get(action)
    return str(words) if words else _("%(columns)s changed") % {"columns": columns or _("notes")}


def done_by(
    action: str, columns: str | None, username: str, first: datetime, last: datetime | None = None
) -> str:
    """One line with the action, the user and the time; with ``last``, the span of several entries."""
    when = f"{first:%Y-%m-%d %H:%M:%S} UTC"
    until = f"{last or first:%Y-%m-%d %H:%M:%S} UTC"
    about = {"done": done(action, columns), "name": username, "when": when, "until": until}
    if when == until:
        return _("%(done)s by %(name)s at %(when)s") % about
    return _("%(done)s by %(name)s between %(when)s and %(until)s") % about


@dataclass(frozen=True, slots=True)
class Entry:
    """One recorded change: user, address, time and action, with the reason and the note given.

    ``id`` orders the changes of one row as they were made, because it is drawn while the row is locked.
    ``when`` is the time of writing (in entries older than the migration pin_audit_functions, the start of
    the transaction). ``batch`` joins the entries of one decision.
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
        return {name: pair for name, pair in self.values.items() if name not in _SHOWN_BY_FIELDS}

    @property
    def reason_words(self) -> str | None:
        """The label of the dismissal's reason."""
        label = dict(DismissalReason.choices).get(self.reason or "", self.reason)
        return None if label is None else str(label)

    @property
    def assigned_to(self) -> str | None:
        """The new assignee; None if it was unassigned or the assignee did not change."""
        assignee: str | None = self.values.get("assigned_to", (None, None))[1]
        return assignee

    @property
    def ends_snooze(self) -> bool:
        """True if a decision ended a snooze."""
        slept, sleeps = self.values.get("snoozed_at", (None, None))
        return bool(slept and not sleeps and self.action != "wake")

    @property
    def changed_columns(self) -> str:
        """The names of the other changed columns; without ``notes`` if the note itself is shown."""
        return ", ".join(name for name in self.changes if not (name == "notes" and self.note))

    @property
    def summary(self) -> str:
        """One line with the action, the user and the time."""
        return done_by(self.action, self.changed_columns, self.username, self.when)


def history(anomaly_id: UUID, limit: int = 200) -> list[Entry]:
    """The entries about an anomaly, newest first, at most ``limit``."""
    return entries_of(entries("anomaly", anomaly_id).order_by("-id")[:limit])


def entries(resource_type: str, key: Any) -> QuerySet[AuditLog]:
    """The audit log's rows about one anomaly (by its UUID) or one config (by its number)."""
    rows = AuditLog.objects.filter(resource_type=resource_type)
    if resource_type == "anomaly":
        return rows.filter(resource_id=key)
    return rows.alias(about=KeyTextTransform("id", "metadata")).filter(about=Cast(key, TextField()))


def entries_of(rows: QuerySet[AuditLog]) -> list[Entry]:
    """Rows of the audit log as entries, in the same order."""
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
    """Values by column; JSON beyond the size limits becomes one column whose name is the message."""
    value = json_column.parsed(text or "null")
    if isinstance(value, json_column.Unreadable):
        return {str(value): None}
    return value if isinstance(value, dict) else {}
