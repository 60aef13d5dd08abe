"""Undo: each anomaly back to its own former state, what changed since is skipped and named."""

from __future__ import annotations

import io
import re
import threading
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from anomalies.audit import Actor, acting, history
from anomalies.models import Anomaly, AuditLog
from anomalies.triage.decisions import MOVES, DecisionError, add_note, decide
from anomalies.triage.undo import RESTORED, NoSuchDecision, State, decision, outcome, state, undo
from tests.support.databases import run
from tests.support.factories import make_anomaly, make_user, other_program
from tests.support.forms import LIST, carried, page_of
from tests.support.processes import wait_until

pytestmark = pytest.mark.django_db

ANA = Actor("ana", "10.0.0.7", via="/admin/")
BOB = Actor("bob")
COLUMNS = [*RESTORED, "tags", "metadata", "glass_box_explanation"]


def row_of(anomaly: Anomaly) -> dict[str, Any]:
    return Anomaly.objects.values(*COLUMNS).get(pk=anomaly.pk)


def status_of(anomaly: Anomaly) -> str:
    return row_of(anomaly)["status"]


def take(action: str, *anomalies: Anomaly, actor: Actor = ANA, **given: Any) -> str:
    """Decide, and the batch of it."""
    batch, reason = uuid4(), "other" if action == "dismiss" else None
    decide(action, [each.pk for each in anomalies], actor, reason=reason, batch=batch, **given)
    return str(batch)


def make_in_every_state() -> list[Anomaly]:
    """Anomalies with pasts of their own."""
    rows = [make_anomaly(notes=notes) for notes in (None, "", "known", "seen", "old")]
    take("investigate", rows[1], actor=BOB)
    take("acknowledge", rows[2], actor=BOB, note="real")
    take("dismiss", rows[3], actor=BOB)
    take("investigate", rows[4], actor=BOB)
    take("dismiss", rows[4], actor=ANA)
    return rows


@pytest.mark.parametrize("action", MOVES)
@pytest.mark.parametrize("note", ["", "a note"])
def test_every_row_goes_back_to_its_own_former_state(action, note):
    rows = make_in_every_state()
    before = [row_of(each) for each in rows]
    batch = take(action, *rows, note=note)
    undo(batch, BOB, uuid4())
    assert [row_of(each) for each in rows] == before


def test_an_undo_is_on_record_as_what_it_is():
    anomaly, own = make_anomaly(), uuid4()
    batch = take("dismiss", anomaly)
    undo(batch, BOB, own, note="by mistake")
    entry = history(anomaly.pk)[0]
    assert (entry.action, entry.username, entry.batch, entry.note) == ("undo", "bob", str(own), "by mistake")
    assert AuditLog.objects.latest("id").metadata["undoes"] == batch
    assert entry.values["status"] == ("dismissed", "pending")


def test_an_undo_of_an_undo_brings_the_decision_back():
    anomaly, own = make_anomaly(), uuid4()
    batch = take("dismiss", anomaly, note="no")
    decided = row_of(anomaly)
    undo(batch, BOB, own)
    undo(str(own), ANA, uuid4())
    assert row_of(anomaly) == decided


def test_an_undo_that_comes_twice_is_one():
    anomaly, own = make_anomaly(), uuid4()
    batch = take("dismiss", anomaly)
    states = [undo(batch, BOB, own) for _ in range(2)]
    assert [each.undone for each in states] == [1, 1]
    assert [entry.action for entry in history(anomaly.pk)] == ["undo", "dismiss", "create"]


def test_what_is_undone_already_is_not_undone_again_by_another_form():
    anomaly = make_anomaly()
    batch = take("dismiss", anomaly)
    undo(batch, BOB, uuid4())
    now = undo(batch, ANA, uuid4())
    assert (now.undone, now.already, now.skipped) == (0, 1, 0)
    assert Anomaly.objects.get().version == 3


CHANGES = {
    "a decision": lambda pk: decide("reopen", [pk], BOB),
    "a note": lambda pk: add_note(pk, BOB, "wait"),
    "back and forth": lambda pk: [decide("reopen", [pk], BOB), decide("dismiss", [pk], BOB, reason="other")],
    "raw SQL": lambda pk: raw("UPDATE anomalies SET tags = '{x}' WHERE id = %s", pk),
}


