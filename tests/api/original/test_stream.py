"""The stream of events: what it sends, how it continues, and how many there are at once."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from anomalies.api.original import stream
from anomalies.api_tokens import revoke
from anomalies.audit import Actor
from anomalies.models import Anomaly, ApiToken
from tests.api.programs import Program, program
from tests.support.factories import make_anomaly

pytestmark = pytest.mark.django_db
PATH = "/v1/stream/anomalies"


@pytest.fixture
def client(settings, monkeypatch) -> Program:
    settings.API_STREAM_SECONDS = 0  # one look
    monkeypatch.setattr(stream, "POLL", 0)
    return program("viewer", "read")


def arrive(seconds: float = 1.0, **over: object) -> Anomaly:
    """An anomaly that arrives so many seconds from now."""
    return make_anomaly(created_at=timezone.now() + timedelta(seconds=seconds), **over)


def events(answer) -> list[dict]:
    """The events of an answer: their fields by name."""
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/event-stream")
    blocks = answer.getvalue().decode().split("\n\n")
    return [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks if block]


def opened() -> stream.Stream:
    """A stream that has looked once, and its further events."""
    return stream.Stream(ApiToken.objects.get(), None)


def test_a_stream_begins_with_the_original_event_and_the_time_to_reconnect(client):
    (first,) = events(client.get(PATH))
    assert (first["event"], first["retry"]) == ("connected", "3000")
    assert set(json.loads(first["data"])) == {"client_id"}


def test_what_arrives_is_sent_once_in_the_shape_and_order_of_the_original(client):
    make_anomaly(created_at=timezone.now() - timedelta(hours=1))
    found = opened()
    list(found._new())
    rows = [arrive(2), arrive(1, timestamp=timezone.now() - timedelta(days=9))]
    sent = "".join(found._new())
    ids = [json.loads(line[6:])["id"] for line in sent.splitlines() if line.startswith("data: ")]
    assert ids == [str(rows[1].pk), str(rows[0].pk)]
    assert sent.count("event: anomaly\n") == 2 and list(found._new()) == []
    found.close()


def test_what_became_visible_late_is_sent_too(client):
    found = opened()
    arrive(30)
    list(found._new())
    late = arrive(5)  # its transaction began before the other's, and ended after it
    assert str(late.pk) in "".join(found._new())
    found.close()


def test_a_client_continues_after_the_event_that_it_names(client):
    rows = [make_anomaly(created_at=timezone.now() - timedelta(minutes=minutes)) for minutes in (9, 6, 3)]
    place = f"{rows[0].created_at.isoformat()}/{rows[0].pk}"
    found = events(client.get(PATH, None, **{"Last-Event-ID": place}))
    assert [json.loads(each["data"])["id"] for each in found[1:]] == [str(row.pk) for row in rows[1:]]
    again = events(client.get(PATH, None, **{"Last-Event-ID": found[-1]["id"]}))
    assert [each["event"] for each in again] == ["connected"]


@pytest.mark.parametrize(
    "place", ["x", "2026-11-23/1", "2026-11-23T12:00:00/" + "0" * 32, "0001-01-01T00:00Z/"]
)
def test_a_place_that_is_none_is_400(client, place):
    assert client.get(PATH, None, **{"Last-Event-ID": place}).status_code == 400


def test_more_than_are_read_at_once_are_announced(client, monkeypatch):
    monkeypatch.setattr(stream, "NEWEST", 2)
    found = opened()
    for _ in range(3):
        arrive()
    sent = "".join(found._new())
    assert "event: missed" in sent and sent.count("event: anomaly") == 2
    found.close()


def test_a_process_serves_as_many_as_are_set_and_frees_the_place_of_one_that_ended(client, settings):
    settings.API_STREAMS = 1
    first = client.get(PATH)  # not read yet
    refused = client.get(PATH)
    assert (refused.status_code, refused["Retry-After"]) == (503, "30")
    assert client.get("/v1/metrics/performance").json()["sse_connections"] == 1
    first.getvalue()
    assert stream.open_streams() == 0 and events(client.get(PATH))


def test_a_stream_ends_at_the_heartbeat_after_its_token_was_revoked(client, settings, monkeypatch):
    monkeypatch.setattr(stream, "HEARTBEAT", 0)
    settings.API_STREAM_SECONDS = 60
    found = opened()
    sent = iter(found)
    assert "connected" in next(sent) and "event: heartbeat" in next(sent)
    revoke(ApiToken.objects.all(), Actor("x"))
    assert list(sent) == []
    found.close()


def test_head_opens_no_stream(client):
    answer = client.client.head(PATH)
    assert (answer.status_code, stream.open_streams()) == (200, 0)


def test_a_look_takes_as_many_queries_for_any_number_of_rows(client, django_assert_num_queries):
    found = opened()
    for _ in range(5):
        arrive()
    with django_assert_num_queries(2):
        list(found._new())
    with django_assert_num_queries(1):
        list(found._new())
    found.close()
