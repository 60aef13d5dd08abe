"""Patterns with opposite decisions: found whoever wrote them, wherever they are in the table."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from anomalies.audit import Actor
from anomalies.models import Anomaly
from anomalies.queries import hourly_rollup
from anomalies.queries.bounded.index_order import index_order
from anomalies.queries.shift import contradictions as module
from anomalies.queries.shift.contradictions import contradictions
from anomalies.triage.decisions import decide
from tests.support.databases import run
from tests.support.factories import NOON, anomaly_values, make_anomaly, other_program
from tests.support.plans import explain, indexes_of, rows_read

pytestmark = pytest.mark.django_db


def lost(number: int = 0, **over) -> Anomaly:
    """An anomaly of the pattern "process # lost", or of another service's."""
    given = {"created_at": NOON} | over
    return make_anomaly(glass_box_explanation=f"process {number} lost", **given)


def opposed(**over) -> None:
    decide("acknowledge", [lost(1, **over).pk], Actor("ana"))
    decide("dismiss", [lost(2, **over).pk, lost(3, **over).pk], Actor("bo"), reason="known_harmless")


def test_opposite_decisions_about_a_pattern_are_found_with_people_and_numbers():
    opposed()
    (found,) = contradictions()
    acknowledged, dismissed = found.sides
    assert (found.template, found.source, found.stream_type) == ("process # lost", "db1", "logs")
    assert (acknowledged.count, acknowledged.people, acknowledged.reasons) == (1, ("ana",), ())
    assert (dismissed.count, dismissed.people, dismissed.reasons) == (2, ("bo",), ("known and harmless",))
    assert (acknowledged.by, dismissed.by) == ("ana", "bo")


@pytest.mark.parametrize("is_folded", [False, True], ids=["not folded", "folded"])
def test_it_is_found_before_and_after_the_roll_up_is_folded(is_folded):
    opposed()
    if is_folded:
        hourly_rollup.fold()
    assert len(list(contradictions())) == 1


def test_of_two_sources_each_may_decide_otherwise():
    decide("acknowledge", [lost(metadata={"host": "db1"}).pk], Actor("ana"))
    decide("dismiss", [lost(metadata={"host": "db2"}).pk], Actor("bo"), reason="other")
    assert list(contradictions()) == []


def test_what_was_reopened_contradicts_nothing():
    opposed()
    (found,) = contradictions()
    decide("reopen", [found.sides[0].anomaly], Actor("ana"))
    assert list(contradictions()) == []


def test_all_patterns_are_walked_page_by_page(monkeypatch):
    monkeypatch.setattr(module, "PAGE", 2)
    for host in "abcde":
        opposed(metadata={"host": host})
    assert {each.source for each in contradictions()} == set("abcde")


def test_since_a_time_are_those_with_a_decision_since_then():
    opposed()
    now = timezone.now()
    assert len(list(contradictions(now - timedelta(hours=1)))) == 1
    assert list(contradictions(now + timedelta(hours=1))) == []


def test_the_last_decision_is_found_about_the_oldest_anomaly_of_many(monkeypatch):
    monkeypatch.setattr(module, "NEWEST", 2)
    opposed()
    decide("acknowledge", [lost(n).pk for n in range(3)], Actor("ana"))
    old = lost(timestamp=NOON - timedelta(days=365))
    with other_program():
        later = timezone.now() + timedelta(minutes=1)
        Anomaly.objects.filter(pk=old.pk).update(
            status="acknowledged", acknowledged_by="cleo", acknowledged_at=later
        )
    (found,) = contradictions()
    assert (found.sides[0].anomaly, found.sides[0].by, found.last_at) == (old.pk, "cleo", later)


def test_what_was_decided_on_arrival_says_so_and_without_a_name_is_nobody_s():
    now = timezone.now()
    with other_program():
        lost(status="dismissed", dismissed_by="lea", dismissed_at=now, created_at=now)
        lost(status="acknowledged", acknowledged_at=now)
    (found,) = contradictions()
    assert [side.people for side in found.sides] == [(), ("lea (on arrival)",)]


def test_a_time_that_never_comes_is_no_time():
    opposed()
    with other_program():
        run("UPDATE anomalies SET dismissed_at = 'infinity' WHERE status = 'dismissed'")
    (found,) = contradictions()
    assert found.sides[1].at is None


@pytest.mark.parametrize(
    "learned",
    [
        "ANALYZE anomalies",
        "DELETE FROM pg_statistic",
        "UPDATE pg_class SET reltuples = 10, relpages = 1 WHERE relname = 'anomalies'",
    ],
)
def test_few_rows_are_read_whatever_the_planner_knows(learned):
    with other_program():
        Anomaly.objects.bulk_create(
            Anomaly(
                **anomaly_values(
                    glass_box_explanation=f"process {n} lost" if n % 10 else f"word {chr(97 + n % 7)}",
                    status="dismissed" if n % 3 else "acknowledged",
                    dismissed_at=timezone.now() if n % 3 else None,
                    acknowledged_at=None if n % 3 else timezone.now(),
                )
            )
            for n in range(3_000)
        )
    run(learned)
    with CaptureQueriesContext(connection) as queries:
        assert list(contradictions())
    with index_order():  # as it was read
        (plan,) = [explain(each["sql"]) for each in queries if "newest" in each["sql"]]
    # Eight patterns, two sides each, by two indexes, at most NEWEST rows of each.
    assert rows_read(plan) <= 8 * 2 * 2 * module.NEWEST
    assert indexes_of(plan) == {"idx_anomalies_walk_pattern", "idx_anomalies_pattern_decided"}