def raw(statement: str, *values: Any) -> None:
    with acting(BOB), connection.cursor() as cursor:
        cursor.execute(statement, values)


@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_since_is_skipped_and_reported(change):
    changed, same = make_anomaly(), make_anomaly()
    batch = take("dismiss", changed, same)
    CHANGES[change](changed.pk)
    before = row_of(changed)
    now = undo(batch, ANA, uuid4())
    assert (now.undone, now.skipped, now.left[0].ids) == (1, 1, (changed.pk,))
    assert " by bob at 20" in now.left[0].why
    assert (row_of(changed), status_of(same)) == (before, "pending")


def test_what_is_gone_is_reported():
    anomaly = make_anomaly()
    batch = take("dismiss", anomaly)
    raw("DELETE FROM anomalies WHERE id = %s", anomaly.pk)
    assert undo(batch, ANA, uuid4()).left[0].why == "there is no such anomaly any more"


def test_one_anomaly_of_a_bulk_can_be_taken_back_alone():
    one, other = make_anomaly(), make_anomaly()
    batch = take("dismiss", one, other)
    assert undo(batch, ANA, uuid4(), only=one.pk).undone == 1
    assert (status_of(one), status_of(other)) == ("pending", "dismissed")


def test_a_row_decided_twice_in_a_batch_goes_back_to_before_the_first():
    anomaly, batch = make_anomaly(notes="old"), uuid4()
    decide("investigate", [anomaly.pk], ANA, note="hm", batch=batch)
    decide("acknowledge", [anomaly.pk], ANA, note="yes", batch=batch)
    undo(str(batch), ANA, uuid4())
    assert row_of(anomaly) == {
        **row_of(anomaly),
        "status": "pending",
        "notes": "old",
        "investigating_by": None,
    }


def test_a_decision_of_another_program_can_be_undone_by_its_transaction():
    anomaly = make_anomaly()
    with other_program(), connection.cursor() as cursor:
        cursor.execute("UPDATE anomalies SET status = 'dismissed', dismissed_by = 'cron'")
    undo(history(anomaly.pk)[0].batch, ANA, uuid4())
    assert (status_of(anomaly), row_of(anomaly)["dismissed_by"]) == ("pending", None)


def test_a_batch_that_there_is_not_is_refused():
    with pytest.raises(NoSuchDecision, match="no decision 'nonsense'"):
        undo("nonsense", ANA, uuid4())


def test_a_note_alone_is_no_decision():
    anomaly, batch = make_anomaly(), uuid4()
    add_note(anomaly.pk, ANA, "hm", batch=batch)
    with pytest.raises(NoSuchDecision):
        undo(str(batch), ANA, uuid4())


def test_the_name_of_another_decision_is_no_name_for_an_undo():
    first, second = make_anomaly(), make_anomaly()
    batch, other = take("dismiss", first), take("dismiss", second)
    with pytest.raises(DecisionError, match="used for something else"):
        undo(batch, ANA, UUID(other))


def test_the_name_of_another_persons_undo_is_no_name_for_ones_own():
    batch, own = take("dismiss", make_anomaly()), uuid4()
    undo(batch, ANA, own)
    with pytest.raises(DecisionError, match="used for something else"):
        undo(batch, BOB, own)


def test_an_undo_of_a_later_decision_is_a_change_and_no_undo_of_the_former():
    anomaly = make_anomaly()
    batch, later = take("dismiss", anomaly), take("reopen", anomaly)
    undo(later, BOB, uuid4())
    now = state(batch)
    assert (now.already, now.open, now.skipped) == (0, 0, 1)


def test_a_decision_is_described_in_words():
    batch = take("dismiss", make_anomaly(), make_anomaly(), note="noise")
    found = decision(batch)
    assert (found.rows, found.reason, found.note) == (2, "other", "noise")
    assert found.summary.startswith("dismissed by ana at 20")


