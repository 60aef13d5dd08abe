"""What was decided about anomalies like this one. It tells; it never decides.

Likeness is the normalised compression distance of the odd lines, their times and numbers masked: 0 is the
same, 1 is nothing in common (Cilibrasi & Vitányi, "Clustering by compression", IEEE Trans. Inf. Theory
51(4), 2005). Candidates are the newest decided anomalies of the same stream, with a tag in common where there
are any, and evidence of about the same size.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from heapq import nsmallest
from uuid import UUID

from django.db.models import F, Func, IntegerField, Subquery

from .detection.compression import ncd
from .detection.normalising import normalise
from .evidence import Head, odd_text
from .models import Anomaly, DismissalReason, Status
from .querysets import AnomalyQuerySet

CANDIDATES = 200
NEAREST = 4
LIKE = 0.5  # distances above it are no likeness worth telling
MOST_CHARACTERS = 20_000  # of odd lines that are compared
SIZES = 4  # times smaller or larger, as stored
DECIDED = (Status.ACKNOWLEDGED, Status.DISMISSED)


@dataclass(frozen=True, slots=True)
class Precedent:
    """A decided anomaly, and how far its odd lines are from those of the one at hand."""

    id: UUID
    timestamp: datetime
    distance: float
    status: str
    reason: str | None
    by: str | None

    @property
    def decision(self) -> str:
        """What was decided, in words: "dismissed: known and harmless"."""
        words = dict(DismissalReason.choices).get(self.reason or "")
        return f"{self.status}: {words}" if words else self.status


def precedents(anomaly: Anomaly, window: str | None) -> list[Precedent]:
    """The nearest decided anomalies before this one, nearest first, at most NEAREST of them.

    ``window`` is the text of its window_data. Takes one query, two where no candidate shares a tag.
    """
    text = _comparable(window)
    if not text:
        return []
    found = _candidates(anomaly, tags=anomaly.tags) if anomaly.tags else []
    found = found or _candidates(anomaly, tags=None)
    texts = ((_comparable(row.window_data_text), row) for row in found)  # type: ignore[attr-defined]
    measured = ((ncd(other, text), row) for other, row in texts if other)
    near = nsmallest(NEAREST, (pair for pair in measured if pair[0] <= LIKE), key=_nearness)
    return [_precedent(distance, row) for distance, row in near]


def _nearness(measured: tuple[float, Anomaly]) -> tuple[float, float]:
    """Of those that are equally near, the newest first."""
    distance, row = measured
    return distance, -row.timestamp.timestamp()


def in_words(nearest: list[Precedent]) -> str:
    """One sentence: "3 of 4 nearest were dismissed: known and harmless"."""
    if not nearest:
        return "Nothing like it was decided before."
    decision, count = Counter(each.decision for each in nearest).most_common(1)[0]
    if len(nearest) == 1:
        return f"The only one like it was {decision}."
    return f"{'All' if count == len(nearest) else count} of the {len(nearest)} nearest were {decision}."


def _comparable(window: str | None) -> bytes:
    lines = odd_text(window)[:MOST_CHARACTERS].splitlines()
    return "\n".join(filter(None, map(normalise, lines))).encode(errors="replace")


def _candidates(anomaly: Anomaly, tags: list[str] | None) -> list[Anomaly]:
    """At most CANDIDATES, half from each decision: an index gives each, newest first."""
    own = Anomaly.objects.filter(pk=anomaly.pk).values(size=_stored_size())[:1]
    alike = Anomaly.objects.filter(stream_type=anomaly.stream_type, timestamp__lt=anomaly.timestamp)
    alike = alike.alias(size=_stored_size(), own=Subquery(own)).filter(
        size__gte=F("own") / SIZES, size__lte=F("own") * SIZES
    )
    if tags:
        alike = alike.filter(tags__overlap=tags)
    first, *others = [_newest(alike.filter(status=status)) for status in DECIDED]
    return list(first.union(*others, all=True))


def _newest(alike: AnomalyQuerySet) -> AnomalyQuerySet:
    columns = ("timestamp", "status", "dismissal_reason", "acknowledged_by", "dismissed_by")
    texts = alike.annotate(window_data_text=Head("window_data", characters=MOST_CHARACTERS * 2)).only(
        *columns
    )
    return texts.order_by("-timestamp", "-id")[: CANDIDATES // len(DECIDED)]


def _stored_size() -> Func:
    """How many bytes the evidence takes as stored: known without reading it."""
    return Func(F("window_data"), function="pg_column_size", output_field=IntegerField())


def _precedent(distance: float, row: Anomaly) -> Precedent:
    who = row.acknowledged_by if row.status == Status.ACKNOWLEDGED else row.dismissed_by
    return Precedent(row.pk, row.timestamp, distance, row.status, row.dismissal_reason, who)
