"""The addresses of the original server: its names, its shapes, and decisions of the desk behind them."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client

from anomalies.models import Anomaly, AuditLog
from tests.api.programs import Program, program
from tests.support.factories import NOON, make_anomaly

pytestmark = pytest.mark.django_db
LIST = "/v1/anomalies"
# The fields of its type that are no pointers: always there.
ALWAYS = set(
    "id timestamp stream_type ncd_score p_value status glass_box_explanation compression_baseline "
    "compression_window compression_combined compression_ratio_change confidence_level "
    "is_statistically_significant created_at updated_at".split()
)
SOMETIMES = set(
    "detailed_explanation baseline_entropy window_entropy entropy_change baseline_data window_data metadata "
    "tags acknowledged_by acknowledged_at dismissed_by dismissed_at notes".split()
)


@pytest.fixture
def client(db) -> Program:
    return program("analyst", "read", "decide")


def test_a_page_has_the_original_shape(client):
    for hour in range(3):
        make_anomaly(timestamp=NOON + timedelta(hours=hour))
    pages = [client.get(LIST, {"limit": 2, "offset": offset}).json() for offset in (0, 2)]
    assert [len(page.pop("anomalies")) for page in pages] == [2, 1]
    assert pages == [
        {"total": 3, "limit": 2, "offset": 0, "has_more": True},
        {"total": 3, "limit": 2, "offset": 2, "has_more": False},
    ]


def test_without_limit_and_offset_they_are_50_and_0(client):
    assert client.get(LIST).json() == {
        "anomalies": [],
        "total": 0,
        "limit": 50,
        "offset": 0,
        "has_more": False,
    }


def test_an_anomaly_has_the_original_fields_and_null_ones_are_left_out(client):
    row = make_anomaly(window_data={"lines": ["x"]}, notes="n")
    found = client.get(f"{LIST}/{row.pk}").json()
    assert ALWAYS <= set(found) <= ALWAYS | SOMETIMES
    assert found["baseline_data"] == {"events": ["checkpoint starting", "checkpoint complete"]}
    assert (found["window_data"], found["metadata"]) == ({"lines": ["x"]}, {"host": "db1"})


FILTERS = {
    "stream_type": ("logs", {"stream_type": "llm"}),
    "status": ("pending", {"status": "dismissed"}),
    "min_ncd_score": ("0.6", {"ncd_score": 0.5}),
    "max_p_value": ("0.02", {"p_value": 0.5}),
    "start_time": ("2026-11-23T11:00:00Z", {"timestamp": NOON - timedelta(days=1)}),
    "end_time": ("2026-11-23T13:00:00+00:00", {"timestamp": NOON + timedelta(days=1)}),
    "tags": ("db", {"tags": ["web"]}),
    "only_significant": ("true", {"is_statistically_significant": False}),
}


@pytest.mark.parametrize("name", FILTERS)
def test_each_original_filter_selects(client, name):
    value, other = FILTERS[name]
    kept = make_anomaly()
    make_anomaly(**other)
    found = client.get(LIST, {name: value}).json()
    assert ([row["id"] for row in found["anomalies"]], found["total"]) == ([str(kept.pk)], 1)


def test_only_significant_false_selects_all(client):
    make_anomaly(is_statistically_significant=False)
    assert client.get(LIST, {"only_significant": "FALSE"}).json()["total"] == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"min_ncd_score": "2"}, "min_ncd_score"),
        ({"start_time": "yesterday"}, "start_time"),
        ({"stream_type": "x"}, "stream_type"),
        ({"limit": "1001"}, "limit"),
        ({"offset": "-1"}, "offset"),
        ({"offset": "10001"}, "offset"),
        ({"stream": "logs"}, "stream"),
    ],
)
def test_what_is_wrong_is_named_by_the_original_name(client, query, field):
    answer = client.get(LIST, query)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert field in [each["field"] for each in answer.json()["errors"]]


def patch(client: Program, row: Anomaly, **body: object):
    return client.send("PATCH", f"{LIST}/{row.pk}/status", body)


@pytest.mark.parametrize(
    ("status", "column"),
    [
        ("acknowledged", "acknowledged_by"),
        ("dismissed", "dismissed_by"),
        ("investigating", "investigating_by"),
    ],
)
def test_a_change_of_status_is_a_decision_by_the_owner(client, status, column):
    row = make_anomaly(notes="first")
    answer = patch(client, row, status=status, notes="second")
    assert (answer.status_code, answer.json()["status"], answer.json()["notes"]) == (
        200,
        status,
        "first\nsecond",
    )
    row.refresh_from_db()
    assert getattr(row, column) == "analyst of a program"
    entry = AuditLog.objects.latest("id")
    assert (entry.username, entry.metadata["token"]) == ("analyst of a program", client.token.prefix)


def test_a_dismissal_has_the_reason_other_unless_one_is_sent(client):
    rows = make_anomaly(), make_anomaly()
    patch(client, rows[0], status="dismissed")
    patch(client, rows[1], status="dismissed", dismissal_reason="duplicate")
    reasons = [Anomaly.objects.get(pk=row.pk).dismissal_reason for row in rows]
    assert reasons == ["other", "duplicate"]


def test_from_a_decided_status_it_is_reopened_first_and_both_are_recorded(client):
    row = make_anomaly(status="acknowledged", acknowledged_by="bob")
    assert patch(client, row, status="dismissed").json()["status"] == "dismissed"
    actions = AuditLog.objects.filter(resource_id=row.pk).order_by("id").values_list("action", flat=True)
    assert list(actions)[-2:] == ["reopen", "dismiss"]
    assert patch(client, row, status="pending").json()["status"] == "pending"


def test_a_status_that_it_has_already_is_no_decision_and_the_note_is_kept(client):
    row = make_anomaly(status="acknowledged", acknowledged_by="bob")
    assert patch(client, row, status="acknowledged", notes="me too").json()["notes"] == "me too"
    assert Anomaly.objects.get().acknowledged_by == "bob"
    assert patch(client, row, status="acknowledged").status_code == 200


@pytest.mark.parametrize("status", ["pending", "acknowledged"])
def test_an_if_match_that_is_sent_counts(client, status):
    row = make_anomaly()
    path = f"{LIST}/{row.pk}/status"
    answer = client.send("PATCH", path, {"status": status, "notes": "x"}, If_Match='"7"')
    assert (answer.status_code, Anomaly.objects.get().version) == (412, 1)


@pytest.mark.parametrize("body", [{}, {"status": "open"}, {"status": "dismissed", "notes": "\0"}, [], "x"])
def test_a_body_that_is_no_status_is_422_and_changes_nothing(client, body):
    row = make_anomaly()
    assert client.send("PATCH", f"{LIST}/{row.pk}/status", body).status_code == 422
    assert Anomaly.objects.get().version == 1


def test_an_id_that_no_anomaly_has_is_404(client):
    assert client.get(f"{LIST}/{uuid4()}").status_code == 404
    assert client.send("PATCH", f"{LIST}/{uuid4()}/status", {"status": "pending"}).status_code == 404


NEW = {
    "timestamp": "2026-11-23T12:00:00Z",
    "stream_type": "logs",
    "ncd_score": 0.7,
    "p_value": 0.001,
    "glass_box_explanation": "a new line",
    "compression_baseline": 0.2,
    "compression_window": 0.5,
    "compression_combined": 0.3,
    "confidence_level": 0.99,
    "window_data": {"lines": ["x"]},
    "tags": ["db"],
}


def test_a_new_anomaly_is_stored_with_its_change_and_significance_and_recorded(db):
    detector = program("lead", "ingest")
    answer = detector.post(LIST, NEW)
    assert answer.status_code == 201, answer.content
    row = Anomaly.objects.get(pk=answer.json()["id"])
    assert (row.compression_ratio_change, row.is_statistically_significant) == (pytest.approx(150), True)
    assert answer.json()["window_data"] == {"lines": ["x"]}
    entry = AuditLog.objects.get(action="create", resource_type="anomaly")
    assert entry.metadata["token"] == detector.token.prefix
    assert not Anomaly.objects.get(
        pk=detector.post(LIST, {**NEW, "p_value": 0.5}).json()["id"]
    ).is_statistically_significant


@pytest.mark.parametrize(
    "wrong",
    [{"ncd_score": 2}, {"timestamp": "now"}, {"tags": ["x" * 300]}, {"metadata": [1]}, {"stream_type": "x"}],
)
def test_a_new_anomaly_that_does_not_fit_is_422_and_stores_nothing(db, wrong):
    answer = program("lead", "ingest").post(LIST, {**NEW, **wrong})
    assert (answer.status_code, Anomaly.objects.count()) == (422, 0), answer.content
    assert next(iter(wrong)) in answer.json()["detail"]


def test_the_config_is_the_active_one(client):
    found = client.get("/v1/config").json()
    assert (found["id"], found["is_active"], found["ncd_threshold"]) == (1, True, 0.5)


def test_performance_counts_connections(client):
    found = client.get("/v1/metrics/performance").json()
    assert found["sse_connections"] == 0 and found["database"]["open"] >= found["database"]["in_use"] >= 1


def test_the_version_needs_no_token():
    assert Client().get("/v1/version").json()["version"]


@pytest.mark.parametrize("rows", [3, 30])
def test_a_page_takes_at_most_four_queries(client, rows, django_assert_max_num_queries):
    for _ in range(rows):
        make_anomaly()
    client.get(LIST)
    with django_assert_max_num_queries(4):  # the token, the page, if the roll-up is built, its figures
        client.get(LIST, {"status": "pending"})