def test_of_several_actions_in_a_batch_each_is_counted_and_the_first_gives_its_name():
    rows, batch = [make_anomaly() for _ in range(3)], uuid4()
    with acting(BOB, batch=str(batch)):
        Anomaly.objects.filter(pk__in=[rows[0].pk, rows[1].pk]).update(status="investigating")
    with acting(ANA, batch=str(batch)):
        Anomaly.objects.filter(pk=rows[2].pk).update(status="acknowledged")
    found = decision(str(batch))
    assert (found.actions, found.rows) == ({"investigate": 2, "acknowledge": 1}, 3)
    assert found.summary.startswith("taken into investigation 2, acknowledged 1 by bob at 2")


@pytest.mark.parametrize(("second", "are_more"), [("00", False), ("01", True)])
def test_a_transaction_whose_entries_are_of_two_times_names_more_than_one(second, are_more):
    for when in ("2026-01-01 12:00:00Z", f"2026-01-01 12:00:{second}Z"):
        run(
            "INSERT INTO audit_log (timestamp, username, action, resource_type, resource_id, metadata) "
            """VALUES (%s, 'x', 'dismiss', 'anomaly', %s, '{"batch": "transaction 77"}')""",
            when,
            uuid4(),
        )
    if are_more:
        with pytest.raises(NoSuchDecision, match="is the name of more than one"):
            decision("transaction 77")
    else:
        assert decision("transaction 77").rows == 2


def test_of_many_that_changed_since_the_first_twenty_are_named():
    rows = [make_anomaly() for _ in range(21)]
    batch = take("acknowledge", *rows)
    take("reopen", *rows)
    found = undo(batch, ANA, uuid4())
    assert [(each.count, len(each.ids)) for each in found.left] == [(21, 20)]
    assert (found.undone, found.already, found.open, found.skipped) == (0, 0, 0, 21)


def test_what_was_undone_whole_is_said_in_one_number():
    batch, own = take("acknowledge", make_anomaly(), make_anomaly()), uuid4()
    assert undo(batch, ANA, own) == state(batch, own) == State(2, 0, 0, ())


def test_after_an_undo_of_all_one_of_them_is_said_to_be_undone_by_it():
    one, own = make_anomaly(), uuid4()
    batch = take("acknowledge", one, make_anomaly())
    undo(batch, ANA, own)
    assert outcome(batch, own, only=one.pk) == State(1, 0, 0, ())


def test_of_one_alone_that_changed_since_nothing_is_said_to_be_undone():
    one = make_anomaly()
    batch = take("dismiss", one)
    add_note(one.pk, BOB, "wait")
    now = undo(batch, ANA, uuid4(), only=one.pk)
    assert (now.undone, now.skipped) == (0, 1)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_an_undo_that_waits_for_a_later_decision_skips_what_that_one_changed():
    anomaly, found = make_anomaly(), []
    batch = take("dismiss", anomaly)

    def undo_it() -> None:
        found.append(undo(batch, BOB, uuid4()))
        connection.close()

    with acting(ANA):
        take("reopen", anomaly)
        take("investigate", anomaly)
        waiting = threading.Thread(target=undo_it)
        waiting.start()
        wait_until(lambda: run("SELECT 1 FROM pg_catalog.pg_locks WHERE NOT granted"))
    waiting.join()
    assert (status_of(anomaly), found[0].undone, found[0].skipped) == ("investigating", 0, 1)


def test_many_are_undone_step_by_step(monkeypatch):
    monkeypatch.setattr("anomalies.triage.undo.STEP", 3)
    rows = [make_anomaly() for _ in range(8)]
    batch = take("dismiss", *rows)
    assert undo(batch, ANA, uuid4()).undone == 8
    assert {status_of(each) for each in rows} == {"pending"}


def test_what_could_be_undone_is_said_before():
    changed, same = make_anomaly(), make_anomaly()
    batch = take("dismiss", changed, same)
    add_note(changed.pk, BOB, "wait")
    now = state(batch)
    assert (now.open, now.skipped, now.left[0].why[:20]) == (1, 1, "notes changed by bob")


# --- the desk -------------------------------------------------------------------------------------------


@pytest.fixture
def desk() -> Client:
    """An analyst's browser."""
    client = Client()
    client.force_login(make_user("analyst", "ana"))
    return client


