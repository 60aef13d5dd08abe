"""Agreement, backlog and the whole report."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from anomalies.audit import Actor
from anomalies.models import Anomaly
from anomalies.queries import hourly_rollup
from anomalies.queries.shift import report
from anomalies.queries.shift.agreement import Agreement, agreement
from anomalies.queries.shift.backlog import backlog
from anomalies.queries.shift.report import shift
from anomalies.triage.decisions import decide
from tests.support.databases import run
from tests.support.factories import NOON, make_anomaly, other_program

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
ANA, BO = Actor("ana"), Actor("bo")


def of(host: str) -> Anomaly:
    """A new anomaly of this host's pattern."""
    made = make_anomaly(metadata={"host": host}, created_at=NOON)
    return Anomaly.objects.get(pk=made.pk)


def agreed() -> Agreement:
    keys = Anomaly.objects.values_list("pattern", flat=True).distinct()
    return agreement(list(keys)).now()


def test_of_patterns_decided_by_two_people_the_share_with_one_answer_is_their_agreement():
    for actor in (ANA, BO):
        decide("acknowledge", [of("same").pk], actor)
    decide("acknowledge", [of("other").pk], ANA)
    decide("dismiss", [of("other").pk], BO, reason="other")
    assert agreed() == Agreement(patterns=2, agreed=1) and agreed().share == 0.5


def test_one_person_alone_agrees_with_nobody():
    for _ in range(2):
        decide("acknowledge", [of("same").pk], ANA)
    assert agreed() == Agreement(0, 0) and agreed().share is None


def test_what_was_decided_on_arrival_is_no_person_s_answer():
    decide("acknowledge", [of("same").pk], ANA)
    with other_program():
        decided = {"status": "dismissed", "dismissed_by": "lea", "dismissed_at": NOON, "created_at": NOON}
        make_anomaly(metadata={"host": "same"}, **decided)
    assert agreed() == Agreement(0, 0)


def waiting(*hours: int) -> None:
    for back in hours:
        make_anomaly(timestamp=NOON - back * HOUR)


@pytest.mark.parametrize("is_folded", [False, True], ids=["not folded", "folded"])
def test_the_backlog_s_age_is_given_by_median_ninth_decile_and_oldest(is_folded):
    waiting(*range(1, 11))
    make_anomaly(timestamp=NOON - 99 * HOUR, status="acknowledged")
    if is_folded:
        hourly_rollup.fold()
    found = backlog(NOON)
    assert (found.count, found.median, found.p90) == (10, 5 * HOUR, 9 * HOUR)
    assert found.oldest.timestamp == NOON - 10 * HOUR


def test_no_age_is_above_that_of_the_oldest_one():
    waiting(10 / 60)
    found = backlog(NOON + HOUR / 2)
    assert found.median == found.p90 == NOON + HOUR / 2 - found.oldest.timestamp


def test_an_age_beyond_what_is_read_is_not_stated():
    waiting(1, 24 * 100)
    found = backlog(NOON)
    assert (found.count, found.median, found.p90, found.is_long) == (2, HOUR, None, True)


def test_nothing_open_has_no_age():
    found = backlog(NOON)
    assert (found.count, found.median, found.p90, found.oldest, found.is_long) == (0, None, None, None, False)


def test_while_the_roll_up_is_built_the_backlog_is_not_counted():
    waiting(1)
    run("INSERT INTO anomaly_hour_deltas VALUES (DEFAULT, NULL, '', '', false, 0, 0, 0)")
    assert backlog(NOON).count is None


def test_moments_that_never_come_and_those_to_come_have_an_age():
    waiting(-5)
    make_anomaly()
    with other_program():
        run("UPDATE anomalies SET timestamp = 'infinity' WHERE timestamp = %s", NOON)
    found = backlog(NOON)
    assert (found.count, found.median) == (2, timedelta())


def test_a_report_has_the_contradictions_with_decisions_of_earlier_shifts():
    decide("acknowledge", [of("web").pk], ANA)
    begin = timezone.now()
    decide("dismiss", [of("web").pk], BO, reason="other")
    found = shift(begin, begin + HOUR, begin + HOUR)
    assert [each.username for each in found.record.decided] == ["bo"]
    [opposed] = found.contradictions
    assert [side.by for side in opposed.sides] == ["ana", "bo"]
    assert found.agreement == Agreement(1, 0)


def test_of_more_patterns_than_are_compared_it_says_so(monkeypatch):
    monkeypatch.setattr(report, "PATTERNS", 1)
    decide("acknowledge", [of(host).pk for host in ("web", "db")], ANA)
    now = timezone.now()
    assert shift(now - HOUR, now + HOUR, now).is_part
