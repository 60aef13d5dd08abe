"""Similar decisions: earlier decisions about anomalies like this one. They inform and decide nothing.

Similarity is measured by the normalised compression distance of the odd lines, with times and numbers masked:
0 is identical, 1 is nothing in common (Cilibrasi & Vitányi, "Clustering by compression", IEEE Trans. Inf.
Theory 51(4), 2005). Candidates are decided anomalies of the same source and stream, with a common tag if
there are any, and evidence of about the same size, among the newest LOOKED_AT of each decision.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import nsmallest
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext as _

from anomalies.detection.compression import ncd
from anomalies.detection.scoring.masking import normalise
from anomalies.models import Anomaly, DismissalReason, Status

from .bounded.listing import Range
from .bounded.sql import Sql, hidden, sql, with_queries
from .bounded.walks import Walk, source_walk, state_walk
from .evidence_events import Head, odd_text
from .neighbours import of_source

CANDIDATES = 200  # compared at most
NEAREST = 4  # shown at most
LIKE = 0.5  # the largest distance that is shown
MOST_CHARACTERS = 20_000  # of odd lines that are compared
SIZES = 4  # the largest ratio of the stored sizes of two compared windows
LOOKED_AT = 2_000  # the newest anomalies of each decision
DECIDED = (Status.ACKNOWLEDGED, Status.DISMISSED)

# The stored size of the evidence in bytes is known without reading it.
_ALIKE = """
    SELECT id, is_tagged FROM (
        SELECT alike.* FROM {segment} AS segment CROSS JOIN LATERAL (
            SELECT anomalies.id, anomalies.timestamp, pg_column_size(anomalies.window_data) AS size,
                   {tagged} AS is_tagged
            FROM (SELECT anomalies.* {entries} LIMIT {looked_at}) AS anomalies
            WHERE {same} AND anomalies.stream_type = {stream}
        ) AS alike
    ) AS newest, (SELECT pg_column_size(window_data) AS size FROM anomalies WHERE id = {own}) AS own
    WHERE newest.size BETWEEN own.size / {sizes} AND own.size * {sizes}
    ORDER BY newest.is_tagged DESC, newest.timestamp DESC, newest.id DESC LIMIT {most}
"""
# Of both decisions, those that share a tag; where none does, all.
_CHOSEN = "{queries} SELECT id FROM alike WHERE is_tagged = (SELECT bool_or(is_tagged) FROM alike)"


@dataclass(frozen=True, slots=True)
class Precedent:
    """A decided anomaly, and the ``distance`` of its odd lines from those of the given one, 0 to 1."""

    id: UUID
    timestamp: datetime
    distance: float
    status: str
    reason: str | None
    by: str | None

    @property
    def decision(self) -> str:
        """The decision in words: "dismissed: known and harmless"."""
        words, status = dict(DismissalReason.choices).get(self.reason or ""), str(Status(self.status).label)
        return f"{status}: {words}" if words else status


def precedents(anomaly: Anomaly, window: str | None) -> list[Precedent]:
    """The nearest decided anomalies before this one, nearest first, at most NEAREST of them.

    ``window`` is the text of its window_data.
    """
    text = _comparable(window)
    if not text:
        return []
    texts = ((_comparable(row.window_data_text), row) for row in _candidates(anomaly))
    measured = ((ncd(other, text), row) for other, row in texts if other)
    near = nsmallest(NEAREST, (pair for pair in measured if pair[0] <= LIKE), key=_nearness)
    return [_precedent(distance, row) for distance, row in near]


def _nearness(measured: tuple[float, Anomaly]) -> tuple[float, float]:
    """The sort key: nearest first, among equals the newest first."""
    distance, row = measured
    return distance, -row.timestamp.timestamp()


def in_words(nearest: list[Precedent]) -> str:
    """One sentence: "3 of 4 nearest were dismissed: known and harmless"."""
    if not nearest:
        return _("None yet.")
    if len(nearest) == 1:
        return _("The only one like it was %(decision)s.") % {"decision": nearest[0].decision}
    decisions = [each.decision.partition(": ") for each in nearest]
    (first, count), *others = Counter(decision for decision, *__ in decisions).most_common()
    tied = [f", {as_many} {_because(other, decisions)}" for other, as_many in others if as_many == count]
    every = _("All of the %(all)s nearest were %(decisions)s.")
    some = _("%(count)s of the %(all)s nearest were %(decisions)s.")
    said = f"{_because(first, decisions)}{''.join(tied)}"
    about = {"count": count, "all": len(nearest), "decisions": said}
    return (every if count == len(nearest) else some) % about


def _because(decision: str, decisions: list[tuple[str, str, str]]) -> str:
    """A decision with its reasons; with the count of each if there are several."""
    reasons = Counter(reason for each, __, reason in decisions if each == decision and reason).most_common()
    if len(reasons) > 1:
        return f"{decision}: " + ", ".join(f"{count} {reason}" for reason, count in reasons)
    return ": ".join([decision, *(reason for reason, __ in reasons)])


def _comparable(window: str | None) -> bytes:
    lines = odd_text(window)[:MOST_CHARACTERS].splitlines()
    return "\n".join(filter(None, map(normalise, lines))).encode(errors="replace")


def _candidates(anomaly: Anomaly) -> QuerySet[Any]:
    """At most CANDIDATES decided anomalies, half from each decision, newest first."""
    queries: list[tuple[str, Sql]] = []
    for status in DECIDED:
        walk = _walk(anomaly, status)
        queries += [(f"{status}_segment", walk.given()), (status, _newest(anomaly, status, walk))]
    alike = Sql(" UNION ALL ".join(f"SELECT id, is_tagged FROM {status}" for status in DECIDED))  # noqa: S608
    ids = sql(_CHOSEN, queries=with_queries([*queries, ("alike", alike)]))
    chosen = Anomaly.objects.filter(pk__in=RawSQL(ids.text, ids.values))  # noqa: S611 - values are beside it
    columns = ("timestamp", "status", "dismissal_reason", "acknowledged_by", "dismissed_by")
    texts = chosen.annotate(window_data_text=Head("window_data", characters=MOST_CHARACTERS * 2))
    newest: QuerySet[Anomaly] = texts.only(*columns).order_by("-timestamp", "-id")
    return newest


def _walk(anomaly: Anomaly, status: str) -> Walk:
    before = {"timestamp": Range(high=anomaly.timestamp)}
    listing = replace(of_source(anomaly), statuses=(status,), ranges=before)
    return (source_walk if listing.source else state_walk)(listing)


def _newest(anomaly: Anomaly, status: str, walk: Walk) -> Sql:
    """Anomalies with evidence of about the same size, among the newest LOOKED_AT: no index holds the size, or
    tags in order of time."""
    return sql(
        _ALIKE,
        segment=f"{status}_segment",
        entries=walk.entries,
        # Hidden: where the planner expects fewer rows than these, it would read and sort them all.
        looked_at=hidden(LOOKED_AT // len(walk.segments), "bigint"),
        same=walk.same,
        tagged=Sql("coalesce(anomalies.tags && %s::text[], false)", (anomaly.tags or [],)),
        stream=Sql("%s", (anomaly.stream_type,)),
        own=Sql("%s::uuid", (anomaly.pk,)),
        sizes=SIZES,
        most=CANDIDATES // len(DECIDED),
    )


def _precedent(distance: float, row: Anomaly) -> Precedent:
    who = row.acknowledged_by if row.status == Status.ACKNOWLEDGED else row.dismissed_by
    return Precedent(row.pk, row.timestamp, distance, row.status, row.dismissal_reason, who)