def undo_button(page: Any) -> tuple[str, dict[str, str]]:
    """The address of the message's Undo button, and what it sends."""
    (form,) = re.findall(
        r'<form method="post" action="(\S+)" class="undo">(.*?)</form>', page.content.decode()
    )
    return form[0], dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[1]))


def test_a_decision_is_undone_from_its_message(desk):
    anomaly = make_anomaly(notes="old")
    before = row_of(anomaly)
    page = desk.post(page_of(anomaly), filled(desk, anomaly, action="acknowledge", note="real"), follow=True)
    address, sent = undo_button(page)
    answer = desk.post(address, sent, follow=True)
    assert row_of(anomaly) == before
    assert answer.redirect_chain == [(page_of(anomaly), 302)]
    assert history(anomaly.pk)[0].summary.startswith("undone by ana at 20")


def filled(desk: Client, anomaly: Anomaly, **typed: Any) -> dict[str, Any]:
    return {**carried(desk.get(page_of(anomaly))), **typed}


def test_the_message_of_an_undo_undoes_the_undo(desk):
    anomaly = make_anomaly()
    page = desk.post(page_of(anomaly), filled(desk, anomaly, action="investigate"), follow=True)
    for expected in ("pending", "investigating"):
        address, sent = undo_button(page)
        page = desk.post(address, sent, follow=True)
        assert status_of(anomaly) == expected


def test_the_button_pressed_twice_is_one_undo(desk):
    anomaly = make_anomaly()
    page = desk.post(page_of(anomaly), filled(desk, anomaly, action="acknowledge"), follow=True)
    address, sent = undo_button(page)
    for _ in range(2):
        desk.post(address, sent)
    assert [entry.action for entry in history(anomaly.pk)] == ["undo", "acknowledge", "create"]


def test_of_a_bulk_the_button_asks_first_and_says_what_changed_since(desk):
    rows = [make_anomaly() for _ in range(3)]
    opened = carried(desk.get(LIST))
    sent = {**opened, "action": "acknowledge", "index": "0", "_selected_action": [str(r.pk) for r in rows]}
    address, button = undo_button(desk.post(LIST, sent, follow=True))
    add_note(rows[0].pk, BOB, "wait")
    asked = desk.post(address, button)
    assert "Undo this for 2 anomalies?" in asked.content.decode()
    assert "notes changed by bob at 20" in asked.content.decode()
    assert [status_of(each) for each in rows] == ["acknowledged"] * 3
    done = desk.post(address, {**carried(asked), "note": "too fast"})
    assert "2 of 3 undone" in done.content.decode()
    assert [status_of(each) for each in rows] == ["acknowledged", "pending", "pending"]


def test_the_history_offers_an_undo_where_it_still_can_be_undone(desk):
    anomaly = make_anomaly()
    take("investigate", anomaly, actor=BOB)
    batch = take("dismiss", anomaly, actor=BOB)
    (address,) = re.findall(r'<a class="undo" href="([^"]+)">', desk.get(page_of(anomaly)).content.decode())
    assert address.startswith(f"{LIST}undo/{batch}/?anomaly={anomaly.pk}")
    desk.post(address.partition("?")[0], {**carried(desk.get(address.replace("&amp;", "&")))})
    assert status_of(anomaly) == "investigating"
    add_note(anomaly.pk, BOB, "wait")
    assert b'<a class="undo"' not in desk.get(page_of(anomaly)).content


def test_from_the_history_of_one_only_that_one_is_undone(desk):
    one, other = make_anomaly(), make_anomaly()
    batch = take("dismiss", one, other)
    asked = desk.get(f"{LIST}undo/{batch}/", {"anomaly": str(one.pk)})
    assert "Undo it for all 2 instead" in asked.content.decode()
    desk.post(f"{LIST}undo/{batch}/", carried(asked))
    assert (status_of(one), status_of(other)) == ("pending", "dismissed")


def test_opening_the_address_of_an_undo_changes_nothing(desk):
    anomaly = make_anomaly()
    batch = take("dismiss", anomaly)
    for _ in range(2):
        assert b"Undo this for 1 anomaly?" in desk.get(f"{LIST}undo/{batch}/").content
    assert status_of(anomaly) == "dismissed"


