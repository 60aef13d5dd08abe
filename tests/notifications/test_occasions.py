"""Conditions that are no arrival: each is notified of once, and a new silence of a detector again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from anomalies.audit import Actor, acting
from anomalies.ingest.heartbeats import store_report
from anomalies.models import (
    Anomaly,
    NotificationDelivery,
    NotificationSeen,
    NotificationWatch,
    PerformanceMetric,
    TriageRule,
)
from anomalies.notifications.occasions import SEEN_KEPT, forget_seen, look_once
from anomalies.notifications.rules import stop
from tests.support.factories import make_anomaly

from .test_collecting import collect, totals

pytestmark = pytest.mark.django_db

LATER = timedelta(minutes=31)


def titles() -> list[str]:
    return sorted(
        item["title"]
        for items in NotificationDelivery.objects.values_list("items", flat=True)
        for item in items
    )


@pytest.fixture
def watched(rule) -> Anomaly:
    """An anomaly that a rule about unassigned ones has seen arrive, and another one that does not match."""
    rule(condition="unassigned", minutes=30, query="ncd_min=0.9")
    make_anomaly(ncd_score=0.5)
    anomaly = make_anomaly(ncd_score=0.95)
    collect()
    return anomaly


def test_what_nobody_took_within_the_minutes_is_notified_of_once(watched):
    look_once(timezone.now() + timedelta(minutes=29))
    assert totals() == {}
    for _ in range(2):
        look_once(timezone.now() + LATER)
    assert totals() == {"ours": 1}
    assert not NotificationWatch.objects.exists()


@pytest.mark.parametrize(
    "over",
    [
        {"assigned_to": "ana", "assigned_by": "ana", "assigned_at": timezone.now()},
        {"status": "acknowledged", "acknowledged_by": "ana", "acknowledged_at": timezone.now()},
        {"snoozed_by": "ana", "snoozed_at": timezone.now(), "snoozed_until": timezone.now()},
        {"ncd_score": 0.5},
    ],
    ids=["assigned", "decided", "snoozed", "no longer a match"],
)
def test_what_somebody_took_or_decided_or_put_off_is_not(watched, over):
    with acting(Actor("ana")):
        Anomaly.objects.filter(pk=watched.pk).update(**over)
    look_once(timezone.now() + LATER)
    assert totals() == {}
    assert not NotificationWatch.objects.exists()


def test_what_only_a_team_owns_counts_as_unassigned(watched):
    with acting(Actor("ana")):
        Anomaly.objects.filter(pk=watched.pk).update(assigned_to="#payments")
    look_once(timezone.now() + LATER)
    assert totals() == {"ours": 1}


def test_a_rule_that_was_stopped_looks_at_nothing_any_more(watched):
    stop([NotificationWatch.objects.get().rule_id], Actor("lead"))
    look_once(timezone.now() + LATER)
    assert totals() == {}
    assert not NotificationWatch.objects.exists()


def stopped(**over: Any) -> TriageRule:
    now = timezone.now()
    given = {"stopped_at": now + timedelta(seconds=1), "stop_reason": "NCD 0.99 of anomaly x is above 0.75"}
    about = {"pattern": uuid4(), "source": "pay", "ncd_limit": 0.7, "hourly_limit": 9}
    return TriageRule.objects.create(
        action="snooze",
        owner="ana",
        note="n",
        expires_at=now + timedelta(days=9),
        **about,
        **{**given, **over},
    )


def test_a_rule_for_what_comes_that_stopped_by_itself_is_notified_of_once(rule):
    rule(condition="escalated")
    stopped()
    stopped(stopped_by="bob")
    stopped(stopped_at=timezone.now() - timedelta(days=1))
    stopped(stopped_at=None, stop_reason=None)
    for _ in range(2):
        look_once()
    assert titles() == ["snooze pay: NCD 0.99 of anomaly x is above 0.75"]


def test_a_silent_detector_is_notified_of_once_and_again_at_its_next_silence(rule):
    rule(condition="silent")
    for state in ("silent", "silent", "running", "silent"):
        store_report("web.log", "web1", state, "no lines for 9 min" if state == "silent" else "")
        look_once()
    assert totals() == {"ours": 2}
    assert titles()[0] == "web.log on web1: no lines for 9 min"


def test_a_detector_that_does_not_report_is_notified_of(rule):
    rule(condition="silent")
    store_report("web.log", "web1", "running", "")
    look_once()
    assert totals() == {}
    PerformanceMetric.objects.update(timestamp=timezone.now() - timedelta(hours=2))
    look_once()
    assert "no report for 2 h" in titles()[0]


def test_what_was_notified_of_is_forgotten_after_30_days(rule):
    made = rule(condition="silent")
    NotificationSeen.objects.create(rule_id=made.pk, subject="x")
    assert not forget_seen(timezone.now() + SEEN_KEPT - timedelta(minutes=1))
    assert forget_seen(timezone.now() + SEEN_KEPT + timedelta(minutes=1))
