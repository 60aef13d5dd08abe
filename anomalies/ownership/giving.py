"""The owner of what arrives: the assignee of the first rule that an anomaly matches.

Only what is as it arrived is assigned: pending, in its first version, and so neither assigned, unassigned,
decided nor snoozed by anybody. The version is tested again on the locked row (``decisions.hold``): whoever
changed the anomaly since it arrived, a person or a triage rule, is not overridden.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.utils import timezone

from anomalies.audit import Actor
from anomalies.models import Anomaly, OwnershipRule
from anomalies.queries.bounded.sql import Sql, condition_of, joined, sql
from anomalies.triage.assignment import assign

from .rules import applied, filterset_of, in_order

VIA = "ownership"
FIRST_VERSION = 1  # of an anomaly that was not changed since it arrived
BACK = timedelta(days=7)
LOOKED_AT = 20_000  # the newest pending anomalies

# The rows are read by their ids, whatever the planner believes of the filters: OFFSET 0 is a fence.
_FIRST = (
    "SELECT id, rule FROM (SELECT id, CASE {cases} END AS rule FROM ("
    "SELECT * FROM anomalies WHERE id = ANY ({ids}) OFFSET 0"
    ") AS anomalies WHERE status = 'pending' AND version = 1 AND assigned_to IS NULL AND snoozed_at IS NULL"
    ") AS judged WHERE rule IS NOT NULL ORDER BY id"
)
# One walk over the newest entries of idx_anomalies_walk_status, whatever the number of rules.
_WHAT_IF = (
    "SELECT count(*), {counts} FROM (SELECT CASE {cases} END AS rule, {matches} FROM ("
    "SELECT * FROM anomalies WHERE status COLLATE \"C\" = 'pending' AND timestamp >= {since} "
    "ORDER BY timestamp DESC NULLS LAST, id DESC NULLS LAST LIMIT {most}"
    ") AS anomalies) AS judged"
)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The numbers of a rule among the anomalies looked at: those that match it, and those it would take.

    The others that match go to rules before it.
    """

    rule: OwnershipRule
    matches: int
    takes: int


def actor_of(rule: OwnershipRule) -> Actor:
    """The rule as the audit log names it. No username has a space, so it is nobody's name."""
    return Actor(f"ownership rule {rule.name}", via=VIA)


def give_owners(ids: Iterable[UUID]) -> int:
    """Assign those of the anomalies that match a rule and are as they arrived; returns how many."""
    rules = applied(in_order())
    wanted = list(ids)
    if not rules or not wanted:
        return 0
    with transaction.atomic():
        found = _first_matches(rules, wanted)
        # All of them in the order of their ids before any is written, as a bulk of a person's locks them.
        list(Anomaly.objects.filter(pk__in=found).order_by("pk").select_for_update().values_list("pk"))
        return sum(
            _give(rule, [pk for pk, number in found.items() if number == place])
            for place, rule in enumerate(rules)
        )


def what_if(rules: Sequence[OwnershipRule], now: datetime | None = None) -> tuple[int, list[WhatIf]]:
    """The number of pending anomalies looked at, and what each rule would have taken of them, in order.

    They are those of the last 7 days, the newest LOOKED_AT of them; whoever has them.
    """
    if not rules:
        return 0, []
    conditions = [_condition(rule) for rule in rules]
    counts = ", ".join(
        f"count(*) FILTER (WHERE match_{place}), count(*) FILTER (WHERE rule = {place})"
        for place in range(len(rules))
    )
    statement = sql(
        _WHAT_IF,
        counts=counts,
        cases=_cases(conditions),
        matches=joined(
            ", ",
            (sql("({one}) AS match_{place}", one=one, place=place) for place, one in enumerate(conditions)),
        ),
        since=Sql("%s", ((now or timezone.now()) - BACK,)),
        most=LOOKED_AT,
    )
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.values)
        total, *numbers = cursor.fetchone()
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return total, [WhatIf(rule, *pair) for rule, pair in zip(rules, pairs, strict=True)]


def _give(rule: OwnershipRule, ids: Sequence[UUID]) -> int:
    if not ids:
        return 0
    seen = dict.fromkeys(ids, FIRST_VERSION)
    note = f"ownership rule {rule.pk}"
    return len(assign(ids, rule.assign_to, actor_of(rule), seen=seen, batch=uuid4(), note=note).decided)


def _first_matches(rules: Sequence[OwnershipRule], ids: list[UUID]) -> dict[UUID, int]:
    """The place of the first rule that each of the anomalies matches, without those that match none."""
    cases = _cases([_condition(rule) for rule in rules])
    statement = sql(_FIRST, cases=cases, ids=Sql("%s::uuid[]", (ids,)))
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.values)
        return dict(cursor.fetchall())


def _cases(conditions: Sequence[Sql]) -> Sql:
    whens = (sql("WHEN {one} THEN {place}", one=one, place=place) for place, one in enumerate(conditions))
    return joined(" ", whens)


def _condition(rule: OwnershipRule) -> Sql:
    try:
        return condition_of(filterset_of(rule).qs)
    except EmptyResultSet:
        return Sql("false")