def test_a_viewer_undoes_nothing_and_sees_no_button():
    anomaly, viewer = make_anomaly(), Client()
    batch = take("dismiss", anomaly)
    viewer.force_login(make_user("viewer"))
    answers = [viewer.get(f"{LIST}undo/{batch}/"), viewer.post(f"{LIST}undo/{batch}/", {"batch": uuid4()})]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert status_of(anomaly) == "dismissed"
    assert b'class="undo"' not in viewer.get(page_of(anomaly)).content


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "x"]
)
def test_an_undo_leads_nowhere_else(desk, elsewhere):
    batch = take("dismiss", make_anomaly())
    answer = desk.post(f"{LIST}undo/{batch}/", {"batch": str(uuid4()), "next": elsewhere})
    assert answer["Location"] == LIST


@pytest.mark.parametrize("sent", [{}, {"batch": "x"}, {"batch": "{new}", "note": "a\0b"}])
def test_a_form_that_is_not_whole_undoes_nothing(desk, sent):
    anomaly = make_anomaly()
    batch = take("dismiss", anomaly)
    sent = {name: value.format(new=uuid4()) for name, value in sent.items()}
    assert desk.post(f"{LIST}undo/{batch}/", sent).status_code == 200
    assert status_of(anomaly) == "dismissed"


NOBODYS = "99999ce2-bf45-4bd9-9982-1d971992d823"


@pytest.mark.parametrize("batch", ["nonsense", "transaction 7", NOBODYS, "a/b", "'"])
def test_a_decision_that_there_is_not_leads_to_the_list(desk, batch):
    assert desk.get(f"{LIST}undo/{batch}/")["Location"] == LIST


def test_a_large_undo_goes_on_from_form_to_form(desk, monkeypatch):
    monkeypatch.setattr("anomalies.triage.undo.STEP", 3)
    monkeypatch.setattr("anomalies.admin.views.SLICE_SECONDS", 0)
    rows = [make_anomaly() for _ in range(8)]
    address = f"{LIST}undo/{take('dismiss', *rows)}/"
    page, undone = desk.get(address), []
    while "admin/anomalies/anomaly/undone.html" not in [template.name for template in page.templates]:
        page = desk.post(address, carried(page))
        undone.append(Anomaly.objects.filter(status="pending").count())
    assert undone == [3, 6, 8, 8]


# --- the command ----------------------------------------------------------------------------------------


def command(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(*arguments, stdout=out, stderr=err)
    except SystemExit as exit:
        err.write(f"exit {exit.code}")
    return out.getvalue(), err.getvalue()


def test_decide_prints_what_undo_takes():
    anomaly = make_anomaly()
    batch, _ = command("decide", "acknowledge", str(anomaly.pk), "--by", "op")
    redo, said = command("undo", batch.strip(), "--by", "op")
    assert said.endswith("undone 1, skipped 0\n")
    assert status_of(anomaly) == "pending"
    command("undo", redo.strip())
    assert status_of(anomaly) == "acknowledged"


def test_a_dry_run_says_what_would_be_undone_and_changes_nothing():
    anomaly = make_anomaly()
    _, said = command("undo", take("dismiss", anomaly), "--dry-run")
    assert said.startswith("dismissed by ana at 20")
    assert said.endswith("would undo 1, skipped 0; nothing was changed\n")
    assert status_of(anomaly) == "dismissed"


def test_what_the_command_leaves_alone_is_listed_and_ends_in_exit_status_1():
    anomaly = make_anomaly()
    batch = take("dismiss", anomaly)
    add_note(anomaly.pk, BOB, "wait")
    _, said = command("undo", batch)
    assert "skipped 1: notes changed by bob at 20" in said
    assert str(anomaly.pk) in said
    assert said.endswith("undone 0, skipped 1\nexit 1")


def test_an_unknown_batch_is_a_wrong_use_of_the_command():
    with pytest.raises(CommandError, match="no decision") as caught:
        command("undo", "nonsense")
    assert caught.value.returncode == 2
