"""Decisions about everything that matches: frozen as shown, decided in parts, reported, and undone as one."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from anomalies.audit import Actor, history
from anomalies.models import Anomaly, AuditLog, BulkRow, BulkSet
from anomalies.triage import frozen_selection
from anomalies.triage.decisions import DecisionError, add_note, decide
from tests.support.factories import anomaly_values, make_anomaly, make_user
from tests.support.forms import LIST, carried, messages_of

pytestmark = pytest.mark.django_db

ANA, BOB = Actor("ana"), Actor("bob")


def make_anomalies(count: int, **over: Any) -> list[Anomaly]:
    return Anomaly.objects.bulk_create([Anomaly(id=uuid4(), **anomaly_values(**over)) for _ in range(count)])


def freeze(action: str = "acknowledge", **given: Any) -> BulkSet:
    return frozen_selection.freeze(
        Anomaly.objects.order_by("-timestamp"), "ana", action, "all anomalies", **given
    )


def run(asked: BulkSet, reason: str | None = None, note: str = "") -> BulkSet:
    """Decide about the whole set."""
    asked = frozen_selection.begin(asked, reason, note)
    for now in frozen_selection.decide_parts(asked, ANA):
        asked = now
    return asked


def statuses() -> set[str]:
    return set(Anomaly.objects.values_list("status", flat=True))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Parts of three, so that a few rows are several transactions."""
    monkeypatch.setattr("anomalies.triage.frozen_selection.STEP", 3)


# --- the set --------------------------------------------------------------------------------------------


def test_a_set_is_decided_in_parts_under_one_batch():
    make_anomalies(8, notes="old")
    asked = run(freeze("dismiss"), "duplicate", "seen")
    assert (asked.decided, asked.done_to, frozen_selection.result(asked).left) == (8, 8, ())
    assert set(Anomaly.objects.values_list("status", "dismissed_by", "notes")) == {
        ("dismissed", "ana", "old\nseen")
    }
    entries = AuditLog.objects.filter(action="dismiss", metadata__batch=str(asked.pk))
    assert entries.values("timestamp").distinct().count() == 3 or entries.count() == 8


def test_what_arrives_or_changes_since_is_skipped_and_reported():
    rows = make_anomalies(5)
    asked = freeze()
    late = make_anomaly()
    decide("dismiss", [rows[0].pk], BOB, reason="other")
    add_note(rows[1].pk, BOB, "wait")
    found = frozen_selection.result(run(asked))
    why = sorted(re.sub(r" at 20.*", "", left.why) for left in found.left)
    assert (found.decided, found.skipped) == (3, 2)
    assert why == [f"changed since it was shown: {what} by bob" for what in ("dismissed", "notes changed")]
    late.refresh_from_db()
    assert late.status == "pending"


def test_what_the_decision_is_not_possible_for_is_grouped_by_why():
    make_anomalies(2)
    make_anomalies(3, status="acknowledged")
    make_anomalies(1, status="dismissed")
    found = frozen_selection.result(run(freeze()))
    assert [(left.count, left.why) for left in found.left] == [
        (3, "it is acknowledged already"),
        (1, "it is dismissed; reopen it first"),
    ]


def test_what_is_deleted_since_is_reported():
    anomaly = make_anomaly()
    asked = freeze()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM anomalies WHERE id = %s", [anomaly.pk])
    assert frozen_selection.result(run(asked)).left[0].why == "there is no such anomaly any more"


def test_cut_off_after_a_part_it_goes_on_from_there():
    make_anomalies(8)
    asked = frozen_selection.begin(freeze(), None, "")
    next(frozen_selection.decide_parts(asked, ANA))
    assert BulkSet.objects.get().done_to == Anomaly.objects.filter(status="acknowledged").count() == 3
    assert [now.done_to for now in frozen_selection.decide_parts(asked, ANA)] == [6, 8]


