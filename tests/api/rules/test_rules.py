"""Triage rules by the HTTP API: made, read, renewed, stopped and undone as on the desk."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.db.models import F
from django.utils import timezone

from anomalies.audit import Actor
from anomalies.models import Anomaly, AuditLog, TriageRule
from anomalies.queries import hourly_rollup
from anomalies.triage.decisions import decide
from anomalies.triage.rules import stop
from tests.api.programs import Program, program
from tests.support.factories import make_anomaly, make_user

pytestmark = pytest.mark.django_db
RULES, WINDOWS = "/api/v1/rules", "/api/v1/rules/windows"
KEY = "5f0e6f7c-6b1d-4f0e-9f5e-6c2b7f7f2a11"
OWNER = "lead of a program"
NIGHTLY = {"action": "dismiss", "reason": "known_harmless", "note": "nightly"}


@pytest.fixture
def lead(db) -> Program:
    return program("lead", "read", "decide", "configure")


def came(text: str = "process 1 lost", **over: Any) -> Anomaly:
    """An anomaly that happens now, as it is once it is stored."""
    given = {"timestamp": timezone.now(), "metadata": {"service": "pay"}} | over
    return Anomaly.objects.get(pk=make_anomaly(glass_box_explanation=text, **given).pk)


def about(row: Anomaly, **more: Any) -> dict[str, Any]:
    return NIGHTLY | {"pattern": str(row.pattern)} | more


def window(**over: Any) -> dict[str, Any]:
    now = timezone.now()
    times = {"window_start": now - timedelta(hours=1), "window_end": now + timedelta(hours=1)}
    return NIGHTLY | {name: each.isoformat() for name, each in times.items()} | {"source": "pay"} | over


def made(lead: Program, row: Anomaly, **more: Any) -> dict[str, Any]:
    answer = lead.post(RULES, about(row, **more))
    assert answer.status_code == 201, answer.content
    found: dict[str, Any] = answer.json()
    return found


def test_a_rule_decides_about_what_comes_in_the_name_of_owner_and_token(lead):
    rule = made(lead, came(), days=30)
    assert (rule["owner"], rule["state"], rule["hits"]) == (OWNER, "active", 0)
    assert (came().status, came("found").status) == ("dismissed", "pending")
    entry = AuditLog.objects.get(resource_type="triage rule")
    assert (entry.username, entry.metadata["token"]) == (OWNER, lead.token.prefix)
    assert (entry.metadata["via"], TriageRule.objects.get().note) == (RULES, "nightly")


def test_a_rule_is_read_with_its_pattern_and_its_hits(lead):
    rule = made(lead, came())
    came()
    hourly_rollup.fold()
    found = lead.get(f"{RULES}/{rule['id']}").json()
    assert (found["template"], found["source"], found["hits"]) == ("process # lost", "pay", 1)
    assert (found["ncd_limit"], found["hourly_limit"], found["stopped_at"]) == (0.75, 10, None)
    assert lead.get(RULES).json() == {"rules": [found], "next_cursor": None}


def test_me_is_the_owner_of_the_token(lead):
    rule = made(lead, came(), action="assign", reason=None, assign_to="me")
    assert (rule["assign_to"], came().assigned_to) == (OWNER, OWNER)


def test_a_maintenance_window_is_made_for_weeks_in_a_row(lead):
    rules = lead.post(WINDOWS, window(weeks=3)).json()["rules"]
    assert [rule["state"] for rule in rules] == ["active", "planned", "planned"]
    assert (came("anything").status, came(metadata=None).status) == ("dismissed", "pending")


@pytest.mark.parametrize(
    ("wrong", "status", "field"),
    [
        ({"note": " "}, 422, "note"),
        ({"note": "\0"}, 422, "note"),
        ({"action": "acknowledge"}, 422, "action"),
        ({"reason": None}, 422, "reason"),
        ({"action": "snooze"}, 422, "reason"),
        ({"action": "assign", "reason": None}, 422, "assign_to"),
        ({"action": "assign", "reason": None, "assign_to": "nobody known"}, 422, "assign_to"),
        ({"days": 91}, 422, "days"),
        ({"days": 0}, 422, "days"),
        ({"pattern": str(uuid4())}, 422, "pattern"),
        ({"pattern": "x"}, 422, "pattern"),
    ],
)
def test_a_rule_that_is_not_sound_names_the_field_and_makes_nothing(lead, wrong, status, field):
    answer = lead.post(RULES, about(came(), **wrong))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (status, field)
    assert not TriageRule.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"source": ""}, "source"),
        ({"source": "a\0b"}, "source"),
        ({"source": "\ud800"}, "source"),
        ({"stream_type": "x"}, "stream_type"),
        ({"window_start": "0001-01-01T00:00:00+09:00"}, "window_start"),
        ({"window_start": "9999-01-01T00:00:00Z"}, "window_end"),
        ({"window_end": "2020-01-01T00:00:00"}, "window_end"),
        ({"window_end": "9999-12-31T23:59:59-12:00"}, "window_end"),
        ({"window_start": "2020-01-01T00:00:00Z", "window_end": "2020-01-02T00:00:00Z"}, "window_end"),
        ({"weeks": 13}, "weeks"),
    ],
)
def test_a_window_that_is_not_sound_names_the_field_and_makes_nothing(lead, wrong, field):
    answer = lead.post(WINDOWS, window(**wrong))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert not TriageRule.objects.exists()


def test_a_second_rule_about_a_pattern_is_409_and_names_the_owner_of_the_first(lead):
    row = came()
    made(lead, row)
    answer = lead.post(RULES, about(row))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, "pattern")
    assert f"A rule by {OWNER}" in answer.json()["detail"]


def test_a_rule_is_renewed_and_stopped_with_the_reason(lead):
    rule = made(lead, came(), days=1)
    renewed = lead.post(f"{RULES}/{rule['id']}/renewal", {"days": 60}).json()
    assert renewed["expires_at"] > rule["expires_at"]
    stopped = lead.post(f"{RULES}/{rule['id']}/stop", {"note": "moved"}).json()
    assert (stopped["state"], stopped["stopped_by"], stopped["stop_reason"]) == ("stopped", OWNER, "moved")
    assert lead.post(f"{RULES}/{rule['id']}/stop", {}).json() == stopped
    assert came().status == "pending"


def test_what_is_stopped_or_a_window_is_not_renewed(lead):
    rule = made(lead, came())
    stop([rule["id"]], Actor("bob"))
    [other] = lead.post(WINDOWS, window()).json()["rules"]
    said = [lead.post(f"{RULES}/{each['id']}/renewal", {}) for each in (rule, other)]
    assert [answer.status_code for answer in said] == [409, 409]
    assert "A stopped rule" in said[0].json()["detail"] and "window" in said[1].json()["detail"]


def test_what_a_rule_did_is_undone_except_what_changed_since(lead):
    rule = made(lead, came())
    rows = [came() for _ in range(3)]
    decide("reopen", [rows[0].pk], Actor("ana"))
    analyst = program("analyst", "decide")
    found = analyst.post(f"{RULES}/{rule['id']}/undo").json()
    assert (found["id"], found["undone"], found["is_finished"]) == (rule["id"], 2, True)
    assert "by ana" in found["skipped"][0]["why"]
    assert not Anomaly.objects.filter(status="dismissed").exists()
    assert came().status == "dismissed"
    assert analyst.post(f"{RULES}/{rule['id']}/undo").json()["undone"] == 3


def test_a_rule_that_decided_about_nothing_has_no_undo(lead):
    answer = lead.post(f"{RULES}/{made(lead, came())['id']}/undo")
    assert answer.status_code == 409 and "nothing to undo" in answer.json()["detail"]


def test_an_unknown_rule_is_404_everywhere(lead):
    addresses = [("GET", ""), ("POST", "/renewal"), ("POST", "/stop"), ("POST", "/undo")]
    assert {lead.send(how, f"{RULES}/{uuid4()}{path}", {}).status_code for how, path in addresses} == {404}


@pytest.mark.parametrize(("path", "made_by_one"), [(RULES, 1), (WINDOWS, 2)])
def test_a_retry_makes_nothing_twice_and_is_answered_as_at_first(lead, path, made_by_one):
    body = about(came()) if path == RULES else window(weeks=2)
    first = lead.post(path, body, Idempotency_Key=KEY)
    TriageRule.objects.update(stop_reason="moved", stopped_at=timezone.now())
    again = lead.post(path, body, Idempotency_Key=KEY)
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert TriageRule.objects.count() == made_by_one
    assert lead.post(path, body | {"note": "other"}, Idempotency_Key=KEY).status_code == 422


def test_a_refusal_is_not_kept_and_leaves_nothing(lead):
    body = about(came(), note=" ")
    assert lead.post(RULES, body, Idempotency_Key=KEY).status_code == 422
    assert lead.post(RULES, body | {"note": "nightly"}, Idempotency_Key=KEY).status_code == 201


def notes(lead: Program, **query: str) -> str:
    return "".join(sorted(rule["note"] for rule in lead.get(RULES, query).json()["rules"]))


def test_the_list_is_filtered_by_state_and_pattern(lead):
    rules = {text: made(lead, came(text), note=text) for text in "abcd"}
    at = TriageRule.objects.filter
    at(pk=rules["b"]["id"]).update(stopped_at=timezone.now(), stop_reason="an NCD of 0.9")
    stop([rules["c"]["id"]], Actor("bob"))
    long_ago = timezone.now() - timedelta(days=9)
    at(pk=rules["d"]["id"]).update(renewed_at=long_ago, expires_at=long_ago + timedelta(days=1))
    assert {state: notes(lead, state=state) for state in ("active", "itself", "ended")} == {
        "active": "a",
        "itself": "b",
        "ended": "bcd",
    }
    assert (notes(lead), notes(lead, pattern=rules["c"]["pattern"])) == ("abcd", "c")


def test_the_list_is_read_page_by_page_newest_first(lead):
    for text in "abc":
        made(lead, came(text), note=text)
    TriageRule.objects.filter(note__in="ab").update(created_at=F("created_at") - timedelta(days=1))
    order, cursor = [], ""
    while cursor is not None:
        page = lead.get(RULES, {"limit": 1, "cursor": cursor}).json()
        order += [rule["note"] for rule in page["rules"]]
        cursor = page["next_cursor"]
    assert (order[0], sorted(order)) == ("c", ["a", "b", "c"])


@pytest.mark.parametrize("query", [{"cursor": "x"}, {"state": "x"}, {"stat": "active"}, {"pattern": "x"}])
def test_a_parameter_that_is_wrong_is_400(lead, query):
    assert lead.get(RULES, query).status_code == 400


# --- what would be hidden ---------------------------------------------------------------------------------


def test_the_what_if_counts_by_status_and_shows_acknowledged_ones_first(lead):
    rows = [came() for _ in range(3)]
    decide("acknowledge", [rows[0].pk], Actor("ana"))
    hourly_rollup.fold()
    found = lead.get(f"{RULES}/what-if", {"pattern": rows[0].pattern}).json()
    assert (found["counts"]["acknowledged"], found["counts"]["pending"]) == (1, 2)
    assert [each["status"] for each in found["first"]] == ["acknowledged", "pending", "pending"]
    assert (found["days"], found["limits"]) == (30, {"ncd": 0.75, "hourly": 10, "known": 3})
    by_source = lead.get(f"{RULES}/what-if", {"source": "pay", "stream": "logs"}).json()
    assert (by_source["counts"], by_source["limits"]) == (found["counts"], None)


@pytest.mark.parametrize("query", [{}, {"pattern": KEY, "source": "web"}, {"sauce": "web"}, {"stream": "x"}])
def test_a_what_if_is_about_a_pattern_or_else_a_source_or_stream(lead, query):
    assert lead.get(f"{RULES}/what-if", query).status_code == 400


def test_a_rule_is_proposed_for_what_was_dismissed_again_and_again(lead):
    rows = [came() for _ in range(5)]
    decide("dismiss", [row.pk for row in rows], Actor("ana"), reason="duplicate")
    hourly_rollup.fold()
    [found] = lead.get(f"{RULES}/proposals").json()["proposals"]
    assert (found["dismissed"], found["reason"], found["template"]) == (5, "duplicate", "process # lost")
    made(lead, rows[0])
    assert lead.get(f"{RULES}/proposals").json()["proposals"] == []


# --- who may ----------------------------------------------------------------------------------------------


def test_who_may_choose_configs_but_not_decide_makes_no_rule(db):
    owner = make_user("lead", "a lead of no decisions")
    owner.groups.clear()
    owner.user_permissions.set(_permissions("view_anomaly", "activate_detectionconfig"))
    answer = Program(owner).post(RULES, about(came()))
    assert (answer.status_code, TriageRule.objects.count()) == (403, 0)


def _permissions(*names: str) -> Any:
    return Permission.objects.filter(content_type__app_label="anomalies", codename__in=names)
