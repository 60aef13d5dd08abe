"""The desk's response to a form that is out of date, has no version, or is sent twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from anomalies.audit import Actor, history
from anomalies.models import Anomaly, AuditLog, DetectionConfig
from anomalies.thresholds import activate
from anomalies.triage.decisions import add_note, decide
from tests.support.factories import make_anomaly, make_user
from tests.support.forms import CONFIG, CONFIGS, LIST, carried, messages_of, page_of, send, tick

pytestmark = pytest.mark.django_db

BOB = Actor("bob")


@pytest.fixture
def desk() -> Client:
    """An analyst's browser."""
    client = Client()
    client.force_login(make_user("analyst", "ana"))
    return client


@pytest.fixture
def lead() -> Client:
    """A lead's browser."""
    client = Client()
    client.force_login(make_user("lead", "lea"))
    return client


def status_of(anomaly: Anomaly) -> str:
    return Anomaly.objects.values_list("status", flat=True).get(pk=anomaly.pk)


def taken(anomaly: Anomaly, actor: str = "ana") -> list[str]:
    """The user's actions about the anomaly, newest first."""
    return [entry.action for entry in history(anomaly.pk) if entry.username == actor]


def write(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


# --- the page of one ------------------------------------------------------------------------------------

CHANGES: dict[str, Callable[[Anomaly], Any]] = {
    "a decision": lambda anomaly: decide("investigate", [anomaly.pk], BOB),
    "a note": lambda anomaly: add_note(anomaly.pk, BOB, "mind the rollout"),
    "raw SQL": lambda anomaly: write("UPDATE anomalies SET ncd_score = 0.9 WHERE id = %s", anomaly.pk),
    "the evidence": lambda anomaly: write(
        "UPDATE anomalies SET window_data = '[]' WHERE id = %s", anomaly.pk
    ),
    "nothing": lambda anomaly: write("UPDATE anomalies SET notes = notes WHERE id = %s", anomaly.pk),
}


@pytest.mark.parametrize("action", ["acknowledge", "dismiss", "note"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_form_that_is_out_of_date_does_nothing_and_answers_409(desk, change, action):
    anomaly = make_anomaly()
    opened = desk.get(page_of(anomaly))
    CHANGES[change](anomaly)
    before = Anomaly.objects.values().get()
    response = send(desk, page_of(anomaly), opened, action=action, note="mine", reason="other")
    assert response.status_code == 409
    assert Anomaly.objects.values().get() == before
    assert taken(anomaly) == []


def test_a_conflict_shows_both_versions_and_who_did_what_in_between(desk):
    anomaly = make_anomaly(notes="since May")
    opened = desk.get(page_of(anomaly))
    decide("investigate", [anomaly.pk], Actor("bob", "10.1.2.3"), note="looking")
    response = send(desk, page_of(anomaly), opened, action="acknowledge")
    versions = response.context["versions"]
    rows = {row.name: (row.expected, row.now) for row in versions.rows}
    assert (versions.expected, versions.now) == (1, 2)
    assert rows["Status"] == ("pending", "investigating")
    assert rows["Notes"] == ("since May", "since May\nlooking")
    assert rows["Investigating by"] == ("–", "bob")
    assert (
        "This has changed since you opened it: taken into investigation by bob at"
        in response.content.decode()
    )
    assert [entry.address for entry in versions.entries] == ["10.1.2.3"]


def test_a_conflict_shows_only_what_changed_since_the_page_was_opened(desk):
    anomaly = make_anomaly()
    add_note(anomaly.pk, BOB, "before")
    opened = desk.get(page_of(anomaly))
    write("UPDATE anomalies SET notes = notes")  # counts a version and leaves no entry
    add_note(anomaly.pk, BOB, "after")
    versions = send(desk, page_of(anomaly), opened, action="acknowledge").context["versions"]
    assert [entry.note for entry in versions.entries] == ["after"]
    assert [(row.name, row.expected) for row in versions.rows if row.is_changed] == [("Notes", "before")]


def test_a_change_that_was_reverted_is_listed_and_not_shown_as_a_difference(desk):
    anomaly = make_anomaly()
    opened = desk.get(page_of(anomaly))
    decide("acknowledge", [anomaly.pk], BOB)
    decide("reopen", [anomaly.pk], BOB)
    versions = send(desk, page_of(anomaly), opened, action="investigate").context["versions"]
    assert [entry.action for entry in versions.entries] == ["reopen", "acknowledge"]
    assert [row.name for row in versions.rows if row.is_changed] == []


def test_a_conflict_keeps_what_was_typed_and_one_click_repeats_the_decision(desk):
    anomaly = make_anomaly()
    opened = desk.get(page_of(anomaly))
    add_note(anomaly.pk, BOB, "looking")
    typed = {"action": "dismiss", "note": "typed with care", "reason": "duplicate"}
    conflict = send(desk, page_of(anomaly), opened, **typed)
    assert "typed with care" in conflict.content.decode()
    assert '<option value="duplicate" selected>' in conflict.content.decode()
    assert "Dismiss current version" in conflict.content.decode()
    assert send(desk, page_of(anomaly), conflict, **typed).status_code == 302
    assert Anomaly.objects.get().notes == "looking\ntyped with care"


def test_a_conflict_says_where_the_decision_is_not_possible_any_more(desk):
    anomaly = make_anomaly()
    opened = desk.get(page_of(anomaly))
    decide("acknowledge", [anomaly.pk], BOB)
    typed = {"action": "dismiss", "note": "mine", "reason": "duplicate"}
    page = send(desk, page_of(anomaly), opened, **typed).content.decode()
    assert "You can't dismiss it now: it is acknowledged by bob since" in page
    assert "Your reason was “duplicate”" in page
    assert "mine" in page


def test_a_conflict_on_a_conflict_is_one_as_well(desk):
    anomaly = make_anomaly()
    opened = desk.get(page_of(anomaly))
    add_note(anomaly.pk, BOB, "one")
    conflict = send(desk, page_of(anomaly), opened, action="acknowledge")
    add_note(anomaly.pk, BOB, "two")
    assert send(desk, page_of(anomaly), conflict, action="acknowledge").status_code == 409
    assert status_of(anomaly) == "pending"


def test_a_form_that_is_out_of_date_and_lacks_a_reason_shows_both(desk):
    anomaly = make_anomaly()
    opened = desk.get(page_of(anomaly))
    add_note(anomaly.pk, BOB, "looking")
    response = send(desk, page_of(anomaly), opened, action="dismiss", note="mine")
    assert response.status_code == 409
    assert "a dismissal needs one" in response.content.decode()


@pytest.mark.parametrize("version", [None, "", "x", "0", "-1", "1.5", "9" * 30, "9" * 5000, "1\0"])
@pytest.mark.parametrize("action", ["acknowledge", "note"])
def test_a_form_without_a_version_does_nothing_and_answers_400(desk, version, action):
    anomaly = make_anomaly()
    given = {} if version is None else {"version": version}
    response = desk.post(page_of(anomaly), {"action": action, "note": "typed with care", **given})
    assert response.status_code == 400
    assert "without the version" in response.content.decode()
    assert "typed with care" in response.content.decode()
    assert (status_of(anomaly), taken(anomaly)) == ("pending", [])


@pytest.mark.parametrize("garbled", [{"batch": "x"}, {"entry": "x"}, {"entry": "9" * 30}])
def test_a_form_with_a_garbled_name_of_itself_does_nothing(desk, garbled):
    anomaly = make_anomaly()
    assert send(desk, page_of(anomaly), action="acknowledge", **garbled).status_code == 400
    assert status_of(anomaly) == "pending"


@pytest.mark.parametrize("version", ["2", str(2**63 - 1)])
def test_a_version_that_there_is_not_yet_is_none(desk, version):
    anomaly = make_anomaly()
    assert send(desk, page_of(anomaly), action="acknowledge", version=version).status_code == 409
    assert status_of(anomaly) == "pending"


def test_a_form_of_a_400_can_be_sent_again(desk):
    anomaly = make_anomaly()
    refused = desk.post(page_of(anomaly), {"action": "acknowledge"})
    assert send(desk, page_of(anomaly), refused, action="acknowledge").status_code == 302
    assert status_of(anomaly) == "acknowledged"


@pytest.mark.parametrize("values", ['"text"', "[1]", "null", '{"colour": 7}', '{"status": {"a": [1]}}'])
def test_a_record_of_any_shape_does_not_break_the_page_of_a_conflict(desk, values):
    anomaly = make_anomaly()
    opened = desk.get(page_of(anomaly))
    write("UPDATE anomalies SET ncd_score = 0.9")
    write(
        "INSERT INTO audit_log (username, action, resource_type, resource_id, old_values, new_values) "
        "VALUES ('x', 'update', 'anomaly', %s, '{}', %s)",
        anomaly.pk,
        values,
    )
    assert send(desk, page_of(anomaly), opened, action="acknowledge").status_code == 409


def test_a_page_of_a_conflict_takes_few_queries(desk):
    anomaly = make_anomaly()
    opened = desk.get(page_of(anomaly))
    for number in range(30):
        add_note(anomaly.pk, BOB, f"note {number}")
    with CaptureQueriesContext(connection) as queries:
        send(desk, page_of(anomaly), opened, action="acknowledge")
    assert len(queries) <= 16


# --- the same form twice --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    [
        {"action": "acknowledge", "note": "real"},
        {"action": "dismiss", "reason": "duplicate"},
        {"action": "investigate"},
        {"action": "note", "note": "asked about"},
    ],
)
def test_the_same_form_twice_is_one_change_one_record_and_a_kind_word(desk, typed):
    anomaly = make_anomaly()
    opened = desk.get(page_of(anomaly))
    first, second = (send(desk, page_of(anomaly), opened, **typed) for _ in range(2))
    assert (first.status_code, second.status_code) == (302, 302)
    assert "by you a moment ago; nothing was done twice" in messages_of(second)
    assert len(taken(anomaly)) == 1
    assert Anomaly.objects.get().version == 2


def test_two_decisions_of_one_form_are_a_conflict(desk):
    anomaly = make_anomaly()
    opened = desk.get(page_of(anomaly))
    send(desk, page_of(anomaly), opened, action="investigate")
    assert send(desk, page_of(anomaly), opened, action="acknowledge").status_code == 409
    assert status_of(anomaly) == "investigating"


def test_another_note_in_the_same_form_is_a_conflict(desk):
    anomaly = make_anomaly()
    opened = desk.get(page_of(anomaly))
    send(desk, page_of(anomaly), opened, action="note", note="one")
    assert send(desk, page_of(anomaly), opened, action="note", note="two").status_code == 409
    assert Anomaly.objects.get().notes == "one"


def test_a_retry_after_somebody_elses_change_says_what_became_of_it(desk):
    anomaly = make_anomaly()
    opened = desk.get(page_of(anomaly))
    send(desk, page_of(anomaly), opened, action="acknowledge")
    decide("reopen", [anomaly.pk], BOB)
    response = send(desk, page_of(anomaly), opened, action="acknowledge")
    assert response.status_code == 409
    assert [(e.username, e.action) for e in response.context["versions"].entries] == [
        ("bob", "reopen"),
        ("ana", "acknowledge"),
    ]
    assert status_of(anomaly) == "pending"


def test_the_name_of_somebody_elses_form_is_of_no_use(desk):
    anomaly, batch = make_anomaly(), uuid4()
    decide("acknowledge", [anomaly.pk], BOB, batch=batch)
    response = send(desk, page_of(anomaly), action="acknowledge", version="1", batch=str(batch))
    assert response.status_code == 409


def test_the_entry_has_the_batch_of_the_form(desk):
    anomaly = make_anomaly()
    opened = desk.get(page_of(anomaly))
    send(desk, page_of(anomaly), opened, action="acknowledge")
    assert history(anomaly.pk)[0].batch == carried(opened)["batch"][0]


# --- the list -------------------------------------------------------------------------------------------


def test_ticked_rows_that_changed_since_they_were_listed_are_skipped_with_a_message(desk):
    changed, same = make_anomaly(), make_anomaly()
    opened = desk.get(LIST)
    add_note(changed.pk, BOB, "wait")
    said = messages_of(tick(desk, "acknowledge", changed, same, opened=opened))
    assert (status_of(changed), status_of(same)) == ("pending", "acknowledged")
    assert "Skipped: 1 anomaly, changed since the page was opened." in said
    assert f"{str(changed.pk)[:8]}… – changed since you saw it: notes changed by bob at 20" in said


def test_a_row_that_no_longer_matches_the_filter_is_reported(desk):
    anomaly = make_anomaly()
    opened = desk.get(f"{LIST}?status=pending")
    decide("dismiss", [anomaly.pk], BOB, reason="other")
    fields = {"action": "acknowledge", "_selected_action": str(anomaly.pk), "index": "0"}
    said = messages_of(send(desk, f"{LIST}?status=pending", opened, **fields))
    assert "changed since you saw it: dismissed by bob at 20" in said


@pytest.mark.parametrize("versions", [[], ["x"], ["{pk}"], ["{pk}="], ["{pk}=x"], ["{pk}=0"], ["x=1"]])
@pytest.mark.parametrize("action", ["acknowledge", "dismiss"])
def test_ticked_rows_without_a_version_are_skipped(desk, action, versions):
    anomaly = make_anomaly()
    given = {"expected": [text.format(pk=anomaly.pk) for text in versions]}
    asked = tick(desk, action, anomaly, **given)
    if action == "dismiss":
        asked = send(desk, LIST, asked, reason="other")
    assert "without the version that was seen" in messages_of(asked)
    assert status_of(anomaly) == "pending"


def test_the_same_list_sent_twice_is_one_change_each(desk):
    anomalies = [make_anomaly() for _ in range(3)]
    opened = desk.get(f"{LIST}?status=pending")
    for _ in range(2):
        answer = tick(desk, "acknowledge", *anomalies, opened=opened)
    said = "3 anomalies acknowledged by you a moment ago; nothing was done twice."
    assert messages_of(answer).endswith(said)
    assert [taken(anomaly) for anomaly in anomalies] == [["acknowledge"]] * 3


def test_a_confirmation_decides_what_was_seen_and_shows_the_rest_again_with_what_was_typed(desk):
    changed, same = make_anomaly(), make_anomaly()
    asked = tick(desk, "dismiss", changed, same)
    add_note(changed.pk, BOB, "wait")
    answer = send(desk, LIST, asked, reason="duplicate", note="typed with care")
    assert answer.status_code == 409
    assert (status_of(changed), status_of(same)) == ("pending", "dismissed")
    assert "notes changed by bob at" in answer.content.decode()
    assert "typed with care" in answer.content.decode()
    assert '<option value="duplicate" selected>' in answer.content.decode()
    assert send(desk, LIST, answer, reason="duplicate", note="typed with care").status_code == 302
    assert status_of(changed) == "dismissed"


def test_all_that_match_are_those_that_were_there_and_as_they_were(desk):
    changed, same = make_anomaly(), make_anomaly()
    asked = tick(desk, "acknowledge", same, select_across="1")
    late = make_anomaly()
    decide("investigate", [changed.pk], BOB)
    answer = send(desk, LIST, asked, note="")
    assert [status_of(each) for each in (changed, same, late)] == ["investigating", "acknowledged", "pending"]
    assert "1 anomaly acknowledged." in messages_of(answer)
    assert "Skipped: 1 anomaly" in messages_of(answer)


def test_a_confirmation_sent_twice_is_one_change_each(desk):
    anomalies = [make_anomaly() for _ in range(3)]
    asked = tick(desk, "acknowledge", *anomalies, select_across="1")
    for _ in range(2):
        answer = send(desk, LIST, asked, note="seen")
    said = "3 anomalies acknowledged by you a moment ago; nothing was done twice."
    assert messages_of(answer).endswith(said)
    assert [taken(anomaly) for anomaly in anomalies] == [["acknowledge"]] * 3


def test_a_confirmation_without_what_was_seen_does_nothing(desk):
    anomaly = make_anomaly()
    asked = tick(desk, "dismiss", anomaly)
    answer = send(desk, LIST, asked, reason="other", expected="")
    assert "without the versions" in messages_of(answer)
    assert status_of(anomaly) == "pending"


def test_a_list_carries_a_version_for_every_row_and_none_for_a_viewer(desk):
    anomalies = [make_anomaly() for _ in range(3)]
    viewer = Client()
    viewer.force_login(make_user("viewer"))
    assert sorted(carried(desk.get(LIST))["expected"]) == sorted(f"{each.pk}=1" for each in anomalies)
    assert "expected" not in carried(viewer.get(LIST))


# --- configs --------------------------------------------------------------------------------------------


def config_page(config: DetectionConfig) -> str:
    return f"{CONFIGS}{config.pk}/change/"


def test_a_config_that_changed_since_it_was_opened_is_not_overwritten(lead):
    config = DetectionConfig.objects.create(ncd_threshold=0.5)
    opened = lead.get(config_page(config))
    write("UPDATE detection_config SET ncd_threshold = 0.7 WHERE id = %s", config.pk)
    answer = send(lead, config_page(config), opened, **{**CONFIG, "window_size": "25"})
    config.refresh_from_db()
    assert answer.status_code == 409
    assert (config.ncd_threshold, config.window_size) == (0.7, 10)
    rows = {row.name: (row.expected, row.now, row.sent) for row in answer.context["versions"].rows}
    assert rows["Novelty threshold"] == ("0.5", "0.7", "0.6")
    assert rows["Window size"] == ("10", "10", "25")
    assert 'value="25"' in answer.content.decode()


def test_a_config_is_saved_by_one_more_click_on_the_page_of_the_conflict(lead):
    config = DetectionConfig.objects.create()
    opened = lead.get(config_page(config))
    write("UPDATE detection_config SET ncd_threshold = 0.7 WHERE id = %s", config.pk)
    conflict = send(lead, config_page(config), opened, **CONFIG)
    assert send(lead, config_page(config), conflict, **CONFIG).status_code == 302
    config.refresh_from_db()
    assert config.ncd_threshold == 0.6


def test_an_activation_elsewhere_makes_an_open_form_out_of_date(lead):
    config = DetectionConfig.objects.create()
    opened = lead.get(config_page(config))
    activate(config.pk, BOB)
    answer = send(lead, config_page(config), opened, **CONFIG)
    assert answer.status_code == 409
    rows = [(row.name, row.expected, row.now) for row in answer.context["versions"].rows if row.is_changed]
    assert rows == [("Active", "no", "yes")]
    assert "bob" in answer.content.decode()


@pytest.mark.parametrize("button", ["_save", "_activate", "_continue"])
@pytest.mark.parametrize("version", [None, "", "x", "0"])
def test_a_config_without_its_version_is_not_saved(lead, version, button):
    config = DetectionConfig.objects.create()
    given = {} if version is None else {"version": version}
    answer = lead.post(config_page(config), {**CONFIG, **given, button: "x"})
    config.refresh_from_db()
    assert answer.status_code == 400
    assert (config.version, config.is_active) == (1, False)
    assert 'value="0.6"' in answer.content.decode()


def test_a_stale_save_and_make_active_does_neither(lead):
    config = DetectionConfig.objects.create()
    opened = lead.get(config_page(config))
    write("UPDATE detection_config SET hop_size = 5 WHERE id = %s", config.pk)
    assert send(lead, config_page(config), opened, **CONFIG, _activate="x").status_code == 409
    assert not DetectionConfig.objects.get(pk=config.pk).is_active


def test_a_config_saved_twice_by_one_form_is_one_record(lead):
    config = DetectionConfig.objects.create()
    opened = lead.get(config_page(config))
    answers = [send(lead, config_page(config), opened, **CONFIG) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [302, 302]
    assert AuditLog.objects.filter(username="lea", resource_type="detection_config").count() == 1


def test_a_config_added_twice_by_one_form_is_one(lead):
    opened = lead.get(f"{CONFIGS}add/")
    answers = [send(lead, f"{CONFIGS}add/", opened, **CONFIG) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [302, 302]
    assert "You added it a moment ago" in messages_of(answers[1])
    assert DetectionConfig.objects.count() == 2


def test_a_config_that_changed_since_it_was_listed_is_not_made_active_but_by_one_more_click(lead):
    config = DetectionConfig.objects.create()
    opened = lead.get(CONFIGS)
    write("UPDATE detection_config SET hop_size = 5 WHERE id = %s", config.pk)
    ticked = {"action": "make_active", "_selected_action": str(config.pk), "index": "0"}
    conflict = send(lead, CONFIGS, opened, **ticked)
    assert conflict.status_code == 409
    assert not DetectionConfig.objects.get(pk=config.pk).is_active
    assert "Hop size" in conflict.content.decode()
    assert send(lead, CONFIGS, conflict).status_code == 302
    assert DetectionConfig.objects.get(pk=config.pk).is_active


def test_an_activation_without_what_was_listed_does_nothing(lead):
    config = DetectionConfig.objects.create()
    ticked = {"action": "make_active", "_selected_action": str(config.pk), "index": "0"}
    assert "without the version" in messages_of(lead.post(CONFIGS, ticked))
    assert not DetectionConfig.objects.get(pk=config.pk).is_active


def test_an_activation_says_in_place_of_which(lead):
    former, config = DetectionConfig.objects.get(), DetectionConfig.objects.create()
    ticked = {"action": "make_active", "_selected_action": str(config.pk), "index": "0"}
    assert messages_of(send(lead, CONFIGS, **ticked)) == f"{config} is now active instead of {former}."
