"""The items of a digest: what a notification says about each anomaly, as JSON.

The evidence is left out: a notification goes to systems that may keep it for years. The explanation quotes
the line that it is about, as on the list.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models.functions import Left
from django.utils import timezone

from anomalies.models import Anomaly, NotificationRule
from anomalies.safe_text import printable

MOST = 10  # of a digest; the others are counted
_SHOWN = 300  # characters of an explanation
_COLUMNS = (
    "id timestamp stream_type source pattern ncd_score p_value is_statistically_significant status".split()
)

Item = dict[str, Any]


def items_of(ids: Iterable[UUID]) -> list[Item]:
    """An item for each of these anomalies."""
    said = Left("glass_box_explanation", 2 * _SHOWN)
    rows = Anomaly.objects.filter(pk__in=list(ids)).annotate(said=said).values(*_COLUMNS, "said")
    return [_item(row) for row in rows]


def most_unusual(items: Iterable[Item]) -> list[Item]:
    """The MOST items with the least p, and of equal ones the highest NCD; without figures the earliest."""
    return sorted(items, key=lambda item: (item.get("p_value", 0), -item.get("ncd_score", 0), item["at"]))[
        :MOST
    ]


def event(kind: str, title: str, at: str) -> Item:
    """An item about a rule that stopped or a detector that is silent."""
    return {"kind": kind, "title": printable(title, _SHOWN), "at": at}


def sample(rule: NotificationRule) -> list[Item]:
    """The item of a test."""
    return [
        event("test", f"This is a test of the notification rule {rule.name}.", timezone.now().isoformat())
    ]


def _item(row: dict[str, Any]) -> Item:
    first_line = (row["said"] or "").strip().partition("\n")[0]
    return {
        "kind": "anomaly",
        "id": str(row["id"]),
        "title": printable(first_line, _SHOWN),
        "at": row["timestamp"].isoformat(),
        "stream_type": row["stream_type"],
        "source": printable(row["source"] or "", _SHOWN),
        "pattern": str(row["pattern"]) if row["pattern"] else None,
        "ncd_score": row["ncd_score"],
        "p_value": row["p_value"],
        "is_statistically_significant": row["is_statistically_significant"],
        "status": row["status"],
    }
