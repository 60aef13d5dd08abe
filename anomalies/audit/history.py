"""The history of one anomaly, read from the record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from .. import jsonb
from ..models import AuditLog, DismissalReason

# Told by the entry's own columns, so not told again as "changes".
_SAID_BY_THE_ENTRY = frozenset(
    {"status", "dismissal_reason"}
    | {
        f"{decision}_{what}"
        for decision in ("acknowledged", "dismissed", "investigating")
        for what in ("by", "at")
    }
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One recorded change: who did what when and from where, with the reason and the note given."""

    when: datetime
    username: str
    address: str | None
    action: str
    old_status: str | None
    new_status: str | None
    reason: str | None
    note: str | None
    changes: dict[str, tuple[Any, Any]]  # other columns: name → (before, after)

    @property
    def reason_words(self) -> str | None:
        """The dismissal's reason as people say it."""
        return dict(DismissalReason.choices).get(self.reason or "", self.reason)

    @property
    def changed_columns(self) -> str:
        """The names of the other columns that changed; a note given says itself that notes did."""
        return ", ".join(name for name in self.changes if not (name == "notes" and self.note))


def history(anomaly_id: UUID, limit: int = 200) -> list[Entry]:
    """What happened to an anomaly, newest first, at most ``limit`` entries."""
    entries = AuditLog.objects.filter(resource_type="anomaly", resource_id=anomaly_id)
    told = jsonb.as_text(entries, ("old_values", "new_values", "metadata"))
    return [_entry(row) for row in told.order_by("-timestamp", "-id")[:limit]]


def _entry(row: Any) -> Entry:
    old, new = jsonb.object_of(row.old_values_text), jsonb.object_of(row.new_values_text)
    about = jsonb.object_of(row.metadata_text)
    return Entry(
        when=row.timestamp,
        username=row.username,
        address=row.ip_address,
        action=row.action,
        old_status=old.get("status"),
        new_status=new.get("status"),
        reason=new.get("dismissal_reason"),
        note=about.get("note"),
        changes=_changes(old, new, set(new) - _SAID_BY_THE_ENTRY),
    )


def _changes(old: dict[str, Any], new: dict[str, Any], names: Iterable[str]) -> dict[str, tuple[Any, Any]]:
    return {name: (old.get(name), new.get(name)) for name in sorted(names)}
