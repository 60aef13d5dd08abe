"""The audit log by the HTTP API: its entries by filter and page, and the signed bundle of an anomaly."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from anomalies.api.audit.log import AuditParameters, _matching
from anomalies.audit import Actor
from anomalies.models import Anomaly, AuditLog, DetectionConfig
from anomalies.queries import keyset
from anomalies.triage.decisions import decide
from anomalies.triage.undo import undo
from scripts.check_evidence import check
from tests.api.programs import Program, program
from tests.support.factories import make_anomaly
from tests.support.seals import new_key

pytestmark = pytest.mark.django_db
AUDIT = "/api/v1/audit"


@pytest.fixture
def reader(db) -> Program:
    return program("viewer", "read")


def decided(by: str = "ana") -> Anomaly:
    row = make_anomaly()
    decide("dismiss", [row.pk], Actor(by), reason="duplicate", note="same")
    return row


def entries(reader: Program, **query: Any) -> list[dict[str, Any]]:
    answer = reader.get(AUDIT, query)
    assert answer.status_code == 200, answer.content
    found: list[dict[str, Any]] = answer.json()["entries"]
    return found


def test_an_entry_names_who_changed_what_from_what_to_what(reader):
    row = decided()
    [entry] = entries(reader, action="dismiss")
    assert (entry["username"], entry["resource_type"], entry["resource_id"]) == (
        "ana",
        "anomaly",
        str(row.pk),
    )
    assert (entry["old_values"]["status"], entry["new_values"]["status"]) == ("pending", "dismissed")
    assert entry["metadata"]["note"] == "same"
    assert reader.get(f"{AUDIT}/{entry['id']}").json() == entry


def test_the_batch_of_an_entry_is_what_an_undo_takes(reader):
    row = decided()
    [entry] = entries(reader, action="dismiss")
    undo(entry["metadata"]["batch"], Actor("bob"), uuid4())
    assert [each["username"] for each in entries(reader, action="undo")] == ["bob"]
    assert Anomaly.objects.get(pk=row.pk).status == "pending"


def test_entries_are_filtered_by_each_parameter(reader):
    rows = [decided("ana"), decided("bob")]
    DetectionConfig.objects.create(notes="another")
    bobs = AuditLog.objects.get(username="bob", action="dismiss")
    assert [each["id"] for each in entries(reader, username="bob")] == [bobs.pk]
    assert {each["resource_id"] for each in entries(reader, resource_id=rows[0].pk)} == {str(rows[0].pk)}
    assert {each["action"] for each in entries(reader, resource_type="detection_config")} == {"create"}
    when = bobs.timestamp.isoformat()
    assert entries(reader, since=when, order="timestamp")[0]["id"] == bobs.pk
    assert bobs.pk not in {each["id"] for each in entries(reader, until=when)}
    assert entries(reader, username="a\0b") == []


@pytest.mark.parametrize("order", ["timestamp", "-timestamp"])
def test_the_log_is_read_page_by_page_without_a_repeat_or_a_gap(reader, order):
    for _ in range(3):
        decided()
    found, cursor = [], ""
    while cursor is not None:
        page = reader.get(AUDIT, {"order": order, "limit": 2, "cursor": cursor}).json()
        found += [entry["id"] for entry in page["entries"]]
        cursor = page["next_cursor"]
    own = (order, order.replace("timestamp", "id"))
    assert found == list(AuditLog.objects.order_by(*own).values_list("id", flat=True))


def test_a_page_is_read_by_the_index_of_times(reader):
    cursor = "2026-11-24T08:00:00+00:00,7"
    rows = keyset.beyond(_matching(AuditParameters()), ("-timestamp", "-id"), cursor)
    with connection.cursor() as database:
        database.execute("SET LOCAL enable_seqscan = off")
    assert "idx_audit_log_timestamp" in rows.order_by("-timestamp", "-id")[:100].explain()


@pytest.mark.parametrize(
    "query",
    [
        {"since": "yesterday"},
        {"since": "2026-11-24T08:00:00"},
        {"who": "ana"},
        {"cursor": "x"},
        {"limit": 501},
    ],
)
def test_a_parameter_that_is_wrong_is_400(reader, query):
    assert reader.get(AUDIT, query).status_code == 400


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00+09:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_at_the_end_of_all_times_is_one(reader, when):
    assert reader.get(AUDIT, {"since": when, "until": when}).status_code == 200


@pytest.mark.parametrize("number", [0, 2**63, 10**40])
def test_an_entry_that_is_not_there_is_404(reader, number):
    assert reader.get(f"{AUDIT}/{number}").status_code == 404


def test_who_may_not_see_the_audit_log_at_the_desk_does_not_see_it_here(reader):
    reader.token.owner.groups.get().permissions.filter(codename="view_auditlog").delete()
    assert reader.get(AUDIT).status_code == 403
    assert reader.get("/api/v1/anomalies").status_code == 200


# --- bundles ----------------------------------------------------------------------------------------------


def test_a_bundle_is_signed_as_it_is_sent_and_on_record(reader, settings):
    settings.SEAL_KEY = new_key()
    row = make_anomaly(window_data=["ünïcode \u2028", 10**30, [[1.5e-300]]], ncd_score=1e-7)
    document = reader.get(f"/api/v1/anomalies/{row.pk}/bundle").json()
    check(document, bytes.fromhex(document["bundle"]["public_key"]))
    assert document["bundle"]["anomaly"]["id"] == str(row.pk)
    entry = AuditLog.objects.get(action="evidence")
    assert (entry.resource_id, entry.metadata["token"]) == (row.pk, reader.token.prefix)


def test_without_a_key_no_bundle_is_made_and_the_reason_is_given(reader, settings):
    settings.SEAL_KEY = ""
    answer = reader.get(f"/api/v1/anomalies/{make_anomaly().pk}/bundle")
    assert answer.status_code == 409 and "The bundle was not made: " in answer.json()["detail"]


def test_of_an_unknown_anomaly_there_is_no_bundle(reader, settings):
    settings.SEAL_KEY = new_key()
    assert reader.get(f"/api/v1/anomalies/{uuid4()}/bundle").status_code == 404
