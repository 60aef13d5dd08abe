"""Reads about triage rules: their hits, those that stopped by themselves, those that are proposed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Exists, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from anomalies.models import Pattern, RuleHour, TriageRule, newest_of_pattern

from ..bounded.sql import of_queryset
from ..bounded.together import Read, identity, models_read

LATELY = timedelta(days=7)
SHOWN = 5
AGAIN = 5  # dismissals after which a rule is proposed
_LOOKED_AT = 100  # the newest dismissals of a pattern

_PROPOSED = f"""
    WITH likely AS (
        SELECT key, stream_type, source, template, dismissed FROM anomaly_patterns AS pattern
        WHERE dismissed >= %(again)s AND acknowledged = 0 AND investigating = 0 AND NOT EXISTS (
            SELECT FROM triage_rules AS rule WHERE rule.pattern = pattern.key
              AND (rule.stopped_at > now() - interval '90 days'
                   OR rule.stopped_at IS NULL AND rule.expires_at > now())
        )
        ORDER BY dismissed DESC, key LIMIT 50
    )
    SELECT key, stream_type, source, template, dismissed, reason FROM likely CROSS JOIN LATERAL (
        SELECT min(dismissal_reason) AS reason, count(dismissal_reason) AS known,
               min(dismissal_reason) = max(dismissal_reason) AND count(*) = count(dismissal_reason) AS is_one
        FROM {newest_of_pattern("dismissal_reason", "key", "'dismissed'", "%(looked_at)s")} AS newest
    ) AS reasons
    WHERE is_one AND known >= %(again)s ORDER BY dismissed DESC, key LIMIT %(shown)s
"""  # noqa: S608 -- constants


@dataclass(frozen=True, slots=True)
class Proposal:
    """A pattern that was dismissed again and again for one reason, and has no rule."""

    pattern: UUID
    stream_type: str
    source: str
    template: str
    dismissed: int
    reason: str


def proposals() -> list[Proposal]:
    """The patterns for which a rule is proposed, those dismissed most often first.

    Each was dismissed AGAIN times or more, its newest dismissals all for one reason, and no anomaly of it is
    acknowledged or under investigation. A pattern whose rule was stopped is not proposed for 90 days.
    """
    with connection.cursor() as cursor:
        cursor.execute(_PROPOSED, {"again": AGAIN, "looked_at": _LOOKED_AT, "shown": SHOWN})
        return [Proposal(*row) for row in cursor.fetchall()]


def with_hits(rules: QuerySet[Any]) -> QuerySet[Any]:
    """The same rules with ``hits``, the number of anomalies that each decided about, and ``last_hit``."""
    hours = RuleHour.objects.filter(rule_id=OuterRef("pk")).order_by()
    counted = hours.values("rule_id")
    hits = counted.annotate(total=Sum("hits")).values("total")
    last = counted.annotate(last=Max("last_at")).values("last")
    counted_rules: QuerySet[Any] = rules.annotate(hits=Coalesce(Subquery(hits), 0), last_hit=Subquery(last))
    return counted_rules


def stopped_lately(most: int) -> Read[list[TriageRule]]:
    """The rules that stopped by themselves within LATELY and were not made again, newest first."""
    return models_read(_stopped(most))


def templates_of_stopped(most: int) -> Read[dict[UUID, str]]:
    """The templates of the patterns of ``stopped_lately``, by key."""
    patterns = Pattern.objects.filter(key__in=_stopped(most).values("pattern"))
    return Read(of_queryset(patterns.values_list("key", "template")), dict, {0: identity})


def _stopped(most: int) -> QuerySet[TriageRule]:
    again = TriageRule.objects.filter(pattern=OuterRef("pattern"), stopped_at=None)
    since = timezone.now() - LATELY
    stopped = TriageRule.objects.filter(~Exists(again), stopped_at__gte=since, stopped_by=None)
    return stopped.order_by("-stopped_at", "id")[:most]


ACTIVE = Q(stopped_at=None, expires_at__gt=Now())


def active_rules_of(pattern: Any) -> QuerySet[TriageRule]:
    """The active rule about a pattern: a key, or a reference to one of an outer query."""
    return TriageRule.objects.filter(ACTIVE, pattern=pattern)


def templates(rules: list[TriageRule]) -> dict[UUID, str]:
    """The templates of the rules' patterns, by key."""
    keys = {rule.pattern for rule in rules if rule.pattern}
    return dict(Pattern.objects.filter(key__in=keys).values_list("key", "template")) if keys else {}