def test_a_part_that_fails_leaves_neither_decisions_nor_progress(monkeypatch):
    make_anomalies(3)
    asked = frozen_selection.begin(freeze(), None, "")

    def cut_off(*args: Any, **given: Any) -> None:
        decide("acknowledge", Anomaly.objects.values_list("pk", flat=True), ANA)
        raise ConnectionError

    monkeypatch.setattr("anomalies.triage.frozen_selection.decide_as_seen", cut_off)
    with pytest.raises(ConnectionError):
        list(frozen_selection.decide_parts(asked, ANA))
    assert (statuses(), BulkSet.objects.get().done_to) == ({"pending"}, 0)


def test_a_set_decided_twice_is_decided_once():
    rows = make_anomalies(4)
    asked = run(freeze())
    assert list(frozen_selection.decide_parts(asked, ANA)) == []
    assert [len(history(each.pk)) for each in rows] == [1] * 4


def test_the_first_word_about_reason_and_note_holds():
    make_anomalies(1)
    asked = freeze("dismiss")
    frozen_selection.begin(asked, "duplicate", "first")
    assert (
        frozen_selection.begin(asked, "other", "second").reason,
        frozen_selection.begin(asked, "other", "x").note,
    ) == (
        "duplicate",
        "first",
    )


def test_a_set_without_its_reason_is_not_begun():
    make_anomalies(1)
    with pytest.raises(DecisionError):
        frozen_selection.begin(freeze("dismiss"), None, "")
    assert BulkSet.objects.get().started_at is None


def test_a_set_is_as_many_as_the_limit_and_says_so():
    make_anomalies(5)
    assert [(s.rows, s.is_capped) for s in (freeze(limit=4), freeze(limit=5), freeze(limit=6))] == [
        (4, True),
        (5, False),
        (5, False),
    ]


def test_a_set_is_its_owners_and_is_forgotten_after_a_while():
    make_anomalies(1)
    asked = freeze()
    assert frozen_selection.frozen(asked.pk, "ana") == asked
    assert frozen_selection.frozen(asked.pk, "bob") is None
    BulkSet.objects.update(created_at=asked.created_at - frozen_selection.KEPT)
    assert frozen_selection.frozen(asked.pk, "ana") is None
    freeze()
    assert BulkRow.objects.filter(set_id=asked.pk).count() == 0


def test_a_part_takes_the_same_number_of_queries_whatever_its_size(monkeypatch):
    counts = []
    for size in (2, 40):
        monkeypatch.setattr("anomalies.triage.frozen_selection.STEP", size)
        make_anomalies(size)
        asked = frozen_selection.begin(freeze(), None, "")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            next(frozen_selection.decide_parts(asked, ANA))
        counts.append(len(queries))
    assert counts[0] == counts[1]


# --- the desk -------------------------------------------------------------------------------------------


@pytest.fixture
def desk(monkeypatch) -> Client:
    """An analyst's browser; a form carries no more than two rows."""
    monkeypatch.setattr("anomalies.admin.decide.selected.FORM_LIMIT", 2)
    client = Client()
    client.force_login(make_user("analyst", "ana"))
    return client


def ask(desk: Client, action: str, query: str = "") -> Any:
    """Tick "all that match": the page that asks."""
    sent = {"action": action, "index": "0", "select_across": "1"}
    some = str(Anomaly.objects.values_list("pk", flat=True)[0])
    return desk.post(f"{LIST}{query}", {**sent, "_selected_action": some}, follow=True)


def address_of(page: Any) -> str:
    return page.redirect_chain[-1][0]


def test_the_question_says_the_filter_how_many_and_a_sample(desk):
    make_anomalies(20)
    make_anomalies(5, stream_type="metrics")
    page = ask(desk, "dismiss", "?status=pending&stream=logs&ncd_min=0.5&tags_any=db").content.decode()
    assert "Dismiss 20 anomalies: pending logs with NCD ≥ 0.5, tagged db." in page
    assert page.count("deadlock detected") == 10
    assert Anomaly.objects.filter(status="pending").count() == 25


