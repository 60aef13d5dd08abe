"""Export requests to streams: the JSON of the specification, broken ones, and any bytes at all."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

from anomalies.sources.otlp import RequestError, StreamKey, lines_of, received
from anomalies.sources.otlp.wire import framed
from tests.ingest.otlp.exports import logs, normal_lines

# opentelemetry-proto's examples/logs.json, with an unknown field, and a number where it has a text.
EXAMPLE = """
{"resourceLogs": [{"resource": {"attributes": [
   {"key": "service.name", "value": {"stringValue": "my.service"}}]},
 "scopeLogs": [{"scope": {"name": "my.library", "version": "1.0.0", "attributes": [
   {"key": "my.scope.attribute", "value": {"stringValue": "some scope attribute"}}]},
 "logRecords": [{"timeUnixNano": "1544712660300000000", "observedTimeUnixNano": 1544712660300000000,
   "severityNumber": 10, "severityText": "Information", "traceId": "5B8EFFF798038103D269B633813FC60C",
   "spanId": "EEE19B7EC3C1B174", "body": {"stringValue": "Example log record"}, "unknownField": {"a": [1]},
   "attributes": [
     {"key": "string.attribute", "value": {"stringValue": "some string"}},
     {"key": "boolean.attribute", "value": {"boolValue": true}},
     {"key": "int.attribute", "value": {"intValue": "10"}},
     {"key": "double.attribute", "value": {"doubleValue": 637.704}},
     {"key": "array.attribute", "value": {"arrayValue": {"values": [{"stringValue": "many"}]}}},
     {"key": "map.attribute", "value": {"kvlistValue": {"values": [
       {"key": "some.map.key", "value": {"stringValue": "some value"}}]}}}]}]}]}]}
"""


def example_with(**over: object) -> bytes:
    value = json.loads(EXAMPLE)
    value["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0].update(over)
    return json.dumps(value).encode()


def test_the_example_of_the_specification_in_json_is_read_as_its_protobuf():
    (batch,) = received(EXAMPLE.encode(), "logs", True).batches
    assert (batch.stream, batch.items) == (StreamKey("logs", "my.service", "my.library"), 1)
    record = LogsData.FromString(batch.body).resource_logs[0].scope_logs[0].log_records[0]
    assert record.trace_id.hex() == "5b8efff798038103d269b633813fc60c"
    assert (record.severity_number, record.time_unix_nano) == (10, 1544712660300000000)
    assert [one.key for one in record.attributes][-2:] == ["array.attribute", "map.attribute"]


def test_protobuf_is_kept_byte_for_byte():
    body = logs(normal_lines(5)).SerializeToString()
    (batch,) = received(body, "logs", False).batches
    assert batch.body == body


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("traceId", "not hex", "traceId is not hexadecimal"),
        ("spanId", 5, "spanId is not hexadecimal"),
        ("timeUnixNano", "yesterday", "timeUnixNano"),
        ("severityNumber", "INFO9", "severityNumber"),
        ("attributes", {"a": 1}, "attributes is no list"),
        ("attributes", [{"key": "a", "value": 1}], "attributes: value: AnyValue is no object"),
        ("body", "text", "body: AnyValue is no object"),
        ("body", {"intValue": 2**70}, "body"),
    ],
)
def test_a_wrong_value_in_json_is_named_with_its_field_and_what_is_beside_it_is_taken(field, value, says):
    good, bad = json.loads(EXAMPLE), json.loads(example_with(**{field: value}))
    both = {"resourceLogs": [*bad["resourceLogs"], *good["resourceLogs"]]}
    found = received(json.dumps(both).encode(), "logs", True)
    assert (found.refused, [batch.items for batch in found.batches]) == (1, [1])
    assert says in found.reason


def test_streams_are_services_with_their_namespace_by_scope_in_one_request():
    one, two = logs(normal_lines(2)), logs(normal_lines(3), scope="")
    three = logs(normal_lines(1), service_name="cart", service_namespace="shop")
    for other in (two, three):
        one.resource_logs.extend(other.resource_logs)
    found = {batch.stream: batch.items for batch in received(one.SerializeToString(), "logs", False).batches}
    assert {(key.source, n) for key, n in found.items()} == {
        ("checkout/app.orders", 2),
        ("checkout", 3),
        ("shop/cart/app.orders", 1),
    }


def test_a_name_is_stored_on_one_line_and_long_ones_stay_apart():
    names = ["two\nlines\u202e", "x" * 300 + "a", "x" * 300 + "b"]
    found = [
        received(logs(["up"], service_name=name).SerializeToString(), "logs", False).batches[0].stream.service
        for name in names
    ]
    assert found[0] == "two\\x0alines\\u202e"
    assert found[1] != found[2]
    assert max(map(len, found)) <= 200


def test_a_resource_that_is_sent_with_too_many_scopes_is_refused_before_it_fills_the_memory():
    resource = logs(["up"], filler="x" * 10_000).resource_logs[0].resource.SerializeToString()
    scope = logs(["up"]).resource_logs[0].scope_logs[0].SerializeToString()
    body = framed(1, framed(1, resource) + framed(2, scope) * 1_000)
    with pytest.raises(RequestError, match="too many scopes"):
        received(body, "logs", False)


def test_attributes_nested_deeply_are_cut_and_not_refused():
    value = {"stringValue": "deep"}
    for _ in range(20):
        value = {"kvlistValue": {"values": [{"key": "in", "value": value}]}}
    (batch,) = received(example_with(body=value), "logs", True).batches
    (line,) = lines_of(batch.body, "logs")
    assert b"deep" not in line.data
    json.loads(line.data)


@given(st.binary(max_size=200), st.sampled_from(["logs", "metrics", "traces"]), st.booleans())
@settings(max_examples=150)
def test_any_bytes_are_read_or_refused(data, signal, is_json):
    try:
        found = received(data, signal, is_json)
    except RequestError:
        return
    assert all(list(lines_of(batch.body, signal)) for batch in found.batches)


@given(st.data())
@settings(max_examples=150)
def test_a_request_with_wrong_bytes_is_read_or_refused_and_loses_no_record_silently(data):
    body = bytearray(logs(normal_lines(4)).SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = received(bytes(body), "logs", False)
    except RequestError:
        return
    for batch in found.batches:
        assert sum(line.items for line in lines_of(batch.body, "logs")) == batch.items
