"""The message of a record is scored as text; its other values are fields."""

import json

import pytest

from ..support import events, read
from .envelopes import ENVELOPES, WORDS


@pytest.mark.parametrize("envelope", ENVELOPES.values(), ids=ENVELOPES)
def test_the_message_of_a_record_is_found_in_any_envelope(envelope):
    event = events([envelope], "logs")[0]
    assert event.message == WORDS
    assert WORDS not in [value for _, value in event.fields]
    assert event.timestamp is not None and (event.timestamp.year, event.timestamp.month) == (2026, 11)
    assert not any("time" in path.lower() and path != "ingestionTime" for path, _ in event.fields)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            {"ts": 1793491200, "method": "GET", "path": "/x", "status": 500, "ms": 3},
            "GET /x 500",
        ),
        (
            {"eventTime": "2026-11-01T10:00:00Z", "eventName": "StopLogging", "id": "a"},
            "eventName=StopLogging",
        ),
        ({"verb": "get", "requestURI": "/api", "stage": "Panic", "auditID": "a"}, "verb=get requestURI=/api"),
        ({"ClientRequestMethod": "GET", "ClientRequestURI": "/x", "EdgeResponseStatus": 500}, "GET /x 500"),
        (
            {"httpRequest": {"requestMethod": "GET", "requestUrl": "http://a/", "status": 200}},
            "GET http://a/ 200",
        ),
        ({"short_message": "disk is…", "full_message": "disk is full\nsee /x"}, "disk is full see /x"),
        ({"short_message": "disk is full", "full_message": "see the page"}, "disk is full"),
        ({"event_type": "dns", "dns": {"rrname": "a.example"}}, "event_type=dns dns.rrname=a.example"),
        (
            {"Event": {"System": {"EventID": 7}, "EventData": {"param1": "up"}}},
            "Event.System.EventID=7 Event.EventData.param1=up",
        ),
        ({"a": "x", "b": {"c": 1}}, "a=x b.c=1"),
    ],
)
def test_a_record_without_a_message_says_what_it_did(record, message):
    assert events([record] * 2, "logs")[0].message == message


def test_the_request_is_added_to_a_message_that_all_requests_have():
    records = [{"msg": "handled request", "method": "GET", "uri": f"/{n}", "status": 200} for n in range(12)]
    assert events(records, "logs")[11].message == "handled request GET /11 200"
    records[3]["msg"] = "another message"
    assert events(records, "logs")[11].message == "handled request"


@pytest.mark.parametrize("command", [{"delete": {"_id": "7"}}, {"index": {"_index": "l", "if_seq_no": 3}}])
def test_a_command_of_a_bulk_request_is_no_event(command):
    assert [event.message for event in events([command, {"message": "a"}, command], "logs")] == ["a"]


def test_fields_are_in_the_order_of_their_paths_and_have_their_types():
    record = {"msg": "m", "z": 1.5, "b": {"d": True, "c": "x"}, "a": [1, "y"], "n": None, "big": 2**70}
    assert events([record], "logs")[0].fields == (
        ("a", 1), ("a", "y"), ("b.c", "x"), ("b.d", True), ("big", str(2**70)), ("z", 1.5),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["EventID", "event_id", "Event Id"])
def test_an_event_id_is_a_word(name):
    assert (f"winlog.{name}", "7036") in events([{"message": "m", "winlog": {name: 7036}}], "logs")[0].fields


def test_the_fields_of_a_record_within_a_text_are_named_by_the_way_to_them():
    fields = dict(events([ENVELOPES["Docker with JSON"]], "logs")[0].fields)
    assert fields == {"stream": "stdout", "log.level": "info", "log.logger": "shop.Orders"}


def test_a_name_that_a_record_has_twice_is_reported_with_its_line_and_the_record_is_read():
    lines = b'{"msg": "a", "level": "info"}\n{"msg": "b", "level": "info", "level": "error"}\n'
    first, remark, second = read(lines)
    assert remark.reason == 'line 2, field "level" is there twice, the last one counts; write it once'
    assert (first.message, second.message, dict(second.fields)["level"]) == ("a", "b", "error")


def test_a_metric_with_a_name_twice_is_skipped_with_its_line():
    lines = b'{"time": 1793491200, "cpu": 1}\n{"time": 1793491201, "cpu": 1, "cpu": 2}\n'
    assert read(lines)[1].reason == 'line 2, field "cpu" is there twice; write it once'


def test_records_within_records_are_opened_only_so_deep():
    text = "the end"
    for _ in range(8):
        text = json.dumps({"log": text})
    assert len(events(text, "logs")) == 1
