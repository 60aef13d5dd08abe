"""Rows that break the desk's rules, as `manage.py doctor` lists them.

Other programs write to the table too, and the contract allows them to omit a name or a reason; a CHECK would
refuse their writes. Such rows are valid, but figures by reason or by user miss them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Coalesce

from anomalies.models import Anomaly, DismissalReason, Status

SHOWN = 10  # ids listed for a finding
CHUNK = 2_000  # dismissals fetched at once


@dataclass(frozen=True, slots=True)
class Finding:
    """A kind of row that needs attention: the number of rows, the newest ids, and the next step."""

    what: str
    count: int
    ids: tuple[str, ...]
    way_on: str


@dataclass(frozen=True, slots=True)
class Dismissal:
    """A dismissed anomaly that lacks something: "a reason", "a name", or both."""

    id: UUID
    lacks: tuple[str, ...]
    way_on: str


_DECIDED = {
    Status.ACKNOWLEDGED: ("acknowledged_by", "acknowledged_at"),
    Status.DISMISSED: ("dismissed_by", "dismissed_at"),
    Status.INVESTIGATING: ("investigating_by", "investigating_at"),
}
_REOPEN = "reopen and decide them again on the desk, or `manage.py decide reopen ID`"
_UNREASONED = Q(dismissal_reason=None)


def findings() -> Iterator[Finding]:
    """Yield a finding for each kind that has at least one row."""
    reasons = ", ".join(DismissalReason.values)
    yield from _found(
        "dismissed without a reason",
        Q(status=Status.DISMISSED) & _UNREASONED,
        f"{_REOPEN}; let the program that writes them set dismissal_reason: {reasons}",
    )
    for status, (who, when) in _DECIDED.items():
        yield from _found(f"{status} by nobody ({who})", Q(status=status) & _nameless(who), _REOPEN)
        yield from _found(f"{status} at no time ({when})", Q(status=status, **{when: None}), _REOPEN)


def incomplete_dismissals(since: datetime | None = None, most: int | None = None) -> Iterator[Dismissal]:
    """Yield the dismissals that lack a reason or a name, newest anomaly first, at most ``most``.

    ``since``: dismissed at that time or later; where no time was written, by their last change. One pass over
    the table, whose rows are read from a server-side cursor inside a transaction.
    """
    rows = Anomaly.objects.filter(_UNREASONED | _nameless("dismissed_by"), status=Status.DISMISSED)
    if since is not None:
        rows = rows.alias(last=Coalesce("dismissed_at", "updated_at")).filter(last__gte=since)
    found = rows.order_by("-timestamp", "-id").values_list("id", "dismissal_reason", "dismissed_by")[:most]
    for key, reason, name in found.iterator(chunk_size=CHUNK):
        lacks = [what for what, is_there in (("a reason", reason), ("a name", name)) if not is_there]
        yield Dismissal(key, tuple(lacks), f"`manage.py decide reopen {key}`, then dismiss it again")


def _nameless(column: str) -> Q:
    return Q(**{f"{column}__isnull": True}) | Q(**{column: ""})


def _found(what: str, where: Q, way_on: str) -> Iterator[Finding]:
    rows = Anomaly.objects.filter(where)
    count = rows.count()
    if count:
        ids = rows.order_by("-timestamp", "-id").values_list("id", flat=True)[:SHOWN]
        yield Finding(what, count, tuple(map(str, ids)), way_on)
