"""What a list asks for, told apart by what can answer it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import QuerySet

from anomalies.models import Anomaly

from .finders import Finder

# Stands in ``Listing.columns`` for a condition on anything that no walked index holds.
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Range:
    """Values from ``low`` to ``high``, None where it is open: both included, of times the end is not."""

    low: Any = None
    high: Any = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The anomalies of a filter: ``rows`` as a queryset without an order, and the same in terms of indexes.

    ``columns`` are those that any condition is about. Conditions on status, stream, significance and ranges
    of columns are repeated beside the queryset; ``finders`` answer others through an index of their own.
    """

    rows: QuerySet[Anomaly]
    columns: frozenset[str] = frozenset()
    statuses: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    significant: bool | None = None
    ranges: Mapping[str, Range] = field(default_factory=dict)
    finders: tuple[Finder, ...] = ()

    @property
    def is_nothing(self) -> bool:
        """Whether no row can be meant."""
        return self.rows.query.is_empty()

    def showing(self, rows: QuerySet[Anomaly]) -> Listing:
        """The same list, narrowed further by a queryset of it."""
        return replace(self, rows=rows)
