"""Bulk by the HTTP API: preview, confirmation, undo, and what changed in between."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from anomalies.audit import Actor
from anomalies.models import Anomaly, AuditLog, BulkSet
from anomalies.triage import frozen_selection
from anomalies.triage.decisions import decide
from tests.api.programs import Program, program
from tests.support.factories import make_anomaly

pytestmark = pytest.mark.django_db
BULK = "/api/v1/bulk"


@pytest.fixture
def analyst(db) -> Program:
    return program("analyst", "decide")


def preview(analyst: Program, action: str, query: str = "?status=pending") -> dict:
    answer = analyst.post(BULK + query, {"action": action})
    assert answer.status_code == 201, answer.content
    found: dict = answer.json()
    return found


def confirm(analyst: Program, bulk: dict, **values: object):
    return analyst.post(f"{BULK}/{bulk['id']}/confirmation", values)


def statuses() -> list[str]:
    return sorted(Anomaly.objects.values_list("status", flat=True))


def test_a_preview_counts_what_matches_by_pattern_and_changes_nothing(analyst):
    for number in range(3):
        make_anomaly(glass_box_explanation=f"disk {number} is full")
    make_anomaly(glass_box_explanation="no route to host")
    make_anomaly(status="dismissed", dismissed_by="bob")
    found = preview(analyst, "acknowledge")
    assert (found["rows"], found["is_started"], found["is_capped"]) == (4, False, False)
    assert [each["count"] for each in found["patterns"]] == [3, 1]
    assert found["filter"] == "pending anomalies"
    assert statuses() == ["dismissed"] + ["pending"] * 4


def test_a_confirmation_decides_exactly_what_was_previewed(analyst):
    rows = [make_anomaly() for _ in range(3)]
    bulk = preview(analyst, "dismiss")
    make_anomaly()
    decide("investigate", [rows[0].pk], Actor("ana"))
    found = confirm(analyst, bulk, reason="duplicate", note="same").json()
    assert (found["written"], found["is_finished"], found["rows"]) == (2, True, 3)
    (skipped,) = found["skipped"]
    assert (skipped["count"], skipped["ids"]) == (1, [str(rows[0].pk)]) and "by ana" in skipped["why"]
    assert statuses() == ["dismissed", "dismissed", "investigating", "pending"]
    entry = AuditLog.objects.filter(action="dismiss").first()
    assert (entry.metadata["batch"], entry.metadata["token"]) == (bulk["id"], analyst.token.prefix)


def test_a_confirmation_sent_again_writes_nothing_twice_and_keeps_the_first_values(analyst):
    make_anomaly()
    bulk = preview(analyst, "dismiss")
    answers = [confirm(analyst, bulk, reason=reason).json() for reason in ("duplicate", "other")]
    assert answers[0] == answers[1]
    assert (Anomaly.objects.get().dismissal_reason, Anomaly.objects.get().version) == ("duplicate", 2)


def test_a_large_selection_is_written_in_parts_until_it_is_finished(analyst, monkeypatch):
    monkeypatch.setattr(frozen_selection, "STEP", 2)
    monkeypatch.setattr("anomalies.api.bulk.SECONDS", 0)
    for _ in range(5):
        make_anomaly()
    bulk = preview(analyst, "investigate")
    assert [confirm(analyst, bulk).json()["done_to"] for _ in range(3)] == [2, 4, 5]
    state = analyst.get(f"{BULK}/{bulk['id']}").json()
    assert (state["is_finished"], state["written"]) == (True, 5)


@pytest.mark.parametrize("action", ["acknowledge", "assign", "snooze"])
def test_each_kind_of_write_and_its_undo(analyst, action):
    for _ in range(2):
        make_anomaly()
    until = (timezone.now() + timedelta(hours=1)).isoformat()
    values = {"acknowledge": {"note": "real"}, "assign": {"to": "me"}, "snooze": {"until": until}}
    bulk = preview(analyst, action)
    assert confirm(analyst, bulk, **values[action]).json()["written"] == 2
    row = Anomaly.objects.first()
    assert (row.acknowledged_by or row.assigned_to or row.snoozed_by) == "analyst of a program"
    undone = analyst.post(f"{BULK}/{bulk['id']}/undo").json()
    assert (undone["undone"], undone["is_finished"], undone["skipped"]) == (2, True, [])
    row.refresh_from_db()
    assert (row.status, row.assigned_to, row.snoozed_at) == ("pending", None, None)
    assert analyst.post(f"{BULK}/{bulk['id']}/undo").json()["undone"] == 2


def test_what_is_assigned_so_already_is_skipped_with_the_reason(analyst):
    make_anomaly(assigned_to="analyst of a program")
    found = confirm(analyst, preview(analyst, "assign"), to="me").json()
    assert found["written"] == 0 and "assigned so already" in found["skipped"][0]["why"]


@pytest.mark.parametrize(
    ("action", "values"),
    [
        ("dismiss", {}),
        ("dismiss", {"reason": "because"}),
        ("acknowledge", {"reason": "other"}),
        ("acknowledge", {"to": "me"}),
        ("acknowledge", {"note": "\0"}),
        ("assign", {}),
        ("assign", {"to": "nobody known"}),
        ("assign", {"to": "a\0b"}),
        ("snooze", {}),
        ("snooze", {"until": "2020-01-01T00:00:00Z"}),
        ("snooze", {"more": 5, "note": "x"}),
    ],
)
def test_values_that_do_not_fit_the_action_are_422_and_leave_the_selection_open(analyst, action, values):
    make_anomaly()
    bulk = preview(analyst, action)
    assert confirm(analyst, bulk, **values).status_code == 422
    assert (BulkSet.objects.get().started_at, Anomaly.objects.get().version) == (None, 1)


def test_a_selection_is_its_owners(analyst):
    bulk = preview(analyst, "acknowledge")
    other = program("lead")
    for method, path in (("GET", ""), ("POST", "/confirmation"), ("POST", "/undo")):
        assert other.send(method, f"{BULK}/{bulk['id']}{path}", {}).status_code == 404
        assert other.send(method, f"{BULK}/{uuid4()}{path}", {}).status_code == 404


def test_an_undo_of_what_was_not_confirmed_is_409(analyst):
    make_anomaly()
    assert analyst.post(f"{BULK}/{preview(analyst, 'acknowledge')['id']}/undo").status_code == 409


@pytest.mark.parametrize("query", ["?state=pending", "?ncd_min=2"])
def test_a_filter_that_is_wrong_freezes_nothing(analyst, query):
    answer = analyst.post(BULK + query, {"action": "acknowledge"})
    assert (answer.status_code, BulkSet.objects.count()) == (400, 0)


def test_more_than_the_limit_is_capped_and_says_so(analyst, settings):
    settings.BULK_ROWS = 2
    for _ in range(3):
        make_anomaly()
    found = preview(analyst, "acknowledge")
    assert (found["rows"], found["is_capped"]) == (2, True)
