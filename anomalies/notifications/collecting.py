"""From arrivals to open digests: which anomalies that were inserted a rule is about.

A trigger wrote the ids of each INSERT in its own transaction (0053), so an arrival is visible exactly when
its anomalies are. A step takes arrivals that no other worker has, gives them their owners (``ownership``),
adds what matches to the open digest of each rule, and deletes the arrivals, in one transaction: each anomaly
counts once for each rule, however often a worker is killed. An open digest takes all that comes until it is
due: 10,000 anomalies a minute make one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.utils import timezone

from anomalies.models import Condition, NotificationArrival, NotificationDelivery, NotificationRule
from anomalies.ownership.giving import give_owners
from anomalies.queries.bounded.sql import Sql, condition_of, sql

from .items import MOST, Item, items_of, most_unusual
from .rules import ABOUT_ANOMALIES, filterset_of, owned_rules, quiet_hours

MOST_ARRIVALS, MOST_IDS = 500, 1_000  # of one step

# The rows of an arrival are read by their ids, whatever the planner believes of the filter: OFFSET 0 is a
# fence, behind which the filter tests each row. The most unusual first.
_MATCHING = (
    "SELECT id FROM (SELECT * FROM anomalies WHERE id = ANY ({ids}) OFFSET 0) AS anomalies "
    "WHERE ({condition}) ORDER BY p_value, ncd_score DESC, timestamp, id"
)
# The first of a pattern: no other anomaly of it was stored before, and none in an arrival that this rule has
# seen; of several in one step the earliest stored one stands for all.
_FIRST_OF_PATTERN = """
    WITH came AS MATERIALIZED (
        SELECT DISTINCT ON (pattern) id, pattern, created_at
        FROM (
            SELECT id, pattern, created_at, timestamp FROM anomalies WHERE id = ANY (%(ids)s) OFFSET 0
        ) AS anomalies
        WHERE pattern IS NOT NULL ORDER BY pattern, created_at, timestamp, id
    ), new AS MATERIALIZED (
        SELECT id, pattern FROM came WHERE NOT EXISTS (
            SELECT FROM anomalies AS other
            WHERE other.pattern = came.pattern AND other.created_at < came.created_at
        )
    ), noted AS (
        INSERT INTO notification_seen (rule_id, subject)
        SELECT %(rule)s, pattern::text FROM new ORDER BY pattern
        ON CONFLICT DO NOTHING RETURNING subject
    )
    SELECT new.id FROM new JOIN noted ON noted.subject = new.pattern::text
"""
_WATCH = """
    INSERT INTO notification_watches (rule_id, anomaly_id, due_at)
    SELECT %(rule)s, id, created_at + %(minutes)s * interval '1 minute'
    FROM anomalies WHERE id = ANY (%(ids)s) ORDER BY id
    ON CONFLICT DO NOTHING
"""


def collect_once(now: datetime | None = None) -> bool:
    """Take the next arrivals; False where there are none that another worker does not have."""
    with transaction.atomic():
        arrivals = _next()
        if not arrivals:
            return False
        ids = [key for arrival in arrivals for key in arrival.ids]
        give_owners(ids)  # first: a rule's filter may ask whose an anomaly is
        _take(ids, now or timezone.now())
        NotificationArrival.objects.filter(pk__in=[arrival.pk for arrival in arrivals]).delete()
    return True


def add_to_digest(rule: NotificationRule, count: int, items: Sequence[Item], now: datetime) -> None:
    """Add that many, of which ``items`` are the most unusual, to the rule's open digest, or open one."""
    due = now + timedelta(seconds=rule.digest_seconds)
    quiet = quiet_hours(rule)
    new = NotificationDelivery(rule=rule, opened_at=now, due_at=quiet.next_allowed(due) if quiet else due)
    while True:
        # Where one is open already, the constraint notification_deliveries_one_open keeps this one out.
        NotificationDelivery.objects.bulk_create([new], ignore_conflicts=True)
        delivery = NotificationDelivery.objects.select_for_update().filter(rule=rule, closed_at=None).first()
        if delivery is not None:  # else a sender has closed it since
            break
    delivery.items = most_unusual([*delivery.items, *items])
    delivery.total += count
    delivery.save(update_fields=["items", "total"])


def matching(rule: NotificationRule, ids: Iterable[UUID]) -> list[UUID]:
    """The anomalies that match the rule's filter, the most unusual first; none for an invalid filter."""
    try:
        condition = condition_of(filterset_of(rule).qs)
    except EmptyResultSet:
        return []
    statement = sql(_MATCHING, ids=Sql("%s", (list(ids),)), condition=condition)
    return _ids(statement.text, statement.values)


def _next() -> list[NotificationArrival]:
    """Arrivals that no other worker has, with about MOST_IDS anomalies together."""
    free = NotificationArrival.objects.select_for_update(skip_locked=True).order_by("id")
    taken: list[NotificationArrival] = []
    for arrival in free[:MOST_ARRIVALS]:
        if taken and sum(len(one.ids) for one in taken) + len(arrival.ids) > MOST_IDS:
            break
        taken.append(arrival)
    return taken


def _take(ids: list[UUID], now: datetime) -> None:
    for rule in owned_rules():
        found = matching(rule, ids) if rule.condition in ABOUT_ANOMALIES else []
        if not found:
            continue
        if rule.condition == Condition.UNASSIGNED:
            _watch(rule, found)
        elif rule.condition == Condition.NEW_PATTERN:
            new = set(_ids(_FIRST_OF_PATTERN, {"ids": found, "rule": rule.pk}))
            _notify(rule, [each for each in found if each in new], now)
        else:
            _notify(rule, found, now)


def _notify(rule: NotificationRule, found: Sequence[UUID], now: datetime) -> None:
    if found:
        add_to_digest(rule, len(found), items_of(found[:MOST]), now)


def _watch(rule: NotificationRule, found: Sequence[UUID]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_WATCH, {"rule": rule.pk, "minutes": rule.minutes, "ids": list(found)})


def _ids(statement: str, values: Sequence[Any] | Mapping[str, Any]) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [key for (key,) in cursor.fetchall()]
