"""Rows that break the desk's rules, as `manage.py doctor` lists them.

Other programs write to the table too, and the contract allows them to omit a name or a reason; a CHECK would
refuse their writes. Such rows are valid, but figures by reason or by user miss them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Q

from anomalies.models import Anomaly, DismissalReason, Status

SHOWN = 10  # ids listed for a finding


@dataclass(frozen=True, slots=True)
class Finding:
    """A kind of row that needs attention: the number of rows, the newest ids, and the next step."""

    what: str
    count: int
    ids: tuple[str, ...]
    way_on: str


_DECIDED = {
    Status.ACKNOWLEDGED: ("acknowledged_by", "acknowledged_at"),
    Status.DISMISSED: ("dismissed_by", "dismissed_at"),
    Status.INVESTIGATING: ("investigating_by", "investigating_at"),
}
_REOPEN = "reopen and decide them again on the desk, or `manage.py decide reopen ID`"


def findings() -> Iterator[Finding]:
    """Yield a finding for each kind that has at least one row."""
    reasons = ", ".join(DismissalReason.values)
    yield from _found(
        "dismissed without a reason",
        Q(status=Status.DISMISSED, dismissal_reason=None),
        f"{_REOPEN}; let the program that writes them set dismissal_reason: {reasons}",
    )
    for status, (who, when) in _DECIDED.items():
        nameless = Q(**{f"{who}__isnull": True}) | Q(**{who: ""})
        yield from _found(f"{status} by nobody ({who})", Q(status=status) & nameless, _REOPEN)
        yield from _found(f"{status} at no time ({when})", Q(status=status, **{when: None}), _REOPEN)


def _found(what: str, where: Q, way_on: str) -> Iterator[Finding]:
    rows = Anomaly.objects.filter(where)
    count = rows.count()
    if count:
        ids = rows.order_by("-timestamp", "-id").values_list("id", flat=True)[:SHOWN]
        yield Finding(what, count, tuple(map(str, ids)), way_on)
