"""Triage rules: applied by whichever statement inserts, on record, and undone at once."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from anomalies.audit import Actor, acting, history
from anomalies.audit.seals import seal
from anomalies.audit.verification import verify
from anomalies.models import Anomaly, AuditLog, RuleHour, TriageRule
from anomalies.queries import hourly_rollup
from anomalies.queries.overview import overview
from anomalies.triage import rules
from anomalies.triage.decisions import add_note, decide
from anomalies.triage.rules import NewRule, RuleError, limits_of, make, make_weekly, renew, state_of, stop
from anomalies.triage.undo import decision, undo
from tests.support.databases import connect, run
from tests.support.factories import NOON, anomaly_values, make_anomaly, make_user
from tests.support.seals import new_key

pytestmark = pytest.mark.django_db

LENA, DETECTOR = Actor("lena", "10.0.0.7", via="/admin/"), Actor("detector")
HOUR = datetime(2026, 11, 24, 8, tzinfo=UTC)
NEXT_NCD = 0.7 + rules.NCD_MARGIN


@pytest.fixture(autouse=True)
def lena(db) -> User:
    return make_user("lead", "lena")


def bring(count: int = 1, text: str = "process 1 lost", **over: Any) -> list[Anomaly]:
    """Anomalies of one statement, as they are after it."""
    values = anomaly_values(glass_box_explanation=text, metadata={"service": "web"}, **over)
    keys = [uuid4() for _ in range(count)]
    with acting(DETECTOR):
        Anomaly.objects.bulk_create(Anomaly(id=key, **values) for key in keys)
    found = Anomaly.objects.in_bulk(keys)
    return [found[key] for key in keys]


def rule_about(anomaly: Anomaly, action: str = "dismiss", **given: Any) -> TriageRule:
    given = {"reason": "known_harmless"} | given if action == "dismiss" else given
    return make(NewRule(action, "the nightly restart", pattern=anomaly.pattern, **given), LENA)


def window(**given: Any) -> TriageRule:
    now = timezone.now()
    given = {"window": (now - timedelta(hours=1), now + timedelta(hours=1)), "source": "web"} | given
    return make(NewRule("dismiss", "new disks", reason="known_harmless", **given), LENA)


def statuses(rows: list[Anomaly]) -> list[str]:
    return [each.status for each in rows]


# --- what it does -----------------------------------------------------------------------------------------


def test_what_comes_is_dismissed_as_its_owner_would_do_it():
    rule = rule_about(bring()[0])
    [came] = bring()
    assert (came.status, came.dismissed_by, came.dismissal_reason) == ("dismissed", "lena", "known_harmless")
    assert (came.dismissed_at is not None, came.notes, came.version) == (True, "the nightly restart", 2)
    assert bring(text="found")[0].status == "pending"
    assert RuleHour.objects.get(rule_id=rule.pk).hits == 1


def test_what_comes_is_assigned_or_sleeps_until_the_rule_expires():
    make_user("analyst", "ana")
    rule_about(bring(text="a")[0], "assign", assign_to="ana")
    sleeping = rule_about(bring(text="b")[0], "snooze")
    assigned, snoozed = bring(text="a")[0], bring(text="b")[0]
    assert (assigned.status, assigned.assigned_to, assigned.assigned_by) == ("pending", "ana", "lena")
    assert (snoozed.status, snoozed.snoozed_until) == ("pending", sleeping.expires_at)
    assert [history(each.pk)[0].action for each in (assigned, snoozed)] == ["assign", "snooze"]


def test_it_is_on_record_in_its_owners_name_with_the_rule():
    rule = rule_about(bring()[0])
    [came] = bring()
    entry = AuditLog.objects.get(resource_id=came.pk, action="dismiss")
    assert (entry.username, entry.ip_address, entry.old_values["status"]) == ("lena", None, "pending")
    assert entry.metadata["batch"] == entry.metadata["rule"] == str(rule.pk)
    assert entry.metadata["note"] == "the nightly restart"
    created = AuditLog.objects.get(resource_id=came.pk, action="create")
    assert (created.username, created.id < entry.id) == ("detector", True)


def test_what_the_writer_does_next_is_recorded_as_the_writers():
    rule_about(bring()[0])
    with acting(DETECTOR):
        make_anomaly(glass_box_explanation="process 1 lost", metadata={"service": "web"})
        make_anomaly(glass_box_explanation="found")
    assert AuditLog.objects.latest("id").username == "detector"


CONTRACT = """
    INSERT INTO anomalies (timestamp, stream_type, ncd_score, p_value, glass_box_explanation,
                           compression_baseline, compression_window, compression_combined, confidence_level)
    VALUES ('2026-11-24 08:00Z', 'logs', 0.7, 0.01, 'process 1 lost', 0.2, 0.5, 0.3, 0.99) RETURNING id
