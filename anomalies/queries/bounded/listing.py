"""The conditions of a list, sorted by the index or finder that can answer them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from anomalies.models import OPEN, Anomaly, Status

from .finders import Finder

# Represents, in ``Listing.columns``, a condition on a column that no walked index contains.
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Range:
    """Values from ``low`` to ``high``, both included (of times the end is excluded); None is open."""

    low: Any = None
    high: Any = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The anomalies of a filter: ``rows`` as an unordered queryset, and the same conditions for indexes.

    ``columns`` are those with a condition. Conditions on status, stream, significance, pattern, source and
    ranges of columns are repeated beside the queryset; ``finders`` answer others through an index of their
    own.
    """

    rows: QuerySet[Anomaly]
    columns: frozenset[str] = frozenset()
    statuses: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    significant: bool | None = None
    pattern: UUID | None = None
    source: str | None = None
    ranges: Mapping[str, Range] = field(default_factory=dict)
    finders: tuple[Finder, ...] = ()

    @property
    def is_nothing(self) -> bool:
        """True if no row can match."""
        return self.rows.query.is_empty()

    @property
    def decided_unless_asked(self) -> dict[str, Any]:
        """A condition that leaves open anomalies out, unless the list is of certain statuses."""
        return {} if self.statuses else {"status__in": [each for each in Status.values if each not in OPEN]}

    def showing(self, rows: QuerySet[Anomaly]) -> Listing:
        """The same list with its ``rows`` narrowed further."""
        return replace(self, rows=rows)

    def within_time(self, since: datetime, until: datetime) -> Listing:
        """The part of the list from ``since`` to ``until``, which is excluded."""
        asked = self.ranges.get("timestamp", Range())
        low = since if asked.low is None else max(since, asked.low)
        high = until if asked.high is None else min(until, asked.high)
        return replace(
            self,
            rows=self.rows.filter(timestamp__gte=low, timestamp__lt=high),
            columns=self.columns | {"timestamp"},
            ranges={**self.ranges, "timestamp": Range(low, high)},
        )
