"""Writing by the HTTP API: decisions, undo, notes, assignment, snooze; versions, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from anomalies.audit import Actor
from anomalies.models import Anomaly, AuditLog, DetectionConfig
from anomalies.triage.comments import withdraw
from anomalies.triage.decisions import decide
from tests.api.programs import Program, program
from tests.support.factories import make_anomaly, make_user

pytestmark = pytest.mark.django_db
ONE = '"1"'
KEY = "9d0c3b1e-8f6d-4a53-9a3c-0f6f4c2b7a11"


@pytest.fixture
def writer(db) -> Program:
    return program("analyst", "decide")


@pytest.fixture
def row(db) -> Anomaly:
    return make_anomaly()


def path(row: Anomaly, what: str = "decision") -> str:
    return f"/api/v1/anomalies/{row.pk}/{what}"


def problem(answer, status: int) -> dict:
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), (
        answer.content
    )
    found: dict = answer.json()
    return found


def last_entry() -> AuditLog:
    return AuditLog.objects.filter(resource_type="anomaly").latest("id")


def test_a_decision_is_stored_and_recorded_with_owner_address_path_and_token(writer, row):
    answer = writer.post(path(row), {"action": "dismiss", "reason": "other", "note": "seen"}, If_Match=ONE)
    assert answer.status_code == 200, answer.content
    assert (answer.json()["status"], answer.json()["version"], answer["ETag"]) == ("dismissed", 2, '"2"')
    row.refresh_from_db()
    assert (row.dismissed_by, row.dismissal_reason, row.notes) == ("analyst of a program", "other", "seen")
    entry = last_entry()
    assert (entry.username, entry.ip_address) == ("analyst of a program", "127.0.0.1")
    assert (entry.metadata["via"], entry.metadata["token"]) == (path(row), writer.token.prefix)
    assert entry.metadata["batch"] == answer.json()["decision_id"]


@pytest.mark.parametrize("action", ["acknowledge", "investigate", "dismiss"])
def test_each_decision_and_its_undo(writer, row, action):
    reason = {"reason": "known_harmless"} if action == "dismiss" else {}
    done = writer.post(path(row), {"action": action, **reason}, If_Match=ONE).json()
    undone = writer.post(path(row, "undo"), {"decision_id": done["decision_id"]})
    assert (undone.json()["status"], undone["ETag"]) == ("pending", '"3"')
    again = writer.post(path(row, "undo"), {"decision_id": done["decision_id"]})
    assert "undone already" in problem(again, 409)["detail"]


def test_reopening_a_decided_anomaly(writer):
    row = make_anomaly(status="acknowledged", acknowledged_by="ana")
    assert writer.post(path(row), {"action": "reopen"}, If_Match=ONE).json()["status"] == "pending"


def test_a_write_without_a_version_is_428_and_changes_nothing(writer, row):
    found = problem(writer.post(path(row), {"action": "acknowledge"}), 428)
    assert found["errors"][0]["field"] == "If-Match"
    assert Anomaly.objects.get().version == 1


def test_an_out_of_date_version_is_412_with_the_present_one_and_who_changed_it(writer, row):
    decide("investigate", [row.pk], Actor("ana"))
    found = problem(writer.post(path(row), {"action": "acknowledge"}, If_Match=ONE), 412)
    assert (found["current_version"], found["expected_version"]) == (2, 1)
    assert found["current_status"] == "investigating"
    assert "by ana" in found["detail"]
    assert Anomaly.objects.get().status == "investigating"


def test_a_star_stands_for_any_version(writer, row):
    decide("investigate", [row.pk], Actor("ana"))
    assert writer.post(path(row), {"action": "acknowledge"}, If_Match="*").status_code == 200


@pytest.mark.parametrize("header", ["1", 'W/"1"', '"1", "2"', '"x"', '"' + "9" * 30 + '"', ""])
def test_an_if_match_that_is_no_etag_of_ours_is_400(writer, row, header):
    problem(writer.post(path(row), {"action": "acknowledge"}, If_Match=header), 400)
    assert Anomaly.objects.get().version == 1


def test_a_decision_that_the_status_forbids_is_409_with_the_reason(writer):
    row = make_anomaly(status="dismissed", dismissed_by="bob")
    found = problem(writer.post(path(row), {"action": "acknowledge"}, If_Match=ONE), 409)
    assert "dismissed by bob" in found["detail"] and "reopen it first" in found["detail"]
    assert (found["current_version"], found["current_status"]) == (1, "dismissed")


def test_a_write_sent_again_under_its_key_is_done_once_and_answered_as_at_first(writer, row):
    sent = [
        writer.post(path(row), {"action": "acknowledge"}, If_Match=ONE, Idempotency_Key=KEY) for _ in range(2)
    ]
    assert [answer.status_code for answer in sent] == [200, 200]
    assert sent[0].json() == sent[1].json() and sent[0].json()["decision_id"] == KEY
    assert AuditLog.objects.filter(action="acknowledge").count() == 1


def test_another_program_under_the_same_key_is_refused(writer, row):
    writer.post(path(row), {"action": "acknowledge"}, If_Match=ONE, Idempotency_Key=KEY)
    other = program("lead")
    problem(other.post(path(row), {"action": "acknowledge"}, If_Match=ONE, Idempotency_Key=KEY), 412)


@pytest.mark.parametrize(
    "body",
    [
        {"action": "dismiss"},
        {"action": "dismiss", "reason": "because"},
        {"action": "acknowledge", "reason": "other"},
        {"action": "delete"},
        {"action": "acknowledge", "note": "\0"},
        {"action": "acknowledge", "note": "\ud800"},
        {"action": "acknowledge", "note": "x" * 10_001},
        {},
        [],
        None,
    ],
)
def test_a_body_that_says_no_decision_is_a_problem_and_changes_nothing(writer, row, body):
    answer = writer.post(path(row), body, If_Match=ONE)
    problem(answer, 422)
    assert Anomaly.objects.get().version == 1


@pytest.mark.parametrize("what", ["decision", "note", "assignment", "snooze", "undo"])
@pytest.mark.parametrize("data", [b"{", b"\xff\xfe", b"[" * 100_000, b"nul", b'"', b"1e999"])
def test_a_body_that_is_no_json_is_a_problem(writer, row, what, data):
    headers = {"If-Match": ONE}
    answer = writer.client.generic("POST", path(row, what), data, "application/json", headers=headers)
    assert answer.status_code in (400, 422) and answer["Content-Type"] == "application/problem+json"


def test_an_id_that_no_anomaly_has_is_404(writer, row):
    row.pk = uuid4()
    problem(writer.post(path(row), {"action": "acknowledge"}, If_Match=ONE), 404)
    problem(writer.post(path(row, "undo"), {"decision_id": KEY}), 404)


def test_an_undo_of_a_row_that_changed_since_is_409_and_names_who(writer, row):
    done = writer.post(path(row), {"action": "investigate"}, If_Match=ONE).json()
    decide("acknowledge", [row.pk], Actor("bob"))
    found = problem(writer.post(path(row, "undo"), {"decision_id": done["decision_id"]}), 409)
    assert "acknowledged by bob" in found["detail"]


def test_an_undo_of_a_decision_about_another_anomaly_is_404(writer, row):
    batch = decide("investigate", [make_anomaly().pk], Actor("bob")).batch
    problem(writer.post(path(row, "undo"), {"decision_id": str(batch)}), 404)


def test_a_note_is_appended(writer):
    row = make_anomaly(notes="first")
    assert writer.post(path(row, "note"), {"note": "second"}, If_Match=ONE)["ETag"] == '"2"'
    assert Anomaly.objects.get().notes == "first\nsecond"
    problem(writer.post(path(row, "note"), {"note": "third"}, If_Match=ONE), 412)
    problem(writer.post(path(row, "note"), {"note": " "}, If_Match="*"), 422)


def test_assignment_to_oneself_to_another_and_to_nobody(writer, row):
    make_user("lead", "lea")
    for version, (to, name) in enumerate([("me", "analyst of a program"), ("lea", "lea"), (None, None)], 1):
        answer = writer.post(path(row, "assignment"), {"to": to}, If_Match=f'"{version}"')
        assert answer.status_code == 200, answer.content
        assert Anomaly.objects.get().assigned_to == name
    problem(writer.post(path(row, "assignment"), {"to": None}, If_Match="*"), 409)


@pytest.mark.parametrize("to", ["nobody known", "", "a\0b"])
def test_assignment_to_somebody_who_may_not_decide_is_422(writer, row, to):
    problem(writer.post(path(row, "assignment"), {"to": to}, If_Match=ONE), 422)


def test_a_snooze_and_its_end(writer, row):
    until = timezone.now() + timedelta(hours=1)
    answer = writer.post(path(row, "snooze"), {"until": until.isoformat(), "more": 5}, If_Match=ONE)
    row.refresh_from_db()
    assert (row.snoozed_until, row.snooze_more, answer.json()["status"]) == (until, 5, "pending")
    assert writer.send("DELETE", path(row, "snooze"), If_Match='"2"').status_code == 200
    problem(writer.send("DELETE", path(row, "snooze"), If_Match="*"), 409)


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"until": "2020-01-01T00:00:00Z"},
        {"until": "2999-01-01T00:00:00"},
        {"until": "9999-12-31T23:59:59-12:00"},
        {"until": "1e400"},
        {"ncd_above": 1},
        {"ncd_above": -0.1},
        {"ncd_above": "NaN"},
        {"more": 0},
        {"more": 10**30},
        {"more": 1.5},
    ],
)
def test_a_snooze_without_an_end_is_422(writer, row, rule):
    problem(writer.post(path(row, "snooze"), rule, If_Match=ONE), 422)
    assert Anomaly.objects.get().version == 1


def test_a_lead_activates_a_config_that_is_as_it_was_read(db):
    lead = program("lead", "configure")
    other = DetectionConfig.objects.create(notes="other")
    address = f"/api/v1/configs/{other.pk}/activation"
    found = problem(lead.post(address, If_Match='"7"'), 412)
    assert (found["current_version"], found["expected_version"]) == (1, 7)
    answer = lead.post(address, If_Match=ONE)
    assert (answer.status_code, answer.json()["is_active"]) == (200, True)
    assert DetectionConfig.objects.get(is_active=True) == other
    problem(lead.post("/api/v1/configs/77/activation", If_Match="*"), 404)


@pytest.mark.parametrize("number", [2**31, 2**63, 10**30])
def test_a_number_beyond_those_of_configs_is_404(number, db):
    lead = program("lead")
    problem(lead.get(f"/api/v1/configs/{number}"), 404)
    problem(lead.post(f"/api/v1/configs/{number}/activation", If_Match="*"), 404)


# --- comments ---------------------------------------------------------------------------------------------


def test_a_comment_is_stored_in_the_owners_name_and_read_again(writer, row):
    make_user("analyst", "bob")
    answer = writer.post(path(row, "comments"), {"text": "@bob, or @nobody?"})
    assert answer.status_code == 201, answer.content
    said = answer.json()
    assert (said["author"], said["named"], said["unknown"]) == ("analyst of a program", ["bob"], ["nobody"])
    read = program("viewer", "read").get(path(row, "comments")).json()["comments"]
    assert read == [{name: value for name, value in said.items() if name != "unknown"}]
    entry = AuditLog.objects.get(resource_type="comment")
    assert (entry.username, entry.resource_id, entry.metadata["token"]) == (
        "analyst of a program",
        row.pk,
        writer.token.prefix,
    )


def test_a_comment_needs_no_version_and_changes_none(writer, row):
    writer.post(path(row, "comments"), {"text": "x"})
    row.refresh_from_db()
    assert row.version == 1


def test_a_withdrawn_comment_is_read_without_its_text(writer, row):
    said = writer.post(path(row, "comments"), {"text": "secret"}).json()
    withdraw(row.pk, UUID(said["id"]), Actor("analyst of a program"))
    [read] = program("viewer", "read").get(path(row, "comments")).json()["comments"]
    assert read["text"] is None and read["withdrawn_at"] is not None


def test_a_comment_sent_again_with_its_key_is_answered_as_at_first(writer, row):
    first, again = (
        writer.post(path(row, "comments"), {"text": "x"}, Idempotency_Key=KEY).json() for _ in range(2)
    )
    assert first == again and first["id"] == KEY
    other = writer.post(path(row, "comments"), {"text": "y"}, Idempotency_Key=KEY)
    assert "another request" in problem(other, 422)["detail"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"text": " \n"}, "empty"),
        ({"text": "a\0b"}, "NUL"),
        ({"text": "x" * 10_001}, "10000"),
        ({"text": None}, "text"),
        ({}, "text"),
    ],
)
def test_a_comment_that_can_not_be_stored_is_422_with_the_reason(writer, row, body, words):
    assert words in problem(writer.post(path(row, "comments"), body), 422)["detail"]


def test_there_are_no_comments_about_an_anomaly_that_is_not_there(writer):
    nowhere = f"/api/v1/anomalies/{uuid4()}/comments"
    problem(writer.post(nowhere, {"text": "x"}), 404)
    problem(program("viewer", "read").get(nowhere), 404)


def test_a_comment_is_withdrawn_by_its_author_and_by_nobody_else(writer, row):
    said = writer.post(path(row, "comments"), {"text": "secret"}).json()
    address = path(row, f"comments/{said['id']}")
    assert "Only " in problem(program("lead", "decide").send("DELETE", address), 403)["detail"]
    for _ in range(2):
        [read] = writer.send("DELETE", address).json()["comments"]
        assert (read["text"], read["withdrawn_at"] is not None) == (None, True)
    problem(writer.send("DELETE", path(row, f"comments/{uuid4()}")), 404)


def test_a_config_sent_again_with_its_key_is_stored_once(db):
    lead = program("lead", "configure")
    sent = [lead.post("/api/v1/configs", {"ncd_threshold": 0.6}, Idempotency_Key=KEY) for _ in range(2)]
    assert [answer.status_code for answer in sent] == [201, 201] and sent[0].json() == sent[1].json()
    assert (DetectionConfig.objects.count(), sent[1]["ETag"]) == (2, '"1"')
