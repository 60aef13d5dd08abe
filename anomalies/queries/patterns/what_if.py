"""The what-if of a rule: anomalies of the last days that it would have decided about, confirmed ones first.

They are read by the index of a pattern's anomalies, a bounded number for each pattern and status, so the time
depends on what is shown and not on the size of the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from anomalies.models import Pattern, Status, newest_of_pattern

DAYS = 30
MOST = 10_000  # counted of each status
SHOWN = 10
_PATTERNS = 1_000  # of a source or stream that are looked at, those seen last
_ORDER = (Status.ACKNOWLEDGED, Status.INVESTIGATING, Status.PENDING, Status.DISMISSED)

_COUNTED, _SHOWN = (
    newest_of_pattern(columns, "key", "state.status", most, since="%(since)s")
    for columns, most in (("1", "%(most)s"), ("anomalies.*", "%(shown)s"))
)
_COUNTS = f"""
    SELECT state.status, (SELECT count(*) FROM (
        SELECT FROM unnest(%(keys)s::uuid[]) AS key CROSS JOIN LATERAL {_COUNTED} AS each LIMIT %(most)s
    ) AS counted)
    FROM unnest(%(order)s::text[]) AS state (status)
"""  # noqa: S608 -- constants
_FIRST = f"""
    SELECT each.id, each.timestamp, each.status, each.ncd_score, left(each.glass_box_explanation, 400)
    FROM unnest(%(order)s::text[]) WITH ORDINALITY AS state (status, place)
    CROSS JOIN unnest(%(keys)s::uuid[]) AS key CROSS JOIN LATERAL {_SHOWN} AS each
    ORDER BY place, each.timestamp DESC, each.id LIMIT %(shown)s
"""  # noqa: S608 -- constants


@dataclass(frozen=True, slots=True)
class Hidden:
    """One anomaly that the rule would have decided about."""

    id: UUID
    timestamp: datetime
    status: str
    ncd_score: float
    explanation: str


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The numbers of anomalies by status, each MOST + 1 at most, and the first of them."""

    counts: dict[str, int]
    first: tuple[Hidden, ...]

    @property
    def total(self) -> int:
        """The number of all of them."""
        return sum(self.counts.values())


def what_if(keys: Sequence[UUID], now: datetime | None = None) -> WhatIf:
    """The anomalies of these patterns in the last DAYS days, acknowledged ones first."""
    since = (now or timezone.now()) - timedelta(days=DAYS)
    about: dict[str, Any] = {
        "keys": list(keys),
        "since": since,
        "order": list(_ORDER),
        "most": MOST + 1,
        "shown": SHOWN,
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, about)
        counts = dict(cursor.fetchall())
        cursor.execute(_FIRST, about)
        first = tuple(Hidden(*row) for row in cursor.fetchall())
    return WhatIf({status: counts[status] for status in _ORDER}, first)


def patterns_of(stream_type: str, source: str) -> list[UUID]:
    """The keys of the patterns of a source or stream ('' is any) with anomalies in the last DAYS days."""
    since = timezone.now() - timedelta(days=DAYS)
    about = (Q(stream_type=stream_type) if stream_type else Q()) & (Q(source=source) if source else Q())
    found = Pattern.objects.filter(about, last_seen__gte=since).order_by("-last_seen", "key")
    return list(found.values_list("key", flat=True)[:_PATTERNS])
