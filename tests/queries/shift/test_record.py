"""The decisions of a shift by the audit log, whatever has become of their anomalies since."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from anomalies.audit import Actor
from anomalies.models import Anomaly, Pattern
from anomalies.queries.shift import record as module
from anomalies.queries.shift.record import Record, Undone, Waits, record
from anomalies.triage.decisions import decide
from anomalies.triage.rules import NewRule, make
from anomalies.triage.undo import undo
from tests.support.databases import run
from tests.support.factories import anomaly_values, make_anomaly, make_user
from tests.support.plans import explain, indexes_of, rows_read

pytestmark = pytest.mark.django_db

ANA, BO = Actor("ana"), Actor("bo")


def lost(count: int = 1, *, minutes: int = 30, **over) -> list:
    """The ids of anomalies of one pattern that were stored some minutes ago."""
    stored = timezone.now() - timedelta(minutes=minutes)
    return [
        make_anomaly(glass_box_explanation=f"process {n} lost", created_at=stored, **over).pk
        for n in range(count)
    ]


def last_hour() -> Record:
    now = timezone.now()
    return record(now - timedelta(hours=1), now + timedelta(hours=1))


def test_what_was_decided_is_summed_up_by_person_pattern_and_reason():
    decide("dismiss", lost(3), ANA, reason="duplicate")
    decide("dismiss", lost(2), ANA, reason="duplicate")
    decide("acknowledge", lost(1), BO)
    found = {each.username: each for each in last_hour().decided}
    ana = found["ana"]
    assert (ana.action, ana.reason, ana.anomalies, ana.decisions) == ("dismiss", "duplicate", 5, 2)
    assert (ana.template, ana.source, ana.stream_type) == ("process # lost", "db1", "logs")
    assert (found["bo"].action, found["bo"].anomalies, found["bo"].changed) == ("acknowledge", 1, 0)


def test_what_was_decided_before_and_after_is_not_in_it():
    decide("acknowledge", lost(), ANA)
    now = timezone.now()
    hour = timedelta(hours=1)
    assert record(now - 2 * hour, now - hour).decided == ()
    assert record(now + hour, now + 2 * hour).decided == ()


def test_a_decision_that_was_reopened_still_counts_and_says_that_it_changed():
    rows = lost(2)
    decide("acknowledge", rows, ANA)
    decide("reopen", rows[:1], BO)
    found = {each.action: each for each in last_hour().decided}
    assert (found["acknowledge"].anomalies, found["acknowledge"].changed) == (2, 1)
    assert found["reopen"].username == "bo"


def test_a_decision_about_many_is_one_time_to_a_decision():
    decide("dismiss", lost(9, minutes=60), ANA, reason="other")
    decide("acknowledge", lost(1, minutes=20), ANA)
    assert last_hour().waits == Waits(2, pytest.approx(40 * 60, abs=5), pytest.approx(56 * 60, abs=5))


def test_a_person_s_row_counts_decisions_and_anomalies():
    decide("dismiss", lost(4), ANA, reason="other")
    decide("investigate", lost(1), ANA)
    [ana] = last_hour().people
    assert (ana.decisions, ana.dismiss, ana.investigate, ana.acknowledge) == (2, 4, 1, 0)
    assert ana.median == pytest.approx(30 * 60, abs=5)


def test_what_was_undone_names_who_decided_and_who_took_it_back():
    batch = decide("acknowledge", lost(2), ANA).batch
    undo(str(batch), BO, uuid4())
    record_of_both = last_hour()
    [found] = record_of_both.undone
    assert {each.username: (each.decisions, each.undo) for each in record_of_both.people} == {
        "ana": (1, 0),
        "bo": (0, 2),
    }
    assert found == Undone("bo", "ana", "acknowledge", str(batch), 2, found.at)


def test_what_a_rule_did_is_counted_apart():
    make_user("lead", "lea")
    lost(1)
    run("SELECT fold_anomaly_patterns()")
    pattern = Pattern.objects.get().key
    make(NewRule("dismiss", "nightly", reason="known_harmless", pattern=pattern), Actor("lea"))
    for n in range(3):
        make_anomaly(glass_box_explanation=f"process {n} lost")
    found = last_hour()
    [work] = found.rules
    assert (work.owner, work.action, work.anomalies) == ("lea", "dismiss", 3)
    assert (found.decided, found.people, found.waits.n) == ((), (), 0)
    assert found.patterns == (pattern,)


def test_an_anomaly_that_was_deleted_keeps_its_decision_without_a_pattern():
    rows = lost(1)
    decide("acknowledge", rows, ANA)
    run("SET LOCAL driftlock.requires_actor = off")
    Anomaly.objects.filter(pk__in=rows).delete()
    [found] = last_hour().decided
    assert (found.pattern, found.template, found.changed) == (None, "", 1)


def test_of_more_entries_than_are_read_it_says_from_when_on_they_are_complete(monkeypatch):
    monkeypatch.setattr(module, "READ", 2)
    decide("dismiss", lost(5), ANA, reason="other")
    found = last_hour()
    assert found.entries == 2 and found.reached is not None
    assert found.reached > timezone.now() - timedelta(minutes=1)


def test_of_more_rows_than_a_table_shows_it_says_so(monkeypatch):
    monkeypatch.setattr(module, "ROWS", 1)
    for actor in (ANA, BO):
        decide("acknowledge", lost(1), actor)
    found = last_hour()
    assert len(found.decided) == 1 and {"decided", "people"} <= found.cut


def test_nothing_decided_is_an_empty_record():
    found = last_hour()
    assert (found.entries, found.reached, found.decided, found.waits) == (0, None, (), Waits(0, None, None))


@pytest.mark.parametrize("learned", ["ANALYZE", "DELETE FROM pg_statistic"])
def test_entries_are_read_along_their_time_and_anomalies_by_key_whatever_the_planner_knows(
    monkeypatch, learned
):
    monkeypatch.setattr(module, "READ", 100)
    Anomaly.objects.bulk_create(Anomaly(**anomaly_values()) for _ in range(2_000))
    decide("dismiss", list(Anomaly.objects.values_list("pk", flat=True)), ANA, reason="other")
    run(learned)
    with CaptureQueriesContext(connection) as queries:
        last_hour()
    (sql,) = [each["sql"] for each in queries if "MATERIALIZED" in each["sql"]]
    for name in ("enable_sort", "enable_bitmapscan", "enable_seqscan"):
        run(f"SET LOCAL {name} = off")  # as it was read
    plan = explain(sql)
    assert rows_read(plan, "audit_log") <= 101
    assert indexes_of(plan, "audit_log") == {"idx_audit_log_timestamp"}
    assert rows_read(plan) <= 101 and indexes_of(plan) == {"anomalies_pkey"}


def test_the_planner_s_settings_are_as_before_afterwards():
    before = run("SHOW enable_sort")
    last_hour()
    assert run("SHOW enable_sort") == before == [("on",)]