"""
COPIED = "2026-11-24 08:00Z\tlogs\t0.7\t0.01\tprocess 1 lost\t0.2\t0.5\t0.3\t0.99\n"


@pytest.mark.parametrize("way", ["insert", "copy"])
def test_a_program_that_knows_only_the_contract_is_served(way):
    known = make_anomaly(glass_box_explanation="process 1 lost", metadata=None)
    rule_about(Anomaly.objects.get(pk=known.pk))
    if way == "insert":
        run(CONTRACT)
    else:
        columns = CONTRACT[CONTRACT.index("(") : CONTRACT.index(")") + 1]
        with connection.cursor() as cursor, cursor.copy(f"COPY anomalies {columns} FROM STDIN") as copy:
            copy.write(COPIED)
    assert Anomaly.objects.latest("created_at", "version").status == "dismissed"


def test_a_row_that_arrives_decided_or_comes_back_from_a_copy_is_left():
    rule_about(bring()[0])
    rows = bring(status="acknowledged", acknowledged_by="ana") + bring(version=3)
    assert statuses(rows) == ["acknowledged", "pending"]
    assert bring(created_at=NOON - timedelta(days=400))[0].status == "pending"


def test_without_a_rule_an_insert_asks_no_more_than_whether_there_is_one():
    with CaptureQueriesContext(connection) as queries:
        bring()
    assert not RuleHour.objects.exists()
    assert len(queries) <= 8


def test_several_rules_of_one_statement_are_applied_to_their_rows():
    for text in "abc":
        rule_about(bring(text=text)[0])
    with acting(DETECTOR):
        Anomaly.objects.bulk_create(
            Anomaly(**anomaly_values(glass_box_explanation=text, metadata={"service": "web"}))
            for text in "abcd" * 5
        )
    assert Anomaly.objects.filter(status="dismissed").count() == 15


# --- until when -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["expired", "stopped"])
def test_a_rule_that_has_ended_does_nothing(end):
    rule = rule_about(bring()[0])
    if end == "stopped":
        stop([rule.pk], LENA, "no longer")
    else:
        past = timezone.now() - timedelta(days=9)
        TriageRule.objects.update(renewed_at=past, expires_at=past + timedelta(days=8))
    assert state_of(TriageRule.objects.get()) == end
    assert bring()[0].status == "pending"


def test_a_rule_holds_for_90_days_and_90_more_when_renewed():
    rule = rule_about(bring()[0], days=3)
    assert renew([rule.pk], LENA) == 1
    former, rule = rule, TriageRule.objects.get()
    assert rule.expires_at - rule.renewed_at == timedelta(days=90)
    assert rule.expires_at > former.expires_at
    with pytest.raises(IntegrityError), transaction.atomic():
        TriageRule.objects.update(expires_at=rule.renewed_at + timedelta(days=91))


def test_a_stopped_rule_is_not_renewed_but_made_again():
    rule = rule_about(bring()[0])
    stop([rule.pk], LENA)
    assert renew([rule.pk], LENA) == 0
    assert rule_about(bring()[0]).pk != rule.pk


def test_a_pattern_has_one_rule_and_the_second_is_refused():
    [one] = bring()
    rule_about(one)
    with pytest.raises(RuleError, match="A rule by lena about this pattern is active"):
        rule_about(one)


def test_making_renewing_and_stopping_are_on_record():
    rule = rule_about(bring()[0])
    renew([rule.pk], LENA, 5)
    stop([rule.pk], Actor("bob"), "moved")
    entries = AuditLog.objects.filter(resource_type="triage rule").order_by("id")
    assert [(each.action, each.username) for each in entries] == [
        ("create", "lena"),
        ("renew", "lena"),
        ("stop", "bob"),
    ]
    assert entries[2].new_values["stop_reason"] == "moved"


IN_AN_HOUR = timezone.now() + timedelta(hours=1)
FIRST_YEAR = datetime(1, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo"))  # no time of UTC
WRONG = [
    ({"action": "acknowledge"}, "no rule to 'acknowledge'"),
    ({"note": " "}, "needs a note"),
    ({"reason": None}, "give a reason"),
    ({"action": "snooze"}, "give a reason"),
    ({"action": "assign", "reason": None}, "name the assignee"),
    ({"action": "assign", "reason": None, "assign_to": "nobody"}, "who may decide"),
    ({"days": 0}, "1 to 90 days"),
    ({"days": 91}, "1 to 90 days"),
    ({"pattern": UUID(int=1)}, "No anomaly has this pattern"),
    ({"pattern": None}, "a source, a stream, or both"),
    ({"pattern": None, "source": "web"}, "begins before it ends"),
    ({"pattern": None, "source": "web", "window": (NOON, NOON + timedelta(days=999))}, "within 89 days"),
    ({"pattern": None, "source": "web", "window": (FIRST_YEAR, IN_AN_HOUR)}, "at most 89 days ago"),
    (
        {"pattern": None, "source": "web", "window": (NOON - timedelta(days=9), NOON - timedelta(days=8))},
        "has ended",
    ),
]


@pytest.mark.parametrize(("wrong", "why"), WRONG)
def test_a_rule_that_is_not_sound_is_refused_with_the_reason(wrong, why):
    right = {"action": "dismiss", "note": "why", "pattern": bring()[0].pattern, "reason": "other"}
    with pytest.raises(RuleError, match=why):
        make(NewRule(**right | wrong), LENA)
    assert not TriageRule.objects.exists()


def test_a_rule_needs_an_owner_who_may_decide():
    with pytest.raises(RuleError, match="an owner who may decide"):
        make(NewRule("snooze", "why", pattern=bring()[0].pattern), Actor("a program"))


ROW = {"action": "dismiss", "dismissal_reason": "other", "owner": "lena", "note": "why", "pattern": uuid4()}
ROW |= {"ncd_limit": 0.5, "hourly_limit": 10, "expires_at": timezone.now() + timedelta(days=1)}
BROKEN: list[dict[str, Any]] = [
    {"action": "reopen"},
    {"dismissal_reason": None},
    {"owner": ""},
    {"note": ""},
    {"pattern": None},
    {"ncd_limit": None},
    {"hourly_limit": None},
    {"assign_to": "ana"},
    {"stopped_at": timezone.now()},
    {"expires_at": timezone.now() + timedelta(days=92)},
    {"pattern": None, "ncd_limit": None, "hourly_limit": None, "source": "web", "window_start": NOON},
]


@pytest.mark.parametrize("broken", BROKEN)
def test_the_database_refuses_a_rule_that_is_not_whole(broken):
    with pytest.raises(IntegrityError), transaction.atomic():
        TriageRule.objects.create(**ROW | broken)
    TriageRule.objects.create(**ROW)


# --- maintenance windows ----------------------------------------------------------------------------------


def test_a_window_is_about_what_happens_within_it_on_its_source():
    rule = window()
    inside, outside = timezone.now(), timezone.now() - timedelta(hours=2)
    assert statuses(bring(timestamp=inside) + bring(timestamp=outside)) == ["dismissed", "pending"]
    assert make_anomaly(timestamp=inside).status == "pending"
    assert (Anomaly.objects.filter(status="dismissed").count(), rule.ncd_limit) == (1, None)


@pytest.mark.parametrize(("stream", "expected"), [("logs", "dismissed"), ("metrics", "pending")])
def test_a_window_may_be_about_a_stream(stream, expected):
    window(stream_type=stream, source="")
    assert bring(timestamp=timezone.now())[0].status == expected


def weekly(start: datetime, weeks: int) -> list[TriageRule]:
    new = NewRule("snooze", "backup", source="web", window=(start, start + timedelta(hours=2)))
    return make_weekly(new, weeks, LENA)


def test_a_window_is_repeated_each_week():
    start = timezone.now() + timedelta(hours=1)
    windows = [(rule.window_start - start, rule.window_end - rule.window_start) for rule in weekly(start, 3)]
    assert windows == [(timedelta(weeks=n), timedelta(hours=2)) for n in range(3)]


def test_weeks_later_it_is_the_same_local_time_over_a_change_of_clocks():
    start = datetime(2026, 3, 25, 9, tzinfo=ZoneInfo("Europe/Berlin"))
    with timezone.override("Europe/Berlin"):
        assert rules._weeks_later(start, 1) == datetime(2026, 4, 1, 7, tzinfo=UTC)
        assert start.astimezone(UTC).hour == 8


@pytest.mark.parametrize("weeks", [0, 13, 100])
def test_a_window_is_repeated_for_twelve_weeks_at_most(weeks):
    with pytest.raises(RuleError, match="for 1 to 12 weeks"):
        weekly(timezone.now(), weeks)


def test_weeks_beyond_the_longest_time_make_none():
    with pytest.raises(RuleError, match="within 89 days"):
        weekly(timezone.now() + timedelta(days=80), 3)
    assert not TriageRule.objects.exists()


def test_the_rule_of_a_pattern_comes_before_a_window():
    make_user("analyst", "ana")
    window()
    rule_about(bring(timestamp=NOON)[0], "assign", assign_to="ana")
    [came] = bring(timestamp=timezone.now())
    assert (came.status, came.assigned_to) == ("pending", "ana")


# --- when the pattern is no longer what was decided about --------------------------------------------------


def test_an_ncd_above_the_highest_known_stays_pending_and_stops_the_rule():
    rule = rule_about(bring(ncd_score=0.7)[0])
    assert bring(ncd_score=0.74)[0].status == "dismissed"
    [odd] = bring(ncd_score=0.76)
    stopped = TriageRule.objects.get(pk=rule.pk)
    assert (odd.status, odd.version, stopped.stopped_by) == ("pending", 1, None)
    assert stopped.stop_reason == f"NCD 0.76 of anomaly {odd.pk} is above {NEXT_NCD}"
    assert bring()[0].status == "pending"
    entry = AuditLog.objects.get(action="stop")
    assert (entry.username, entry.metadata["via"]) == ("driftlock", "rule")


@pytest.mark.parametrize("parts", [[12], [6, 6], [1] * 12])
def test_more_within_an_hour_than_known_stops_the_rule_however_they_come(parts):
    rule_about(bring(timestamp=HOUR)[0])
    rows = [row for number in parts for row in bring(number, timestamp=HOUR + timedelta(minutes=30))]
    assert sorted(statuses(rows)) == ["dismissed"] * 10 + ["pending"] * 2
    why = TriageRule.objects.get().stop_reason
    assert why.endswith("is the 11. in the hour from 2026-11-24 08:00 UTC; the most is 10")


def test_the_rate_counts_by_the_hour_of_the_event_not_of_arrival():
    rule_about(bring(timestamp=HOUR)[0])
    rows = [bring(9, timestamp=HOUR + timedelta(hours=number)) for number in range(3)]
    assert {status for each in rows for status in statuses(each)} == {"dismissed"}


def test_rows_behind_the_one_that_escalates_stay_pending_too():
    rule_about(bring()[0])
    with acting(DETECTOR):
        Anomaly.objects.bulk_create(
            Anomaly(
                **anomaly_values(
                    glass_box_explanation="process 1 lost",
                    metadata={"service": "web"},
                    ncd_score=0.9 if minute == 3 else 0.7,
                    timestamp=HOUR + timedelta(minutes=minute),
                )
            )
            for minute in (5, 4, 3, 2, 1)
        )
    came = Anomaly.objects.filter(timestamp__gte=HOUR).order_by("timestamp").values_list("status", flat=True)
    assert list(came) == ["dismissed"] * 2 + ["pending"] * 3


def test_another_word_is_another_pattern():
    rule_about(bring()[0])
    assert bring(text="process 1 lost its disk")[0].status == "pending"


def test_the_limits_are_three_times_the_rate_and_a_little_more_than_the_ncd():
    rows = bring(4, timestamp=HOUR) + bring(2, ncd_score=0.3, timestamp=HOUR + timedelta(hours=3))
    assert limits_of(rows[0].pattern) == rules.Limits(NEXT_NCD, 12, 6)
    decide("acknowledge", [each.pk for each in rows[:4]], LENA)
    assert limits_of(rows[0].pattern) == rules.Limits(0.3 + rules.NCD_MARGIN, 12, 6)


@pytest.mark.parametrize("gone", ["lena", "ana"])
def test_a_rule_without_an_active_owner_or_assignee_stops(gone):
    make_user("analyst", "ana")
    rule_about(bring()[0], "assign", assign_to="ana")
    User.objects.filter(username=gone).update(is_active=False)
    assert bring()[0].assigned_to is None
    assert TriageRule.objects.get().stop_reason == f"{gone} has no active account"


# --- undone -----------------------------------------------------------------------------------------------


def test_all_that_a_rule_did_is_taken_back_but_what_somebody_touched_since():
    rule = rule_about(bring()[0])
    rows = bring(3) + bring()
    add_note(rows[0].pk, Actor("ana"), "odd")
    done = decision(str(rule.pk))
    assert (done.username, done.rows, done.note) == ("lena", 4, "the nightly restart")
    result = undo(str(rule.pk), LENA, uuid4())
    assert (result.undone, result.skipped) == (3, 1)
    now = Anomaly.objects.in_bulk([each.pk for each in rows])
    assert [now[each.pk].status for each in rows] == ["dismissed"] + ["pending"] * 3
    assert (now[rows[1].pk].notes, now[rows[1].pk].dismissed_by) == (None, None)
    assert history(rows[1].pk)[0].action == "undo"


def test_what_an_active_rule_does_after_an_undo_can_be_undone_again():
    rule = rule_about(bring()[0])
    bring(2)
    undo(str(rule.pk), LENA, uuid4())
    [later] = bring()
    assert undo(str(rule.pk), LENA, uuid4()).already == 2
    assert Anomaly.objects.get(pk=later.pk).status == "pending"


# --- several writers at once ------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ"])
def test_writers_do_not_wait_for_each_other_even_where_they_stop_the_same_rule(isolation):
    known = make_anomaly(glass_box_explanation="process 1 lost", metadata=None, timestamp=HOUR)
    rule = rule_about(Anomaly.objects.get(pk=known.pk))
    above = CONTRACT.replace("0.7,", "0.9,")
    name = connection.settings_dict["NAME"]
    begin = f"BEGIN ISOLATION LEVEL {isolation}"
    with connect(name) as one, connect(name) as other:
        for session in (one, other):
            session.execute("SET lock_timeout = '10ms'")
        for statements in ([CONTRACT, CONTRACT], [CONTRACT, CONTRACT], [above, above]):
            for session in (one, other):
                session.execute(begin)
            for session, statement in zip((one, other), statements, strict=True):
                session.execute(statement)
            for session in (one, other):
                session.execute("COMMIT")
    assert sum(RuleHour.objects.filter(rule_id=rule.pk).values_list("hits", flat=True)) == 4
    came = Anomaly.objects.exclude(pk=known.pk).order_by("ncd_score").values_list("status", flat=True)
    assert list(came) == ["dismissed"] * 4 + ["pending"] * 2
    assert TriageRule.objects.get().stop_reason.startswith("NCD 0.9 of anomaly")


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_writer_with_an_older_snapshot_does_not_fail():
    known = make_anomaly(glass_box_explanation="process 1 lost", metadata=None, timestamp=HOUR)
    rule_about(Anomaly.objects.get(pk=known.pk))
    name = connection.settings_dict["NAME"]
    with connect(name) as one, connect(name) as other:
        one.execute(CONTRACT)
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT count(*) FROM triage_rule_hours")
        one.execute(CONTRACT)
        other.execute(CONTRACT)
        other.execute("COMMIT")
    assert sum(RuleHour.objects.values_list("hits", flat=True)) == 3


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_hits_of_writers_one_after_the_other_are_one_row():
    known = make_anomaly(glass_box_explanation="process 1 lost", metadata=None, timestamp=HOUR)
    rule_about(Anomaly.objects.get(pk=known.pk))
    for _ in range(3):
        with connect(connection.settings_dict["NAME"]) as session:
            session.execute(CONTRACT)
    assert list(RuleHour.objects.values_list("hits", "hour")) == [(3, HOUR)]


# --- beside everything else -------------------------------------------------------------------------------


def test_ingest_is_served_and_the_audit_log_replays_to_the_tables(tmp_path, settings):
    settings.SEAL_KEY = new_key()
    rule = rule_about(bring(timestamp=HOUR)[0])
    same = {"metadata": {"service": "web"}, "timestamp": HOUR.isoformat()}
    lines = [anomaly_values(glass_box_explanation=f"process {n} lost", **same) for n in range(12)]
    file = tmp_path / "found.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    call_command("ingest", str(file), stdout=io.StringIO(), stderr=io.StringIO())
    assert Anomaly.objects.filter(status="dismissed").count() == 10
    assert TriageRule.objects.get().stop_reason.endswith("the most is 10")
    undo(str(rule.pk), LENA, uuid4())
    seal()
    assert verify(replay=True).problems == ()


def test_what_a_rule_decided_took_nobodys_time():
    rule_about(bring(timestamp=timezone.now())[0])
    bring(3, timestamp=timezone.now())
    rows = bring(text="another", created_at=timezone.now() - timedelta(hours=2))
    decide("acknowledge", [each.pk for each in rows], LENA)
    hourly_rollup.fold()
    found = overview()
    assert found is not None and found.decisions.median is not None
    assert 7_000 < found.decisions.median < 7_400
