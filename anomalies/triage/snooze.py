"""Snoozed anomalies: out of the queue until a time, until a newer anomaly's NCD, or until N more within 24 h.

"Newer" and "more" go by arrival: anomalies of the same stream whose ``created_at`` is after the snooze. The
clauses of a rule are joined by "or", and the first one met ends the snooze: at the time itself, above x and
not at x, at the n-th of n arrivals that lie no more than 24 hours apart. ``wake`` evaluates all of this from
the tables each time, so the result does not depend on who runs it, how often, how late, or how many at once.
Until then the anomaly is snoozed for everybody; a decision ends a snooze too (``decisions``).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, override

from anomalies.audit import Actor, acting
from anomalies.fields import Now
from anomalies.languages import formats
from anomalies.models import OPEN, Anomaly, Stream

from .decisions import AWAKE, DecisionError, Hold, Outcome, hold, why_not

SYSTEM = Actor("driftlock", via="wake")  # the actor where no person or command ends the snooze
MOST = 1_000  # of "n more"


@dataclass(frozen=True, slots=True)
class Rule:
    """The end of a snooze: a time, an NCD that a newer anomaly exceeds, or so many more within 24 h."""

    until: datetime | None = None
    ncd_above: float | None = None
    more: int | None = None

    def in_words(self, stream_type: str = "", zone: tzinfo = UTC) -> str:
        """The rule as a phrase: "until 2026-11-24 09:00 UTC, or NCD above 0.9, or 5 more logs in 24 h"."""
        clauses = [
            [] if self.until is None else [moment(self.until, zone)],
            []
            if self.ncd_above is None
            else [_("NCD above %(ncd)s") % {"ncd": formats.number_text(str(self.ncd_above))}],
            [] if self.more is None else [_more(self.more, stream_type)],
        ]
        joined = _(", or ").join(words for clause in clauses for words in clause)
        return _("until %(ends)s") % {"ends": joined}


def rule_of(anomaly: Anomaly) -> Rule | None:
    """The rule of its snooze; None where it is not snoozed."""
    if anomaly.snoozed_at is None:
        return None
    return Rule(anomaly.snoozed_until, anomaly.snooze_ncd_above, anomaly.snooze_more)


def sentence(anomaly: Anomaly, zone: tzinfo = UTC) -> str:
    """A sentence on its snooze, by whom and until when; '' where it is not snoozed."""
    rule = rule_of(anomaly)
    if rule is None:
        return ""
    about = {"name": anomaly.snoozed_by, "until": rule.in_words(anomaly.stream_type, zone)}
    return (_("snoozed by %(name)s %(until)s") if anomaly.snoozed_by else _("snoozed %(until)s")) % about


def moment(when: datetime, zone: tzinfo = UTC) -> str:
    """A time in this zone, which is named; seconds where it has any."""
    local = when.astimezone(zone)
    fraction = f".{local.microsecond:06}".rstrip("0") if local.microsecond else ""
    seconds = f":{local:%S}{fraction}" if local.second or fraction else ""
    return f"{local:%Y-%m-%d %H:%M}{seconds} {zone.tzname(None) or zone}"


def snooze(
    ids: Iterable[UUID],
    rule: Rule,
    actor: Actor,
    *,
    seen: Mapping[UUID, int] | None = None,
    batch: UUID | None = None,
) -> Outcome:
    """Snooze these anomalies by this rule, which replaces a former one; else as ``decide``.

    Raises DecisionError for a rule without a clause, or with one that is met already or never can be.
    """
    check(rule)
    values = {
        "snoozed_until": rule.until,
        "snooze_ncd_above": rule.ncd_above,
        "snooze_more": rule.more,
        "snoozed_by": actor.username,
        "snoozed_at": Now(),
    }
    how = Hold(
        "snooze", values, partial(why_not, "investigate"), sources=frozenset(OPEN), note=rule.in_words()
    )
    return hold(how, ids, actor, seen=seen, batch=batch)


def end_snooze(
    ids: Iterable[UUID],
    actor: Actor,
    *,
    seen: Mapping[UUID, int] | None = None,
    batch: UUID | None = None,
) -> Outcome:
    """End the snooze of these anomalies now; ``seen`` and ``batch`` as in ``decide``."""
    how = Hold("wake", AWAKE, lambda anomaly: "it is not snoozed", unless=Q(snoozed_at=None))
    return hold(how, ids, actor, seen=seen, batch=batch)


def check(rule: Rule) -> None:
    """Raises DecisionError with the reason for a rule that is empty or can't be met."""
    if rule == Rule():
        raise DecisionError(_("Say until when: a time, an NCD, or so many more in 24 h."))
    if rule.until is not None and rule.until <= timezone.now():
        raise DecisionError(_("That time has come already; choose a later one."))
    if rule.ncd_above is not None and not (math.isfinite(rule.ncd_above) and 0 <= rule.ncd_above < 1):
        words = _("No NCD is above 1, and none below 0; choose one from 0 up to, not including, 1.")
        raise DecisionError(words)
    if rule.more is not None and not 1 <= rule.more <= MOST:
        words = _("So many more: choose a whole number from 1 to %(most)s.")
        raise DecisionError(words % {"most": formats.count(MOST)})


