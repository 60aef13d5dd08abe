"""The pattern of one anomaly: its counts, the newest decisions about it, and the one that they propose.

Everything comes with the row itself, in one statement. The counts are those of the roll-up; decisions are
read by the index on pattern and time of decision, MOST of them at most, however many there are.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet, TextField
from django.db.models.expressions import RawSQL
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from anomalies.models import DismissalReason, Status

MOST = 50  # decisions
LEAST = 2  # equal decisions that are proposed
_DECISIONS = {Status.ACKNOWLEDGED: "acknowledge", Status.DISMISSED: "dismiss"}
_COUNTS = ", ".join(f"'{status}', sum({status})" for status in Status.values)
# Hidden from the planner: where it expects fewer rows than these, it would read and sort all of a pattern.
_FACTS = f"""
    (SELECT jsonb_build_object(
        'counts', (SELECT jsonb_build_object({_COUNTS}, 'first', min(first_seen), 'last', max(last_seen))
                   FROM anomaly_patterns_now AS kept WHERE kept.pattern = anomalies.pattern),
        'template', (SELECT template FROM anomaly_patterns WHERE key = anomalies.pattern
                     UNION ALL
                     SELECT template FROM anomaly_pattern_deltas AS fresh
                     WHERE fresh.pattern = anomalies.pattern AND template IS NOT NULL LIMIT 1),
        'decisions', (
            SELECT jsonb_agg(
                jsonb_build_array(status, dismissal_reason, who, decided_at) ORDER BY decided_at DESC
            ) FROM (
                SELECT id, status, dismissal_reason, coalesce(acknowledged_at, dismissed_at) AS decided_at,
                       CASE status WHEN 'acknowledged' THEN acknowledged_by ELSE dismissed_by END AS who
                FROM anomalies AS other
                WHERE other.pattern = anomalies.pattern
                    AND (other.acknowledged_at IS NOT NULL OR other.dismissed_at IS NOT NULL)
                ORDER BY coalesce(acknowledged_at, dismissed_at) DESC LIMIT (SELECT {MOST + 1})
            ) AS newest WHERE status IN ('acknowledged', 'dismissed') AND id <> anomalies.id
        )
    )::text WHERE anomalies.pattern IS NOT NULL)
"""  # noqa: S608 -- a constant


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision about an anomaly of the pattern: its status and reason, by whom, and when."""

    status: str
    reason: str | None
    by: str | None
    at: datetime | None

    @property
    def words(self) -> str:
        """The decision in words: "dismissed as known and harmless"."""
        label, status = dict(DismissalReason.choices).get(self.reason or ""), str(Status(self.status).label)
        if not label or self.status != Status.DISMISSED:
            return status
        return _("%(decision)s as %(reason)s") % {"decision": status, "reason": label}


@dataclass(frozen=True, slots=True)
class Proposal:
    """The decision that all decisions about the pattern agree on."""

    action: str
    reason: str
    words: str


@dataclass(frozen=True, slots=True)
class PatternFacts:
    """One pattern: template, number of anomalies by status, first and last time, newest decisions first."""

    key: UUID
    template: str
    counts: dict[str, int]
    first_seen: datetime | None
    last_seen: datetime | None
    decisions: tuple[Decision, ...]

    @property
    def total(self) -> int:
        """The number of anomalies, of any status."""
        return sum(self.counts.values())

    @property
    def in_words(self) -> str:
        """The decisions in words: "4 of 4 like this were dismissed as known and harmless"; '' for none."""
        if not self.decisions:
            return ""
        ((words, count),) = Counter(each.words for each in self.decisions).most_common(1)
        about = {"count": count, "all": len(self.decisions), "decision": words}
        if len(self.decisions) == 1:
            return _("The only one like this that was decided was %(decision)s") % about
        if len(self.decisions) >= MOST:
            return _("%(count)s of the newest %(all)s like this were %(decision)s") % about
        return _("%(count)s of %(all)s like this were %(decision)s") % about

    @property
    def proposal(self) -> Proposal | None:
        """The decision that was taken each time, of at least LEAST times; None where decisions differ."""
        if len(self.decisions) < LEAST or len({each.words for each in self.decisions}) > 1:
            return None
        last = self.decisions[0]
        action = _DECISIONS[Status(last.status)]
        if action == "dismiss" and last.reason not in DismissalReason.values:
            return None  # a dismissal needs a reason
        return Proposal(action, last.reason or "", self.in_words)


def with_pattern(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Annotate each row with ``pattern_text``: the facts about its pattern as JSON, NULL without one."""
    facts = RawSQL(_FACTS, (), output_field=TextField())  # noqa: S611 - a constant
    known: QuerySet[Any] = rows.annotate(pattern_text=facts)
    return known


def pattern_of(anomaly: Any) -> PatternFacts | None:
    """Return the pattern of an anomaly (with ``pattern_text``); None for a row that has none so far."""
    if anomaly.pattern_text is None:
        return None
    facts = json.loads(anomaly.pattern_text)
    counts = facts["counts"]
    return PatternFacts(
        anomaly.pattern,
        facts["template"] or "",
        {status: int(counts[status] or 0) for status in Status.values},
        _time(counts["first"]),
        _time(counts["last"]),
        tuple(
            Decision(status, reason, by, _time(at))
            for status, reason, by, at in (facts["decisions"] or ())[:MOST]
        ),
    )


def _time(text: str | None) -> datetime | None:
    """Return a time; None for one that Python can't hold in every zone, such as infinity."""
    try:
        found = parse_datetime(text) if text else None
    except ValueError:
        return None
    return found if found and MINYEAR < found.year < MAXYEAR else None
