"""Snoozed anomalies: asleep until a clause of their rule is met, to the microsecond and the last digit."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from anomalies.audit import Actor, acting, history
from anomalies.models import Anomaly, AuditLog
from anomalies.triage.decisions import MOVES, DecisionError, add_note, decide
from anomalies.triage.snooze import Rule, end_snooze, sentence, snooze, wake
from anomalies.triage.undo import undo
from tests.support.factories import make_anomaly, other_program

pytestmark = pytest.mark.django_db

ANA = Actor("ana", "10.0.0.7", via="/admin/")
DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
SOON = Rule(until=datetime(2099, 1, 1, 9, tzinfo=UTC))


def asleep(rule: Rule = SOON, **over: Any) -> Anomaly:
    """An anomaly that ana snoozed, an hour ago."""
    anomaly = make_anomaly(created_at=timezone.now() - 2 * DAY, **over)
    snooze([anomaly.pk], rule, ANA)
    with acting(ANA):
        Anomaly.objects.filter(pk=anomaly.pk).update(snoozed_at=timezone.now() - timedelta(hours=1))
    return Anomaly.objects.get(pk=anomaly.pk)


def sleeps(anomaly: Anomaly) -> bool:
    row = Anomaly.objects.get(pk=anomaly.pk)
    if row.snoozed_at is None:
        assert [getattr(row, name) for name in Anomaly.SNOOZE] == [None] * 5
    return row.snoozed_at is not None


def arrive(anomaly: Anomaly, after: timedelta, **over: Any) -> Anomaly:
    """Another of its stream, so long after the snooze."""
    values = {"stream_type": anomaly.stream_type, "ncd_score": 0.5, **over}
    return make_anomaly(created_at=anomaly.snoozed_at + after, **values)


def actions(anomaly: Anomaly) -> list[str]:
    return [entry.action for entry in history(anomaly.pk) if entry.action != "create"]


# --- the rule ---------------------------------------------------------------------------------------------


def test_a_rule_is_said_in_one_sentence():
    anomaly = asleep(Rule(SOON.until, 0.9, 5))
    assert (
        sentence(anomaly)
        == "snoozed by ana until 2099-01-01 09:00 UTC, or NCD above 0.9, or 5 more logs in 24 h"
    )


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule(ncd_above=0.1 + 0.2), "until NCD above 0.30000000000000004"),
        (Rule(ncd_above=0.0), "until NCD above 0.0"),
        (Rule(more=1), "until 1 more log in 24 h"),
        (Rule(SOON.until + timedelta(seconds=5)), "until 2099-01-01 09:00:05 UTC"),
        (Rule(SOON.until + timedelta(milliseconds=50)), "until 2099-01-01 09:00:00.05 UTC"),
    ],
)
def test_a_rule_says_exactly_what_it_is(rule, words):
    assert rule.in_words("logs") == words


def test_a_time_is_said_in_the_zone_that_is_asked_for():
    words = SOON.in_words("logs", ZoneInfo("Asia/Kolkata"))
    assert words == "until 2099-01-01 14:30 Asia/Kolkata"


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (Rule(), "Say until when"),
        (Rule(until=datetime(2020, 1, 1, tzinfo=UTC)), "That time has come already"),
        (Rule(ncd_above=1.0), "No NCD is above 1"),
        (Rule(ncd_above=-0.1), "none below 0"),
        (Rule(ncd_above=float("nan")), "No NCD"),
        (Rule(more=0), "from 1 to 1,000"),
        (Rule(more=1_001), "from 1 to 1,000"),
        (Rule(SOON.until, more=0), "from 1 to 1,000"),
    ],
)
def test_a_rule_by_which_nothing_can_sleep_is_refused(rule, why):
    anomaly = make_anomaly()
    with pytest.raises(DecisionError, match=why):
        snooze([anomaly.pk], rule, ANA)
    assert not sleeps(anomaly)


# --- falling asleep ---------------------------------------------------------------------------------------


def test_a_snooze_is_on_record_with_its_rule():
    anomaly = make_anomaly()
    snooze([anomaly.pk], Rule(SOON.until, 0.9, 5), ANA)
    entry = history(anomaly.pk)[0]
    assert (entry.action, entry.username) == ("snooze", "ana")
    assert entry.note == "until 2099-01-01 09:00 UTC, or NCD above 0.9, or 5 more of its stream in 24 h"
    assert sorted(entry.values) == sorted(Anomaly.SNOOZE)
    assert Anomaly.objects.get().notes is None


@pytest.mark.parametrize("status", ["pending", "investigating"])
def test_what_is_undecided_can_sleep(status):
    anomaly = make_anomaly(status=status)
    assert snooze([anomaly.pk], SOON, ANA).decided == (anomaly.pk,)


@pytest.mark.parametrize("status", ["acknowledged", "dismissed"])
def test_what_is_decided_can_not(status):
    anomaly = make_anomaly(status=status)
    refused = snooze([anomaly.pk], SOON, ANA).refused
    assert [each.why for each in refused] == [f"it is {status}; reopen it first"]


def test_a_new_rule_takes_the_place_of_the_former():
    anomaly = asleep(Rule(SOON.until, 0.9))
    snooze([anomaly.pk], Rule(more=2), Actor("bob"))
    assert sentence(Anomaly.objects.get()) == "snoozed by bob until 2 more logs in 24 h"


def test_what_changed_since_it_was_seen_is_not_snoozed():
    anomaly = make_anomaly()
    add_note(anomaly.pk, ANA, "look")
    assert snooze([anomaly.pk], SOON, ANA, seen={anomaly.pk: 1}).changed
    assert not sleeps(anomaly)


@pytest.mark.parametrize("seen", [True, False])
def test_the_same_snooze_sent_twice_is_one(seen):
    anomaly, batch = make_anomaly(), uuid4()
    given: dict[str, Any] = {"batch": batch, "seen": {anomaly.pk: 1} if seen else None}
    snooze([anomaly.pk], SOON, ANA, **given)
    assert snooze([anomaly.pk], SOON, ANA, **given).repeated == (anomaly.pk,)
    assert actions(anomaly) == ["snooze"]


def test_a_snooze_can_be_undone():
    anomaly, batch = asleep(Rule(more=2)), uuid4()
    before = Anomaly.objects.values(*Anomaly.SNOOZE).get()
    snooze([anomaly.pk], SOON, Actor("bob"), batch=batch)
    assert undo(str(batch), ANA, uuid4()).undone == 1
    assert Anomaly.objects.values(*Anomaly.SNOOZE).get() == before


# --- waking -----------------------------------------------------------------------------------------------


def test_it_wakes_at_the_time_and_not_before():
    anomaly = asleep(SOON)
    assert wake(at=SOON.until - TICK) == {}
    assert wake(at=SOON.until) == {anomaly.pk: "it is past 2099-01-01 09:00 UTC"}
    assert not sleeps(anomaly)


@pytest.mark.parametrize(
    ("ncd", "wakes"), [(0.9, False), (0.9000000000000001, True), (0.8, False), (1, True)]
)
def test_it_wakes_by_an_ncd_above_and_not_by_an_equal_one(ncd, wakes):
    anomaly = asleep(Rule(ncd_above=0.9))
    other = arrive(anomaly, TICK, ncd_score=ncd)
    assert bool(wake()) is wakes is not sleeps(anomaly)
    if wakes:
        assert history(anomaly.pk)[0].note == f"NCD {float(ncd)} above 0.9 by anomaly {other.pk}"


@pytest.mark.parametrize("rule", [Rule(ncd_above=0.1), Rule(more=1)], ids=["ncd", "more"])
@pytest.mark.parametrize(
    ("after", "over", "wakes"),
    [
        (TICK, {}, True),
        (timedelta(0), {}, False),
        (-TICK, {}, False),
        (TICK, {"stream_type": "metrics"}, False),
        (TICK, {"timestamp": datetime(2020, 1, 1, tzinfo=UTC)}, True),
        (TICK, {"status": "dismissed"}, True),
    ],
    ids=["after", "at once", "before", "another stream", "happened long ago", "decided on arrival"],
)
def test_what_counts_is_what_arrives_in_its_stream_after_the_snooze(rule, after, over, wakes):
    anomaly = asleep(rule)
    arrive(anomaly, after, **over)
    assert bool(wake()) is wakes is not sleeps(anomaly)


@pytest.mark.parametrize(
    ("gaps", "which"),
    [
        ([0, 1, 2], 2),
        ([0, 12, 24], 2),
        ([0, 12], None),
        ([0, 12, 24.001], None),
        ([0, 20, 30, 40], 3),
        ([0, 20, 44.5, 60, 69], None),
        ([0, 0, 0], 2),
    ],
)
def test_it_wakes_by_the_nth_within_any_24_hours(gaps, which):
    anomaly = asleep(Rule(more=3))
    arrivals = [arrive(anomaly, TICK + timedelta(hours=hours)) for hours in gaps]
    in_order = sorted(arrivals, key=lambda each: (each.created_at, each.pk))
    woken = wake()
    assert bool(woken) is (which is not None) is not sleeps(anomaly)
    if which is not None:
        words = f"3 more logs in 24 h, the last of them anomaly {in_order[which].pk}"
        assert woken == {anomaly.pk: words}


@pytest.mark.parametrize(
    ("until", "ncd_at", "more_at", "first"),
    [(1, 2, 3, "past"), (3, 1, 2, "NCD"), (3, 2, 1, "more"), (2, 2, 2, "past"), (3, 2, 2, "NCD")],
)
def test_of_several_clauses_the_first_that_was_met_is_named(until, ncd_at, more_at, first):
    anomaly = asleep(Rule(SOON.until, 0.9, 1 if more_at < ncd_at else 2))
    at = anomaly.snoozed_at
    with acting(ANA):
        Anomaly.objects.filter(pk=anomaly.pk).update(snoozed_until=at + until * TICK)
    arrive(anomaly, min(more_at, ncd_at) * TICK, ncd_score=0.95 if ncd_at <= more_at else 0.5)
    arrive(anomaly, max(more_at, ncd_at) * TICK, ncd_score=0.95)
    assert first in wake()[anomaly.pk]


def test_a_waking_is_on_record_with_the_clause_and_who_woke():
    anomaly = asleep(Rule(ncd_above=0.9))
    other = arrive(anomaly, TICK, ncd_score=0.93)
    wake()
    entry = history(anomaly.pk)[0]
    assert (entry.username, entry.action) == ("driftlock", "wake")
    assert entry.note == f"NCD 0.93 above 0.9 by anomaly {other.pk}"


def test_a_waking_leaves_all_others_asleep_and_alone():
    due, other = asleep(Rule(ncd_above=0.9)), asleep(Rule(ncd_above=0.95))
    arrive(due, DAY / 30, ncd_score=0.93)
    before = Anomaly.objects.get(pk=other.pk).version
    assert list(wake()) == [due.pk]
    assert Anomaly.objects.get(pk=other.pk).version == before


def test_what_is_awake_is_not_woken_again():
    anomaly = asleep(Rule(more=1))
    arrive(anomaly, TICK)
    assert (len(wake()), wake(), actions(anomaly).count("wake")) == (1, {}, 1)


def test_a_snooze_ended_by_hand_says_who_did():
    anomaly = asleep()
    end_snooze([anomaly.pk], Actor("bob"))
    assert not sleeps(anomaly)
    assert (history(anomaly.pk)[0].username, actions(anomaly)[0]) == ("bob", "wake")
    assert [each.why for each in end_snooze([anomaly.pk], ANA).refused] == ["it is not snoozed"]


@pytest.mark.parametrize("action", MOVES)
def test_a_decision_ends_a_snooze_and_its_undo_brings_it_back(action):
    anomaly = asleep(status="investigating" if action == "reopen" else "pending")
    before, batch = Anomaly.objects.values(*Anomaly.SNOOZE).get(), uuid4()
    decide(action, [anomaly.pk], ANA, reason="other" if action == "dismiss" else None, batch=batch)
    assert not sleeps(anomaly)
    assert history(anomaly.pk)[0].ends_snooze
    undo(str(batch), ANA, uuid4())
    assert Anomaly.objects.values(*Anomaly.SNOOZE).get() == before


def test_what_another_program_decided_wakes_without_a_clause():
    anomaly = asleep()
    with other_program():
        Anomaly.objects.filter(pk=anomaly.pk).update(status="dismissed")
    assert wake() == {anomaly.pk: "it is dismissed by now"}


def test_many_of_one_snooze_are_asked_about_once():
    rows = [make_anomaly() for _ in range(30)]
    snooze([each.pk for each in rows], Rule(SOON.until, 0.99, 900), ANA)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT (stream_type, snoozed_at)) FROM anomalies")
        assert cursor.fetchone() == (1,)
    assert len(wake(at=SOON.until)) == 30


def test_the_command_wakes_and_says_what_and_why():
    anomaly = asleep(Rule(more=1))
    arrive(anomaly, TICK)
    out, err = io.StringIO(), io.StringIO()
    call_command("wake", by="ops", stdout=out, stderr=err)
    assert out.getvalue().startswith(f"{anomaly.pk}\t1 more log in 24 h, the last of them anomaly ")
    assert err.getvalue().splitlines()[-1] == "woken 1, still snoozed 0"
    assert history(anomaly.pk)[0].username == "ops"


# --- many at once -----------------------------------------------------------------------------------------


def at_once(*doings: Callable[[], Any]) -> list[Any]:
    """The results of functions that run in parallel, each in its own thread and connection."""
    found: list[Any] = []

    def do(doing: Callable[[], Any]) -> None:
        try:
            found.append(doing())
        finally:
            connection.close()

    threads = [threading.Thread(target=do, args=[doing]) for doing in doings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_of_several_wakers_each_row_is_woken_by_one():
    rows = [make_anomaly() for _ in range(200)]
    snooze([each.pk for each in rows], SOON, ANA)
    woken = at_once(*[lambda: list(wake(at=SOON.until))] * 6)
    assert sorted(key for keys in woken for key in keys) == sorted(each.pk for each in rows)
    assert AuditLog.objects.filter(action="wake").count() == 200


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_what_somebody_is_deciding_about_is_left_to_them():
    free, held = make_anomaly(), make_anomaly()
    snooze([free.pk, held.pk], SOON, ANA)
    with transaction.atomic():
        list(Anomaly.objects.filter(pk=held.pk).select_for_update())
        assert at_once(lambda: list(wake(at=SOON.until))) == [[free.pk]]
    assert list(wake(at=SOON.until)) == [held.pk]
