"""Rows that the rules of the desk would not have made: what `manage.py doctor` lists.

Other programs write to the table too, and the contract lets them leave out a name or a reason; a CHECK would
refuse their writes. Such rows are valid, but whatever rests on reasons and names misses them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Q

from anomalies.models import Anomaly, DismissalReason, Status

SHOWN = 10  # ids of a finding


@dataclass(frozen=True, slots=True)
class Finding:
    """A kind of row that needs somebody's look: how many there are, the newest ids, and the way on."""

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
    """Each kind of row that there is at least one of."""
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