def test_one_reason_and_note_hold_for_all_and_the_result_is_shown(desk):
    rows = make_anomalies(8)
    page = ask(desk, "dismiss")
    add_note(rows[0].pk, BOB, "wait")
    done = desk.post(address_of(page), {"reason": "duplicate", "note": "noise"}, follow=True)
    text = done.content.decode()
    assert "7 of 8 dismissed:" in text
    assert "changed since it was shown: notes changed by bob" in text
    assert f"{LIST}{rows[0].pk}/change/" in text
    assert (
        Anomaly.objects.filter(dismissal_reason="duplicate", notes="noise", dismissed_by="ana").count() == 7
    )


def test_without_a_reason_the_question_is_asked_again(desk):
    make_anomalies(3)
    answer = desk.post(address_of(ask(desk, "dismiss")), {"note": "typed with care"})
    assert (answer.status_code, "typed with care" in answer.content.decode()) == (200, True)
    assert statuses() == {"pending"}


def test_a_large_set_goes_on_from_form_to_form_and_a_get_does_not(desk, monkeypatch):
    monkeypatch.setattr("anomalies.admin.views.SLICE_SECONDS", 0)
    make_anomalies(8)
    address, seen = address_of(ask(desk, "acknowledge")), []
    for _ in range(3):
        page = desk.post(address)
        seen.append(BulkSet.objects.get().done_to)
        assert desk.get(address).status_code == 200
        assert BulkSet.objects.get().done_to == seen[-1]
    assert (seen, page.status_code) == ([3, 6, 8], 302)
    assert statuses() == {"acknowledged"}


def test_the_whole_is_undone_by_one_button(desk):
    make_anomalies(8)
    done = desk.post(address_of(ask(desk, "acknowledge")), follow=True)
    address, form = re.findall(r'action="(\S+)" class="undo">(.*?)</form>', done.content.decode())[0]
    asked = desk.post(address, dict(re.findall(r'name="(\w+)" value="([^"]*)"', form)))
    assert "Undo this for 8 anomalies?" in asked.content.decode()
    desk.post(address, carried(asked))
    assert statuses() == {"pending"}


def test_a_set_sent_again_says_so(desk):
    make_anomalies(3)
    address = address_of(ask(desk, "acknowledge"))
    desk.post(address, follow=True)
    repeated = messages_of(desk.post(address))
    assert "3 anomalies acknowledged by you a moment ago; nothing was done twice." in repeated


def test_more_than_the_limit_is_said_to_be_more(desk, settings):
    settings.BULK_ROWS = 4
    make_anomalies(6)
    page = ask(desk, "acknowledge")
    assert "the first 4 of more than 4 anomalies: all anomalies" in page.content.decode()
    desk.post(address_of(page))
    assert Anomaly.objects.filter(status="acknowledged").count() == 4


def test_a_set_is_nobody_elses_and_a_viewer_has_none(desk):
    make_anomalies(3)
    address = address_of(ask(desk, "acknowledge"))
    for role, code in (("viewer", 403), ("lead", 302)):
        other = Client()
        other.force_login(make_user(role))
        assert [other.get(address).status_code, other.post(address).status_code] == [code, code]
    assert statuses() == {"pending"}


def test_a_few_that_match_are_asked_about_in_the_filters_words_too(desk):
    make_anomalies(2)
    assert "2 anomalies: pending anomalies." in ask(desk, "acknowledge", "?status=pending").content.decode()


def test_the_command_decides_what_matches_in_parts_and_prints_the_batch(capsys):
    make_anomalies(8)
    call_command("decide", "acknowledge", "--status", "pending")
    out, err = capsys.readouterr()
    assert err.endswith("looked at 3 of 8 …\nlooked at 6 of 8 …\ndecided 8, refused 0\n")
    call_command("undo", out.strip())
    assert statuses() == {"pending"}


def test_a_filter_that_can_match_nothing_freezes_no_rows():
    asked = frozen_selection.freeze(Anomaly.objects.none(), "ana", "acknowledge", "nothing")
    assert (asked.rows, run(asked).decided) == (0, 0)