def wake(actor: Actor = SYSTEM, at: datetime | None = None) -> dict[UUID, str]:
    """End the snoozes that are due; returns the clause that ended each, by anomaly, as in the audit log.

    ``at`` is the present time, for tests. Rows that another transaction has locked are skipped.
    """
    about = {"at": at, "open": sorted(OPEN)}
    if not _rows(_DUE, about):  # as nearly always; every page of the queue asks it
        return {}
    with transaction.atomic(), override("en"):  # the clauses go into the audit log
        due = [_Due(*row) for row in _rows(_DUE + _AS_OURS, about)]
        by_why: defaultdict[str, list[UUID]] = defaultdict(list)
        for each in due:
            by_why[each.why].append(each.id)
        batch = str(uuid4())
        for why, keys in by_why.items():
            with acting(actor, note=why, batch=batch):
                Anomaly.objects.filter(pk__in=keys).update(**AWAKE)
    return {key: why for why, keys in by_why.items() for key in keys}


def _rows(statement: str, values: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[Any] = cursor.fetchall()
    return rows


def _more(count: int, stream_type: str) -> str:
    about = {"count": count}
    match stream_type:
        case Stream.LOGS:
            words = ngettext("%(count)s more log in 24 h", "%(count)s more logs in 24 h", count)
        case Stream.METRICS:
            words = ngettext("%(count)s more metric in 24 h", "%(count)s more metrics in 24 h", count)
        case Stream.TRACES:
            words = ngettext("%(count)s more trace in 24 h", "%(count)s more traces in 24 h", count)
        case Stream.LLM:
            words = _("%(count)s more LLM in 24 h")
        case __:
            words = _("%(count)s more of its stream in 24 h")
    return words % about


@dataclass(frozen=True, slots=True)
class _Due:
    """An anomaly whose snooze is due: the clause of its rule that was met first, and by what."""

    id: UUID
    clause: str
    moment: datetime | None
    met_by: UUID | None
    ncd: float | None
    stream: str
    status: str
    above: float | None
    more: int | None

    @property
    def why(self) -> str:
        """The clause, in words."""
        if self.clause == "decided":
            return f"it is {self.status} by now"
        if self.clause == "until" and self.moment:
            return f"it is past {moment(self.moment)}"
        if self.clause == "ncd":
            return f"NCD {self.ncd} above {self.above} by anomaly {self.met_by}"
        return f"{_more(self.more or 0, self.stream)}, the last of them anomaly {self.met_by}"


# Rules before rows: anomalies snoozed together have one rule, which is evaluated once. A clause that a rule
# does not have reads nothing. Arrivals are read in their order by idx_anomalies_created_at, up to the first
# one that meets the clause. A row that another transaction has locked, such as another wake, is left to it.
_DUE = """
    WITH rules AS MATERIALIZED (
        SELECT DISTINCT stream_type, status, snoozed_at, snoozed_until, snooze_ncd_above, snooze_more
        FROM anomalies WHERE snoozed_at IS NOT NULL
    ), due AS MATERIALIZED (
        SELECT rules.*, met.clause, met.moment, met.met_by, met.ncd
        FROM rules CROSS JOIN LATERAL (
            SELECT 1 AS place, 'decided' AS clause, '-infinity'::timestamptz AS moment,
                   NULL::uuid AS met_by, NULL::float8 AS ncd
            WHERE rules.status <> ALL (%(open)s)
            UNION ALL
            SELECT 2, 'until', rules.snoozed_until, NULL, NULL
            WHERE rules.snoozed_until <= coalesce(%(at)s, now())
            UNION ALL
            (SELECT 3, 'ncd', created_at, id, ncd_score FROM anomalies
             WHERE rules.snooze_ncd_above IS NOT NULL AND stream_type = rules.stream_type
               AND created_at > rules.snoozed_at AND ncd_score > rules.snooze_ncd_above
             ORDER BY created_at, id LIMIT 1)
            UNION ALL
            (SELECT 4, 'more', created_at, id, NULL FROM (
                SELECT id, created_at,
                       lag(created_at, rules.snooze_more - 1) OVER (ORDER BY created_at, id) AS first
                FROM anomalies
                WHERE rules.snooze_more IS NOT NULL AND stream_type = rules.stream_type
                  AND created_at > rules.snoozed_at
             ) AS arrivals
             WHERE created_at - first <= interval '24 hours'
             ORDER BY created_at, id LIMIT 1)
            ORDER BY moment, place LIMIT 1
        ) AS met
    )
    SELECT sleeping.id, clause, nullif(moment, '-infinity'), met_by, ncd,
           sleeping.stream_type, sleeping.status, sleeping.snooze_ncd_above, sleeping.snooze_more
    FROM anomalies AS sleeping JOIN due
      ON (sleeping.stream_type, sleeping.status, sleeping.snoozed_at)
         = (due.stream_type, due.status, due.snoozed_at)
     AND sleeping.snoozed_until IS NOT DISTINCT FROM due.snoozed_until
     AND sleeping.snooze_ncd_above IS NOT DISTINCT FROM due.snooze_ncd_above
     AND sleeping.snooze_more IS NOT DISTINCT FROM due.snooze_more
    WHERE sleeping.snoozed_at IS NOT NULL
    ORDER BY sleeping.id
"""
_AS_OURS = " FOR UPDATE OF sleeping SKIP LOCKED"
