"""Requests before their view: other origins, bodies that are too large or of unknown length, and retries."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db.models import F
from django.test import Client

from anomalies.audit import Actor
from anomalies.models import Anomaly, ApiAnswer
from anomalies.triage.decisions import decide
from driftlock import settings as product
from tests.api.programs import Program, program
from tests.api.test_ingest import line, lines
from tests.api.test_ingest import send as send_lines
from tests.support.factories import make_anomaly

pytestmark = pytest.mark.django_db
KEY = "5f0e6f7c-6b1d-4f0e-9f5e-6c2b7f7f2a11"
APP = "https://app.example.org"


@pytest.fixture
def lead(db) -> Program:
    return program("lead")


# --- other origins ----------------------------------------------------------------------------------------


def cors(answer) -> set[str]:
    return {name.lower() for name in answer.headers if name.lower().startswith("access-control")}


def preflight(origin: str, path: str = "/api/v1/anomalies"):
    asked = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    return Client().generic("OPTIONS", path, headers=asked)


@pytest.mark.parametrize("origin", [APP, "null"])
def test_unless_set_no_origin_is_allowed(lead, origin):
    assert product.CORS_ALLOWED_ORIGINS == []
    assert cors(lead.get("/api/v1/configs", None, Origin=origin)) | cors(preflight(origin)) == set()


def test_an_origin_that_is_set_is_allowed_without_cookies_and_no_other(lead, settings):
    settings.CORS_ALLOWED_ORIGINS = [APP]
    answer = lead.get("/api/v1/configs", None, Origin=APP)
    assert (answer["Access-Control-Allow-Origin"], answer["Vary"]) == (APP, "origin")
    assert "access-control-allow-credentials" not in cors(answer)
    assert "authorization" in preflight(APP)["Access-Control-Allow-Headers"]
    assert cors(preflight("https://other.example")) == cors(preflight(APP, "/admin/")) == set()


@pytest.mark.parametrize("text", ["*", "app.example.org", "https://app.example.org/path", "ftp://x"])
def test_an_origin_that_is_none_is_refused_with_an_example(text, monkeypatch):
    monkeypatch.setenv("DRIFTLOCK_CORS_ORIGINS", text)
    with pytest.raises(product.ImproperlyConfigured, match="such as https://"):
        product._origins("DRIFTLOCK_CORS_ORIGINS")


# --- bodies -----------------------------------------------------------------------------------------------


class Unread:
    """A body that fails the test if it is read."""

    def read(self, *_: int) -> bytes:
        raise AssertionError("the body was read")

    readline = read


@pytest.mark.parametrize(
    ("path", "length", "status"),
    [
        ("/api/v1/ingest", 10**12, 413),
        ("/api/v1/anomalies/{id}/decision", 10**12, 413),
        ("/api/v1/anomalies/{id}/undo", 3_000_000, 413),
        ("/v1/anomalies/{id}/status", 3_000_000, 413),
        ("/api/v1/ingest", None, 411),
        ("/api/v1/anomalies/{id}/decision", None, 411),
    ],
)
def test_a_body_that_is_too_large_or_of_unknown_length_is_refused_unread(lead, path, length, status):
    method = "PATCH" if path.endswith("status") else "POST"
    how = {"HTTP_TRANSFER_ENCODING": "chunked"} if length is None else {"CONTENT_LENGTH": str(length)}
    answer = lead.client.generic(
        method,
        path.format(id=make_anomaly().pk),
        b"{}",
        "application/json",
        headers={"If-Match": "*"},
        **{"wsgi.input": Unread(), **how},
    )
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")


# --- retries ----------------------------------------------------------------------------------------------


def acknowledge(lead: Program, row: Anomaly, note: str = ""):
    body = {"action": "acknowledge", "note": note}
    path = f"/api/v1/anomalies/{row.pk}/decision"
    return lead.post(path, body, If_Match='"1"', Idempotency_Key=KEY)


def test_a_retry_is_answered_as_at_first_whatever_happened_since(lead):
    row = make_anomaly()
    first = acknowledge(lead, row)
    decide("reopen", [row.pk], Actor("ana"))
    again = acknowledge(lead, row)
    assert (again.status_code, again.json(), again["ETag"]) == (200, first.json(), '"2"')
    assert Anomaly.objects.get().status == "pending"


def test_a_retry_of_an_undo_is_answered_as_at_first(lead):
    row = make_anomaly()
    batch = decide("investigate", [row.pk], Actor("ana")).batch
    path, body = f"/api/v1/anomalies/{row.pk}/undo", {"decision_id": str(batch)}
    sent = [lead.post(path, body, Idempotency_Key=KEY) for _ in range(2)]
    assert [answer.status_code for answer in sent] == [200, 200]
    assert sent[0].json() == sent[1].json()


def test_a_key_that_named_another_request_is_422_and_changes_nothing(lead):
    rows = make_anomaly(), make_anomaly()
    acknowledge(lead, rows[0])
    for answer in (acknowledge(lead, rows[1]), acknowledge(lead, rows[0], "x")):
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
    assert Anomaly.objects.filter(status="pending").count() == 1


def test_a_refusal_is_not_kept(lead):
    row = make_anomaly(status="dismissed", dismissed_by="bob")
    assert acknowledge(lead, row).status_code == 409
    assert not ApiAnswer.objects.exists()


def test_an_answer_is_kept_for_a_day(lead):
    acknowledge(lead, make_anomaly())
    ApiAnswer.objects.update(created_at=F("created_at") - timedelta(hours=25))
    other = make_anomaly()
    path, body = f"/api/v1/anomalies/{other.pk}/note", {"note": "x"}
    assert lead.post(path, body, If_Match="*", Idempotency_Key=str(uuid4())).status_code == 200
    assert ApiAnswer.objects.count() == 1


def test_an_ingest_sent_again_is_answered_with_the_first_counts(lead):
    first = send_lines(lead, lines(3), **{"Idempotency-Key": KEY})
    again = send_lines(lead, lines(3), **{"Idempotency-Key": KEY})
    assert first.json() == again.json() and again.json()["new"] == 3


@pytest.mark.parametrize("query", ["", "?source=other"])
def test_another_ingest_under_the_same_key_is_422_and_stores_nothing(lead, query):
    send_lines(lead, lines(3), **{"Idempotency-Key": KEY})
    body = lines(3) if query else line(ncd_score=0.99)
    answer = send_lines(lead, body, query=query, **{"Idempotency-Key": KEY})
    assert (answer.status_code, Anomaly.objects.count()) == (422, 3)


def test_a_key_of_another_owner_is_another_key(lead):
    send_lines(lead, lines(3), **{"Idempotency-Key": KEY})
    other = Program(type(lead.token.owner).objects.create_superuser("root", password="x"))
    assert send_lines(other, lines(3), **{"Idempotency-Key": KEY}).json()["known"] == 3
