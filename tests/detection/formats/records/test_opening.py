"""Containers: one value that holds many records."""

import json

import pytest

from anomalies.detection import FormatError

from ..support import events, read

RECORDS = [{"time": f"2026-11-23T04:22:0{n}Z", "message": f"job {n} done"} for n in range(3)]
CONTAINERS = {
    "Records": {"Records": RECORDS},
    "records": {"records": RECORDS},
    "data": {"data": RECORDS, "meta": {"page": 1}},
    "items of a list": {"kind": "EventList", "apiVersion": "v1", "items": RECORDS},
    "events": {"events": RECORDS, "nextForwardToken": "f/1"},
    "hits": {
        "took": 3,
        "hits": {"total": 3, "hits": [{"_id": str(n), "_source": one} for n, one in enumerate(RECORDS)]},
    },
    "value": {"@odata.context": "c", "value": RECORDS},
    "a list of another name": {"exported_lines": RECORDS},
    "lists in a list": [RECORDS[:2], RECORDS[2:]],
    "an array": RECORDS,
    "columns and rows": {
        "columns": [{"name": "time"}, {"name": "message"}],
        "rows": [list(one.values()) for one in RECORDS],
    },
}


@pytest.mark.parametrize("indent", [None, 2], ids=["one line", "many lines"])
@pytest.mark.parametrize("value", CONTAINERS.values(), ids=CONTAINERS)
def test_a_container_is_its_records(value, indent):
    found = events(json.dumps(value, indent=indent), "logs")
    assert [event.message for event in found] == ["job 0 done", "job 1 done", "job 2 done"]
    assert [event.timestamp.second for event in found] == [0, 1, 2]


def test_what_stands_around_the_records_is_fields_of_each():
    text = json.dumps({"logGroup": "g", "owner": "123", "logEvents": RECORDS})
    assert all(("logGroup", "g") in event.fields for event in events(text))


def test_a_batch_a_line_is_opened_line_by_line():
    found = events([{"Records": RECORDS}, {"Records": RECORDS[:1]}])
    assert [event.number for event in found] == [1, 2, 3, 4]
    assert [event.place for event in found][1:] == [
        "record 2 (line 1)",
        "record 3 (line 1)",
        "record 4 (line 2)",
    ]


def test_a_batch_of_one_is_its_line():
    found = events([{"Records": RECORDS[n : n + 1]} for n in range(3)])
    assert [(event.number, event.place) for event in found] == [(1, "line 1"), (2, "line 2"), (3, "line 3")]
    assert found[0].text == json.dumps({"Records": RECORDS[:1]})


def test_the_commands_of_a_bulk_request_are_no_events():
    lines = [line for one in RECORDS for line in ({"index": {"_index": "logs"}}, one)]
    assert [event.number for event in events(lines)] == [2, 4, 6]


def test_a_row_without_names_is_a_record_of_its_time_and_its_longest_text():
    found = events([[one["time"], "INFO", one["message"]] for one in RECORDS])
    assert [(event.timestamp.second, event.message) for event in found] == [
        (n, f"job {n} done") for n in range(3)
    ]


def test_a_tag_a_time_and_a_record_are_the_record():
    event = events([["app.web", 1795407721, {"message": "job done", "host": "a"}]] * 3)[0]
    assert (event.message, event.timestamp.second) == ("job done", 1)
    assert event.fields == (("host", "a"), ("tag", "app.web"))


def test_a_record_that_holds_a_list_among_other_things_is_no_container():
    record = {"time": "2026-11-23T04:22:01Z", "message": "order", "items": [{"id": 1}, {"id": 2}]}
    assert len(events([record, record])) == 2


@pytest.mark.parametrize(
    "text", ["<Events><Event><Id>7036</Id></Event></Events>", '<?xml version="1.0"?>\n<Events>\n</Events>']
)
def test_xml_is_refused_with_the_way_out(text):
    with pytest.raises(FormatError, match="line 1: this is XML; convert it to one JSON object or"):
        read(text)


def test_one_record_alone_is_an_event():
    assert [event.message for event in events(json.dumps(RECORDS[0], indent=1))] == ["job 0 done"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '{"outer": {"a": [{"b": 1}, {"b": 2}], "c": [{"d": 1}, {"d": 2}]}}',
            "jq -c '.outer.a\\[\\]' FILE > NEW",
        ),
        ("[1, 2, 3]", "one list of simple values"),
        (
            json.dumps({"a": {"b": {"c": {"d-e": RECORDS, "f": RECORDS}}}}),
            "jq -c '.a.b.c.\"d-e\"\\[\\]' FILE > NEW",
        ),
        (
            json.dumps({"version": "1", "runs": [{"tool": {}, "results": RECORDS}]}),
            ".runs\\[\\].results\\[\\]'",
        ),
        (json.dumps({"log": {"version": "1.2", "entries": RECORDS}}), "jq -c '.log.entries\\[\\]'"),
        (json.dumps({f"id{n}": one for n, one in enumerate(RECORDS)}), "jq -c '.\\[\\]' FILE"),
        ('{"time": [1793527200, 1793527201], "message": ["a", "b"]}', "no records are found; write one"),
        ('{"name": "shop", "settings": {"a": 1}}', "no records are found; write one record a line$"),
    ],
)
@pytest.mark.parametrize("kind", [None, "logs"])
def test_json_whose_records_are_not_found_is_refused_with_the_way_out(text, words, kind):
    with pytest.raises(FormatError, match=f"line 1: this is .*{words}"):
        read(text, kind)


def test_rows_whose_cells_name_themselves_are_records():
    cells = [
        {"field": "@timestamp", "value": "2026-11-01 00:00:00.000"},
        {"field": "@message", "value": "up"},
    ]
    found = events(json.dumps({"results": [cells, cells], "status": "Complete"}))
    assert [(event.message, event.timestamp.year) for event in found] == [("up", 2026)] * 2


def test_lines_of_several_streams_of_loki_are_in_the_order_of_time():
    streams = [
        {
            "stream": {"app": app},
            "values": [[str(1793491200_000000000 + n), f"{app} {n}"] for n in (3, first)],
        }
        for app, first in (("a", 1), ("b", 2))
    ]
    found = events(json.dumps({"status": "success", "data": {"resultType": "streams", "result": streams}}))
    assert [event.message for event in found] == ["a 1", "b 2", "a 3", "b 3"]


def test_objects_that_end_with_a_zero_byte_are_records():
    text = "".join(json.dumps({"short_message": f"m {n}", "timestamp": 1793491200}) + "\0" for n in range(5))
    assert [event.message for event in events(text)] == [f"m {n}" for n in range(5)]


def test_a_list_of_no_messages_beside_results_is_no_prompt():
    results = [{"_time": "2026-11-01T00:00:00Z", "_raw": f"m {n}"} for n in range(3)]
    assert [event.message for event in events(json.dumps({"messages": [], "results": results}))] == [
        "m 0",
        "m 1",
        "m 2",
    ]
