"""Conditions that are no arrival: anomalies that nobody took, rules that stopped, silent detectors.

Each is looked up where it stands already, and what a rule has notified of is kept in notification_seen, so
that it does so once: for a detector, once for each silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from anomalies.ingest import detectors
from anomalies.models import (
    OPEN,
    TEAM_SIGN,
    Anomaly,
    Condition,
    NotificationRule,
    NotificationSeen,
    NotificationWatch,
    TriageRule,
)
from anomalies.queries.patterns.rules import templates

from .collecting import add_to_digest, matching
from .items import MOST, Item, event, items_of, most_unusual
from .rules import owned_rules

MOST_WATCHES = 1_000  # of one step
SEEN_KEPT = timedelta(days=30)
_LOOKED_BACK = timedelta(days=7)  # for rules that stopped
_DETECTOR = "detector "
_LONGEST_SUBJECT = 600

_NOTE = """
    INSERT INTO notification_seen (rule_id, subject)
    SELECT %(rule)s, subject FROM unnest(%(subjects)s::text[]) AS subject ORDER BY subject
    ON CONFLICT DO NOTHING RETURNING subject
"""
_LOOKED_AT = """
    DELETE FROM notification_watches AS watch
    USING unnest(%(rules)s::uuid[], %(ids)s::uuid[]) AS done (rule_id, anomaly_id)
    WHERE watch.rule_id = done.rule_id AND watch.anomaly_id = done.anomaly_id
"""


def look_once(now: datetime | None = None) -> bool:
    """Look at all that is due to be looked at; True if there is more."""
    now = now or timezone.now()
    with transaction.atomic():
        for rule in owned_rules():
            if rule.condition == Condition.ESCALATED:
                _notify_once(rule, _stopped_rules(rule, now), now)
            elif rule.condition == Condition.SILENT:
                _notify_of_silence(rule, now)
    return _look_at_watches(now)


def forget_seen(now: datetime | None = None) -> bool:
    """Delete what was notified of long ago; True if there was any."""
    before = (now or timezone.now()) - SEEN_KEPT
    return bool(NotificationSeen.objects.filter(seen_at__lt=before).delete()[0])


# --- unassigned -------------------------------------------------------------------------------------------


def _look_at_watches(now: datetime) -> bool:
    """Take the watches that are due; what is still undecided, unassigned and awake is notified of."""
    with transaction.atomic():
        free = NotificationWatch.objects.select_for_update(skip_locked=True)
        due = list(free.filter(due_at__lte=now).order_by("due_at")[:MOST_WATCHES])
        rules = {rule.pk: rule for rule in owned_rules()} if due else {}
        for pk in sorted({watch.rule_id for watch in due} & rules.keys()):
            _notify_of_open(rules[pk], [watch.anomaly_id for watch in due if watch.rule_id == pk], now)
        values = {"rules": [each.rule_id for each in due], "ids": [each.anomaly_id for each in due]}
        with connection.cursor() as cursor:
            cursor.execute(_LOOKED_AT, values)
    return len(due) == MOST_WATCHES


def _notify_of_open(rule: NotificationRule, ids: Iterable[UUID], now: datetime) -> None:
    # A team that owns it is nobody who took it.
    unassigned = Q(assigned_to=None) | Q(assigned_to__startswith=TEAM_SIGN)
    still = Anomaly.objects.filter(unassigned, pk__in=list(ids), status__in=OPEN, snoozed_at=None)
    found = matching(rule, still.values_list("pk", flat=True))
    if found:
        add_to_digest(rule, len(found), items_of(found[:MOST]), now)


# --- rules that stopped, detectors that are silent --------------------------------------------------------


def _stopped_rules(rule: NotificationRule, now: datetime) -> dict[str, Item]:
    """The triage rules that stopped by themselves since this rule was made, by subject."""
    since = max(rule.created_at, now - _LOOKED_BACK)
    stopped = list(
        TriageRule.objects.filter(stopped_by=None, stopped_at__gte=since).order_by("stopped_at", "id")
    )
    known = templates(stopped)
    found = {}
    for each in stopped:
        about = known.get(each.pattern) if each.pattern else None
        title = f"{each.action} {about or each.source or each.stream_type}: {each.stop_reason}"
        found[f"rule {each.pk}"] = event("rule", title, (each.stopped_at or now).isoformat())
    return found


def _notify_of_silence(rule: NotificationRule, now: datetime) -> None:
    found = {
        f"{_DETECTOR}{one.name}"[:_LONGEST_SUBJECT]: event(
            "detector", f"{one.name}: {one.message}", one.reported_at.isoformat()
        )
        for one in detectors(now)
        if one.message
    }
    seen = NotificationSeen.objects.filter(rule_id=rule.pk, subject__startswith=_DETECTOR)
    seen.exclude(subject__in=found).delete()  # it reports again: the next silence is another one
    _notify_once(rule, found, now)


def _notify_once(rule: NotificationRule, found: Mapping[str, Item], now: datetime) -> None:
    """Notify of those that this rule has not notified of."""
    if not found:
        return
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, {"rule": rule.pk, "subjects": list(found)})
        new = [found[subject] for (subject,) in cursor.fetchall()]
    if new:
        add_to_digest(rule, len(new), most_unusual(new), now)
