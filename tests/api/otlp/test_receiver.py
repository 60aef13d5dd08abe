"""OTLP over HTTP as its specification has it: what is stored, and each answer in its request's encoding."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
import zstandard
from django.db import InterfaceError, OperationalError, connection, transaction
from django.test import Client
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from anomalies.api.otlp import pressure
from anomalies.models import IncomingBatch
from tests.api.programs import Program, program
from tests.ingest.otlp.exports import logs, metrics, normal_lines, spans

pytestmark = pytest.mark.django_db
PROTOBUF, JSON = "application/x-protobuf", "application/json"
BODY = logs(normal_lines(3)).SerializeToString()
# Without a time of their own, so that the tests that are named after them have one name.
PACKED, LONG = gzip.compress(BODY, mtime=0), gzip.compress(bytes(20_000), mtime=0)


@pytest.fixture
def sender(db, monkeypatch) -> Program:
    monkeypatch.setattr(pressure, "_asked", float("-inf"))
    return program("lead", "ingest")


def post(
    sender: Program, body: bytes, media_type: str = PROTOBUF, path: str = "/v1/logs", **headers: str
) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return sender.client.post(path, body, media_type, headers={"Content-Type": media_type, **named})


def stored() -> list[tuple[str, str, str, int]]:
    rows = IncomingBatch.objects.order_by("service", "scope")
    return list(rows.values_list("signal", "service", "scope", "items"))


def answered(answer: Any) -> ExportLogsServiceResponse:
    assert (answer.status_code, answer["Content-Type"]) == (200, PROTOBUF)
    return ExportLogsServiceResponse.FromString(answer.content)


def in_json(*records: dict[str, Any], **resource: Any) -> bytes:
    scope = {"scope": {"name": "app"}, "logRecords": list(records)}
    return json.dumps({"resourceLogs": [{"resource": resource, "scopeLogs": [scope]}]}).encode()


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("identity", bytes), ("gzip", gzip.compress), ("zstd", zstandard.compress)],
)
def test_a_request_is_stored_by_service_and_scope_however_it_is_packed(sender, encoding, pack):
    answer = post(sender, pack(BODY), Content_Encoding=encoding)
    assert answered(answer) == ExportLogsServiceResponse()
    assert stored() == [("logs", "checkout", "app.orders", 3)]


def test_a_request_in_json_is_answered_in_json(sender):
    answer = post(sender, in_json({"body": {"stringValue": "up"}}), JSON)
    assert (answer["Content-Type"], answer.json()) == (JSON, {})
    assert stored() == [("logs", "unknown_service", "app", 1)]


def test_an_empty_request_is_a_success(sender):
    assert answered(post(sender, b"")) == ExportLogsServiceResponse()
    assert post(sender, b"{}", JSON).json() == {}
    assert stored() == []


def test_what_is_refused_is_counted_with_the_reason_and_the_rest_is_stored(sender):
    good = {"timeUnixNano": "1", "body": {"stringValue": "up"}}
    answer = post(sender, in_json(good, {"timeUnixNano": "soon"}, {}, good), JSON)
    partial = answer.json()["partialSuccess"]
    assert (answer.status_code, partial["rejectedLogRecords"]) == (200, "2")
    assert partial["errorMessage"].startswith("log record 2 of the request can't be read: ")
    assert stored() == [("logs", "unknown_service", "app", 2)]


def test_a_record_that_can_not_be_decoded_is_refused_alone(sender):
    broken = BODY.replace(b"accepted", b"\xff" * 8, 1)
    partial = answered(post(sender, broken)).partial_success
    assert partial.rejected_log_records == 1
    assert partial.error_message.startswith("log record 1 of the request can't be decoded")
    assert stored() == [("logs", "checkout", "app.orders", 2)]


@pytest.mark.parametrize(
    ("body", "media_type", "headers", "status", "code", "says"),
    [
        (b"\x0a\xff", PROTOBUF, {}, 400, 3, "no export request"),
        (b"{", JSON, {}, 400, 3, "no JSON"),
        (b"[]", JSON, {}, 400, 3, "no JSON object"),
        (b'{"resourceLogs": {}}', JSON, {}, 400, 3, "resourceLogs is no list"),
        (b"[" * 100_000, JSON, {}, 400, 3, "no JSON"),
        (BODY, "text/plain", {}, 415, 3, "Content-Type is text/plain"),
        (BODY, PROTOBUF, {"Content_Encoding": "br"}, 415, 3, "use gzip, zstd or none"),
        (BODY, PROTOBUF, {"Content_Encoding": "gzip"}, 400, 3, "no whole gzip archive"),
        (PACKED[:-9], PROTOBUF, {"Content_Encoding": "gzip"}, 400, 3, "ends in the middle"),
        (BODY, PROTOBUF, {"Content_Encoding": "zstd"}, 400, 3, "no whole zstd archive"),
        (LONG, PROTOBUF, {"Content_Encoding": "gzip"}, 413, 8, "MAX_BODY_BYTES"),
        (zstandard.compress(bytes(20_000)), PROTOBUF, {"Content_Encoding": "zstd"}, 413, 8, "MAX_BODY_BYTES"),
        (bytes(20_000), PROTOBUF, {}, 413, 8, "DRIFTLOCK_OTLP_MAX_BODY_BYTES"),
        (BODY, PROTOBUF, {"Authorization": "Bearer driftlock_x"}, 401, 16, "valid API token"),
        (BODY, JSON, {"Authorization": "Basic eDp5"}, 401, 16, "valid API token"),
    ],
)  # fmt: skip
def test_an_error_is_a_status_in_the_encoding_of_the_request(
    sender, settings, body, media_type, headers, status, code, says
):
    settings.OTLP_MAX_BODY_BYTES = 10_000 if len(body) < 100_000 else 200_000
    answer = post(sender, body, media_type, **headers)
    assert answer.status_code == status
    if media_type == JSON:
        found = answer.json()
        assert (found["code"], says in found["message"]) == (code, True), found
    else:
        message = Status.FromString(answer.content)
        assert (message.code, says in message.message) == (code, True), message
    assert stored() == []


@pytest.mark.parametrize(
    ("path", "request_", "broken", "answer", "refused", "says"),
    [
        (
            "/v1/metrics",
            metrics([1.0, 2.0]),
            metrics([3.0, 4.0], name=""),
            ExportMetricsServiceResponse,
            "rejected_data_points",
            "data point 3 of the request is a metric without a name",
        ),
        (
            "/v1/traces",
            spans([(1, ("open", "read"))]),
            spans([(0, ("open", "read"))]),
            ExportTraceServiceResponse,
            "rejected_spans",
            "span 3 of the request has no trace id of 16 bytes",
        ),
    ],
    ids=["metrics", "traces"],
)
def test_metrics_and_traces_are_stored_and_refused_alike(
    sender, path, request_, broken, answer, refused, says
):
    both = request_.SerializeToString() + broken.SerializeToString()  # protobuf's merger of two messages
    found = post(sender, both, path=path)
    assert found.status_code == 200
    partial = answer.FromString(found.content).partial_success
    assert getattr(partial, refused) == 2
    assert partial.error_message.startswith(says)
    ((signal, service, _, items),) = stored()
    assert (signal, service, items) == (path.removeprefix("/v1/"), "checkout", 2)


def test_only_a_token_for_ingest_may_send_and_only_by_post(sender):
    reader = Program(sender.token.owner, ("read",), "reader")
    refused = post(reader, BODY)
    assert (refused.status_code, Status.FromString(refused.content).code) == (403, 7)
    assert post(Program(sender.token.owner, ("ingest",), "other"), BODY).status_code == 200
    basic = {"Authorization": f"Basic {sender.secret}"}
    assert Client().post("/v1/logs", BODY, content_type=PROTOBUF, headers=basic).status_code == 401
    get = sender.client.get("/v1/logs")
    assert (get.status_code, get["Allow"]) == (405, "POST")
    assert Client().post("/v1/logs", BODY, content_type=PROTOBUF)["WWW-Authenticate"] == "Bearer"


def test_a_request_that_is_sent_again_is_stored_once_unless_its_records_have_no_times(sender):
    for _ in range(2):
        assert post(sender, gzip.compress(BODY, mtime=0), Content_Encoding="gzip").status_code == 200
        assert post(sender, BODY).status_code == 200
    assert stored() == [("logs", "checkout", "app.orders", 3)]
    for _ in range(2):
        post(sender, in_json({"body": {"stringValue": "tick"}}), JSON)
    assert len(stored()) == 3


@pytest.mark.parametrize("lost", [OperationalError, InterfaceError])
def test_what_the_database_does_not_store_is_not_acknowledged(sender, lost):
    def failing(execute, sql, *given):
        if sql.startswith("INSERT INTO") and IncomingBatch._meta.db_table in sql:
            raise lost("the connection is gone")
        return execute(sql, *given)

    with transaction.atomic(), connection.execute_wrapper(failing):
        refused = post(sender, BODY)
    assert (refused.status_code, refused["Retry-After"]) == (503, "5")
    assert (
        Status.FromString(refused.content).message
        == "The database failed; nothing was stored. Send it again."
    )
    assert stored() == []


def test_what_a_process_stored_since_it_asked_is_added_up_without_asking_again(settings, monkeypatch):
    settings.OTLP_MAX_WAITING_BYTES = 10
    for name, value in (("ASKED_EVERY", float("inf")), ("_asked", 0.0), ("_known", 0)):
        monkeypatch.setattr(pressure, name, value)
    said = []
    for _ in range(2):
        pressure.add(6)
        said.append(pressure.is_full())
    assert said == [False, True]


def test_under_pressure_a_sender_is_asked_to_come_again(sender, settings, monkeypatch):
    settings.OTLP_MAX_WAITING_BYTES = 1
    assert post(sender, BODY).status_code == 200
    refused = post(sender, logs(normal_lines(3), 9).SerializeToString())
    assert (refused.status_code, refused["Retry-After"]) == (429, "5")
    assert "manage.py work" in Status.FromString(refused.content).message
    IncomingBatch.objects.all().delete()
    monkeypatch.setattr(pressure, "ASKED_EVERY", 0)
    assert post(sender, BODY).status_code == 200


def test_the_rate_of_a_token_is_limited_with_the_time_to_wait(sender, settings):
    settings.API_RATE = 1
    assert post(sender, BODY).status_code == 200
    refused = post(sender, BODY)
    assert (refused.status_code, refused["Retry-After"]) == (429, "60")
    assert "1 requests a minute" in Status.FromString(refused.content).message


def test_a_request_costs_as_many_statements_with_a_thousand_records_as_with_one(sender, count):
    few = count(lambda: post(sender, logs(normal_lines(1)).SerializeToString()))
    many = count(lambda: post(sender, logs(normal_lines(1_000)).SerializeToString()))
    assert many <= few


@pytest.fixture
def count(django_assert_max_num_queries):
    def counted(work) -> int:
        with django_assert_max_num_queries(20) as queries:
            work()
        return len(queries)

    return counted
