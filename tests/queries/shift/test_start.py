"""The beginning of a shift: what waits, which patterns are new, what was done last."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from anomalies.audit import Actor
from anomalies.models import Anomaly
from anomalies.queries import hourly_rollup
from anomalies.queries.shift import start
from anomalies.queries.shift.backlog import first_open
from anomalies.queries.shift.start import new_patterns, recent_actions
from anomalies.thresholds import activate, active_config
from anomalies.triage.assignment import assign
from anomalies.triage.decisions import decide
from tests.support.databases import run
from tests.support.factories import NOON, anomaly_values, make_anomaly, make_user
from tests.support.plans import explain, rows_read

pytestmark = pytest.mark.django_db

ANA = Actor("ana")
HOUR = timedelta(hours=1)


def at(hours: int, **over) -> Anomaly:
    return make_anomaly(timestamp=NOON - hours * HOUR, **over)


def test_the_oldest_open_anomalies_come_first_and_decided_ones_are_left_out():
    young, old = at(1), at(5)
    decide("acknowledge", [at(9).pk], ANA)
    decide("investigate", [old.pk], ANA)
    assert [row.pk for row in first_open(5).rows] == [old.pk, young.pk]


def test_those_of_an_assignee_are_hers_alone():
    make_user("analyst", "cleo")
    hers, _ = at(1), at(2)
    assign([hers.pk], "cleo", ANA)
    assert [row.pk for row in first_open(5, assigned_to="cleo").rows] == [hers.pk]


@pytest.mark.parametrize("is_folded", [False, True], ids=["not folded", "folded"])
def test_a_pattern_is_new_for_a_day_while_it_is_open(is_folded):
    at(1, metadata={"host": "new"})
    at(2, metadata={"host": "decided"}, status="acknowledged")
    at(30, metadata={"host": "old"})
    if is_folded:
        hourly_rollup.fold()
    at(1, metadata={"host": "old"})
    [found] = new_patterns(NOON, 5).now()
    assert (found.source, found.open, found.first_seen) == ("new", 1, NOON - HOUR)


def test_a_decision_about_many_is_one_action_and_arrivals_and_logins_are_none():
    decide("dismiss", [at(n).pk for n in range(3)], ANA, reason="other")
    run("SELECT audit_event('login', 'session', NULL, '{}')")
    [found] = recent_actions().now()
    assert (found.username, found.action, found.count) == ("ana", "dismiss", 3)


def test_a_switch_of_the_config_is_an_action_with_its_number():
    config = active_config()
    config.pk = None
    config.is_active = False
    config.save(force_insert=True)
    activate(config.pk, ANA)
    found = recent_actions().now()
    assert ("ana", "activate", "detection_config", str(config.pk)) in [
        (each.username, each.action, each.resource_type, each.number) for each in found
    ]


def test_few_entries_are_read_whatever_the_audit_log_holds(monkeypatch):
    Anomaly.objects.bulk_create(Anomaly(**anomaly_values()) for _ in range(5_000))
    decide("dismiss", list(Anomaly.objects.values_list("pk", flat=True)), ANA, reason="other")
    run("ANALYZE audit_log")
    with CaptureQueriesContext(connection) as queries:
        recent_actions().now()
    assert rows_read(explain(queries[0]["sql"]), "audit_log") <= start.LOOKED_AT


def test_an_empty_desk_has_nothing_to_begin_with():
    assert first_open(5).rows == [] == new_patterns(timezone.now(), 5).now()
