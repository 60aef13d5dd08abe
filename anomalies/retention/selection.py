"""The anomalies that an archive takes: matching, old in every respect, and with a sealed history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from anomalies.models import AuditSeal
from anomalies.queries.bounded.listing import Listing
from anomalies.queries.export import versioned_lines

from .archive_file import Row


def rows(listing: Listing, before: datetime, most: int) -> Iterator[Row]:
    """Yield the oldest ``most`` anomalies of a list that happened and were last changed before a time.

    Open ones are left out unless the list is of certain statuses.
    """
    return (Row(*each) for each in versioned_lines(listing, most, **_conditions(listing, before)))


def count(listing: Listing, before: datetime) -> int:
    """Return how many ``rows`` there are without a limit; the table is read."""
    found: int = listing.rows.filter(**_conditions(listing, before)).count()
    return found


def _conditions(listing: Listing, before: datetime) -> dict[str, Any]:
    return {"timestamp__lt": before, "updated_at__lt": before} | listing.decided_unless_asked


def is_sealed_until(moment: datetime) -> bool:
    """True if the newest seal is younger than a moment, so that it covers what was recorded before."""
    newest = AuditSeal.objects.order_by("-number").first()
    return newest is not None and newest.made_at > moment
