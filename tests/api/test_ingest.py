"""Ingest by the HTTP API: as the command takes lines, in bounded parts, and nothing valid lost."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
import zstandard

from anomalies.api import ingest as module
from anomalies.audit import Actor, acting
from anomalies.ingest import Reject, ingest
from anomalies.models import Anomaly, AuditLog
from anomalies.sources.lines import Line
from anomalies.triage.snooze import Rule, snooze
from tests.api.programs import Program, program
from tests.support.factories import NOON, anomaly_values, make_anomaly

pytestmark = pytest.mark.django_db
PATH = "/api/v1/ingest"


@pytest.fixture
def detector(db) -> Program:
    return program("lead", "ingest")


def line(**over: Any) -> bytes:
    return json.dumps(anomaly_values(**over), default=str).encode()


def lines(count: int) -> bytes:
    return b"".join(line(ncd_score=n / 1000) + b"\n" for n in range(count))


BAD = [
    line(),
    b"{",
    b"",
    line(ncd_score=2),
    line(nvocelty=1),
    line(timestamp="yesterday"),
    b'{"timestamp": NaN}',
    b"\xff",
    line(stream_type="llm"),
]


def send(detector: Program, body: bytes, encoding: str = "", query: str = "", **headers: str) -> Any:
    named = {"Content-Encoding": encoding, **headers}
    return detector.client.post(PATH + query, body, "application/x-ndjson", headers=named)


def test_lines_are_stored_and_recorded_under_the_token_and_the_source(detector):
    answer = send(detector, lines(3), query="?source=router%207")
    assert answer.json() == {"read": 3, "new": 3, "known": 0, "rejected": 0, "errors": []}
    assert Anomaly.objects.count() == 3
    about = AuditLog.objects.filter(action="create", resource_type="anomaly").get().metadata
    assert (about["source"], about["token"], about["rows"]) == ("router 7", detector.token.prefix, 3)


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("gzip", gzip.compress), ("zstd", zstandard.compress), ("identity", bytes), ("GZIP", gzip.compress)],
)
def test_a_body_may_be_compressed(detector, encoding, packed):
    assert send(detector, packed(lines(3)), encoding).json()["new"] == 3


def test_a_body_sent_again_adds_nothing(detector):
    send(detector, lines(3))
    assert send(detector, lines(3)).json()["known"] == 3
    assert Anomaly.objects.count() == 3


def test_errors_are_those_of_the_command_and_every_valid_line_is_stored(detector):
    said: list[Reject] = []
    numbered = [Line(number, data, len(data)) for number, data in enumerate(BAD, 1)]
    ingest(numbered, Actor("x"), said.append, source="x", dry_run=True)
    found = send(detector, b"\n".join(BAD)).json()
    assert found["errors"] == [{"line": r.line, "field": r.field, "reason": r.reason} for r in said]
    assert (found["new"], found["rejected"], Anomaly.objects.count()) == (2, 6, 2)


def test_the_first_errors_are_in_the_answer_and_all_are_counted(detector, monkeypatch):
    monkeypatch.setattr(module, "SHOWN", 2)
    found = send(detector, b"{\n" * 5).json()
    assert (len(found["errors"]), found["rejected"]) == (2, 5)


def test_a_body_that_is_declared_too_large_is_413_before_it_is_read(detector, settings):
    settings.API_MAX_BODY_BYTES = 100
    answer = send(detector, lines(3))
    assert (answer.status_code, Anomaly.objects.count()) == (413, 0)
    assert "DRIFTLOCK_API_MAX_BODY_BYTES" in answer.json()["detail"]


@pytest.mark.parametrize("packed", [gzip.compress, zstandard.compress])
def test_a_body_that_unpacks_too_large_is_413_and_what_was_before_is_kept(detector, settings, packed):
    settings.API_MAX_UNPACKED_BYTES = 3 * len(line()) + 50
    bomb = packed(lines(3) + b" " * 10_000_000)
    answer = send(detector, bomb, "gzip")
    assert (answer.status_code, answer.json()["last_line_kept"]) == (413, 3)
    assert Anomaly.objects.count() == 3


def test_a_damaged_archive_is_400_and_what_was_before_is_kept(detector):
    answer = send(detector, gzip.compress(lines(50))[:-10], "gzip")
    assert answer.status_code == 400 and "damaged" in answer.json()["detail"]
    assert Anomaly.objects.count() == answer.json()["last_line_kept"] > 0


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "x" * 1_000])
def test_an_encoding_that_is_not_known_is_415(detector, encoding):
    answer = send(detector, lines(1), encoding)
    assert (answer.status_code, answer["Content-Type"]) == (415, "application/problem+json")


def test_a_form_is_415(detector):
    assert detector.client.post(PATH, {"file": "x"}).status_code == 415


def test_an_empty_body_is_no_lines(detector):
    assert send(detector, b"").json()["read"] == 0


def test_a_snooze_that_what_came_in_ends_is_ended(detector):
    sleeping = make_anomaly()
    snooze([sleeping.pk], Rule(ncd_above=0.8), Actor("ana"))
    with acting(Actor("ana")):  # what arrives in the same transaction is not newer
        Anomaly.objects.update(snoozed_at=NOON)
    send(detector, line(ncd_score=0.9))
    sleeping.refresh_from_db()
    assert sleeping.snoozed_at is None


def test_each_batch_has_the_time_of_a_page(detector, settings, monkeypatch):
    settings.PAGE_SECONDS = 60
    restarted = []
    monkeypatch.setattr("anomalies.web.middleware.Deadline.restart", lambda self: restarted.append(self))
    monkeypatch.setattr("anomalies.ingest.json_lines.BATCH_BYTES", 1)
    send(detector, lines(3))
    assert len(restarted) >= 3
