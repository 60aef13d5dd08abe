"""From raw lines to events, for the four kinds of stream."""

import bz2
import gzip
import json
import lzma
import math
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalies.detection import (
    Event,
    FormatError,
    Skipped,
    TimestampReader,
    event_from_line,
    format_for,
    guess,
)

from .support import events, fresh_clock, lines_of, one_of, read_all, records

KINDS = ["logs", "metrics", "traces", "llm"]
UNSAFE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "logs"),
        ("one line", "logs"),
        ("<34>1 2003-10-11T22:14:15.003Z host app 1 - - ready\n" * 3, "logs"),
        ("2026-11-23 04:22:01,123 INFO ready\n" * 3, "logs"),
        ("a,b\nc,d\n", "logs"),
        ("2026-11-23 04:22:01,::1,GET,/x,200,17\n" * 3, "logs"),
        ('{"ts": 1117838570, "level": "info", "msg": "ready", "ms": 3}\n' * 3, "logs"),
        ('{"time": 1117838570, "ip": "::1", "method": "GET", "path": "/", "status": 200}\n', "logs"),
        ("time,level,message,ms\n1117838570,INFO,the disk is full,3\n" * 3, "logs"),
        ("timestamp,value\n2014-04-10 00:04:00,94.0\n", "metrics"),
        ("1117838570,1,2\n1117838571,3,4\n", "metrics"),
        ('{"timestamp": "2026-11-23T04:22:01Z", "value": "5.5"}\n' * 3, "metrics"),
        ("time;cpu\n2014-04-10T00:04:00Z;0,5\n", "metrics"),
        ('{"timestamp": "2026-11-23T04:22:01Z", "cpu": 0.5, "host": "a"}\n' * 3, "metrics"),
        ('{"timestamp": 1117838570, "cpu": {"user": 0.5}}\n' * 3, "metrics"),
        ('blk_-1,5 22 5 11\nblk_2,"22 5 5 5"\nblk_3,5 5 5 22\n', "traces"),
        ('s1,"open read close"\ns2,"open read read"\n', "traces"),
        ("BlockId,EventSequence\nblk_1,\"['E5', 'E22']\"\n", "traces"),
        ('{"trace_id": "a1", "events": ["open", "read"]}\n' * 3, "traces"),
        ('{"id": 7, "spans": [{"name": "open"}]}\n' * 3, "traces"),
        ('{"prompt": "Say hello", "response": "Hello"}\n' * 3, "llm"),
        ('{"messages": [{"role": "user", "content": "Say hello"}]}\n' * 3, "llm"),
    ],
)
def test_the_kind_of_a_stream_is_guessed_from_its_first_lines(text, kind):
    assert guess(lines_of(text), fresh_clock()).kind == kind


def test_plain_lines_are_the_events_of_before():
    line = b"2026-11-23 04:22:01 ready \xff"
    assert read_all([line]) == [event_from_line(1, line, len(line), fresh_clock())]


@pytest.mark.parametrize("line", [b"", b"\n", b"  \r\n"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_line_is_no_event(kind, line):
    valid = b'{"timestamp": 1117838570, "value": 1, "id": "a", "events": ["b"], "prompt": "c"}'
    assert read_all([valid, line], kind)[1] is None


def test_a_log_record_is_scored_by_its_message_and_its_fields_in_order():
    lines = records({"ts": 1117838570, "z": 1, "msg": "ready\n now", "a": {"c": True, "b": "x"}})
    event = read_all(lines)[0]
    assert event.message == "ready now"
    assert event.fields == (("a.b", "x"), ("a.c", True), ("z", 1))
    assert event.timestamp == datetime(2005, 6, 3, 22, 42, 50, tzinfo=UTC)
    assert event.text == lines[0].decode()


@pytest.mark.parametrize(
    "broken",
    [
        b'{"msg": "torn',
        b'{"a": ' * 100_000,
        b'{"n": ' + b"9" * 10_000 + b"}",
        b'{"n": NaN, "m": 1e999, "o": "\\ud800"}',
        b"null",
        b"[1, 2]",
    ],
)
def test_no_record_of_a_log_is_skipped(broken):
    valid = b'{"level": "info", "msg": "ready"}'
    found = read_all([valid, valid, broken, valid])
    assert all(isinstance(event, Event) for event in found)
    assert not any(UNSAFE.search(event.message) for event in found)


def test_a_row_of_metrics_has_a_time_and_values_by_name():
    event = read_all(lines_of("timestamp,cpu,load\n2014-04-10 00:04:00,94.0,1e-3\n"))[1]
    assert event.values == (("cpu", 94.0), ("load", 0.001))
    assert event.timestamp == datetime(2014, 4, 10, 0, 4, tzinfo=UTC)
    assert event.text == "2014-04-10 00:04:00,94.0,1e-3"


def test_a_header_is_no_event_wherever_it_comes():
    assert read_all(lines_of("timestamp,v\n1117838570,1\ntimestamp,v\n"))[::2] == [None, None]


@pytest.mark.parametrize("cell", ["NaN", "nan", "", "NULL", "n/a"])
def test_a_value_that_is_missing_is_nan(cell):
    event = read_all(lines_of(f"t,v,w\n1117838570,1,2\n1117838571,{cell},2\n"), "metrics")[2]
    assert math.isnan(event.values[0][1])


@pytest.mark.parametrize(
    ("cell", "value"), [("inf", math.inf), ("-Infinity", -math.inf), ("1e999", math.inf)]
)
def test_infinity_is_a_value(cell, value):
    assert read_all(lines_of(f"1117838570,1\n1117838571,{cell}\n"))[1].values == (("value", value),)


def test_a_decimal_comma_is_read_between_semicolons():
    assert read_all(lines_of("time;cpu;load\n2014-04-10 00:04;0,5;7\n"))[1].values == (
        ("cpu", 0.5),
        ("load", 7.0),
    )


def test_columns_without_numbers_are_named_once_and_left_out():
    made = guess(lines_of("time,host,up,cpu\n1117838570,a,true,1\n"), fresh_clock())
    assert made.notes == ("columns that hold no numbers are left out: host, up",)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (b"1117838571", "line 3 has 1 column where 2 are expected"),
        (b"1117838571,1,2", "line 3 has 3 columns where 2 are expected"),
        (b"1117838571,many", 'line 3, column "cpu": "many" is no number'),
        (b"yesterday,1", 'line 3, column 1: "yesterday" is no timestamp'),
    ],
)
def test_a_broken_row_is_skipped_with_its_place_and_the_way_out(row, words):
    results = read_all([b"time,cpu", b"1117838570,1", row, b"1117838572,2"])
    assert results[2].reason.startswith(words)
    assert "; " in results[2].reason
    assert results[3].values == (("cpu", 2.0),)


def test_a_time_that_cannot_be_read_is_said_with_the_way_out():
    made = guess(lines_of("time,cpu\n23|11|2026 04:00,5\n"), fresh_clock())
    assert made.kind == "metrics"
    assert made.notes == (
        'column "time" has timestamps of another format and is left out; '
        "name it with --time-format, or write ISO 8601",
    )


def test_the_format_given_holds_for_the_column_of_time():
    clock = TimestampReader(datetime(2026, 11, 23, tzinfo=UTC), UTC, "%m/%d/%Y %H:%M")
    event = read_all(lines_of("time,cpu\n11/23/2026 04:00,5\n"), None, clock)[1]
    assert event.timestamp == datetime(2026, 11, 23, 4, tzinfo=UTC)


def test_more_than_200_columns_are_left_out_and_said():
    made = guess([b"1117838570" + b",1" * 250], fresh_clock())
    assert len(one_of(made.read(1, b"1117838570" + b",1" * 250, 510)).values) == 200
    assert made.notes == ("200 columns are looked at, 50 more are left out",)


def test_records_of_metrics_have_nested_values():
    event = read_all(records({"timestamp": 1117838570123, "cpu": {"user": 0.5, "on": True}, "n": "7"}))[0]
    assert event.values == (("cpu.user", 0.5), ("n", 7.0))
    assert event.timestamp == datetime(2005, 6, 3, 22, 42, 50, 123000, tzinfo=UTC)


def test_metrics_in_long_form_have_the_name_of_their_series():
    lines = records(*({"timestamp": 1117838570, "metric": name, "value": 1} for name in "ab"))
    assert [event.values for event in read_all(lines)] == [(("a", 1.0),), (("b", 1.0),)]


@pytest.mark.parametrize(
    ("head", "rest", "values"),
    [
        ("time,metric,value", ",1", (("cpu", 1.0),)),
        ("time,Name,value,host", ",1,db1", (("cpu", 1.0),)),
        ("time,metric,min,max", ",1,2", (("cpu.min", 1.0), ("cpu.max", 2.0))),
    ],
)
def test_rows_in_long_form_have_the_name_of_their_series(head, rest, values):
    lines = [head.encode(), *(f"111783857{n},{'cpu' if n % 2 else 'mem'}{rest}".encode() for n in range(9))]
    _, first, second, *_ = read_all(lines)
    assert first.values[0][0].startswith("mem")
    assert second.values == values


def test_a_torn_record_of_metrics_is_skipped_and_the_stream_goes_on():
    valid = b'{"timestamp": 1117838570, "cpu": 0.5}'
    results = read_all([valid, valid[:20], valid])
    assert isinstance(results[1], Skipped)
    assert results[1].reason.startswith("line 2 is no whole JSON object")
    assert results[2].values == (("cpu", 0.5),)


def test_a_field_that_is_no_number_is_named():
    lines = records(*({"timestamp": 1117838570, "cpu": value} for value in (1, 2, "many")))
    assert read_all(lines)[2].reason.startswith('line 3, field "cpu": "many" is no number')


def test_a_session_has_its_id_and_its_steps():
    event = read_all(lines_of('blk_1,"5 22 5"\nblk_2,5 5 5\n'))[0]
    assert (event.session, event.steps) == ("blk_1", ("5", "22", "5"))


def test_a_session_of_records_has_the_names_of_its_spans():
    event = read_all(records({"trace_id": "a", "spans": [{"name": "open"}, {"name": "read"}, "end", 3]}))[0]
    assert (event.session, event.steps) == ("a", ("open", "read", "end", "3"))


def test_a_row_without_events_is_skipped():
    results = read_all(lines_of("id,events\na,1 2\nb,\nc\nd,3 4\n"), "traces")
    assert [type(result) for result in results[1:]] == [Event, Skipped, Skipped, Event]


def test_llm_traffic_is_scored_by_its_texts_under_their_names():
    lines = records({"prompt": "Say\nhello", "response": "Hello", "model": "m1", "usage": {"tokens": 7}})
    event = read_all(lines)[0]
    assert event.message == "prompt: Say hello response: Hello"
    assert event.fields == (("model", "m1"), ("usage.tokens", 7))


def test_a_long_prompt_does_not_hide_the_answer():
    event = read_all(records({"prompt": "x" * 200_000, "response": "the answer"}))[0]
    assert event.message.endswith("response: the answer")
    assert len(event.message) <= 65_536
    assert len(event.text) == 4096


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("metrics", "no numbers here", "numbers"),
        ("metrics", '{"a": "b"}', "numbers"),
        ("traces", "plain text", "session"),
        ("traces", '{"a": "b"}', "session"),
        ("traces", "a,open\na,read\nb,open\nb,read\n", "one event a line"),
        ("llm", "plain text", "JSON object with texts"),
        ("llm", "", "no line yet"),
    ],
)
def test_lines_that_cannot_be_the_kind_given_are_refused_with_the_fix(kind, text, words):
    with pytest.raises(FormatError, match=rf"line \d.*{words}.*; "):
        format_for(kind, lines_of(text), fresh_clock())


def test_a_kind_there_is_none_of_is_refused():
    with pytest.raises(ValueError, match="logs, metrics, traces, llm"):
        format_for("pictures", [], fresh_clock())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("line one\nline two\n".encode("utf-16"), "iconv -f UTF-16 -t UTF-8 FILE > NEW"),
        ("line one\nline two\n".encode("utf-16-le"), "iconv -f UTF-16LE -t"),
        ("line one\nline two\n".encode("utf-16-be"), "iconv -f UTF-16BE -t"),
        ("line one\nline two\n".encode("utf-32"), "iconv -f UTF-32 -t"),
        (bytes(range(256)) * 20, "binary"),
        (b"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00", "binary"),
    ],
)
@pytest.mark.parametrize("kind", [None, *KINDS])
def test_what_is_no_text_in_utf_8_is_refused_with_the_way_out(data, words, kind):
    with pytest.raises(FormatError, match=re.escape(words)):
        read_all(data.split(b"\n"), kind)


@pytest.mark.parametrize("line", ["Größe: naïve café".encode("latin-1"), "Ошибка диска".encode("cp1251")])
def test_a_few_odd_bytes_or_an_eight_bit_encoding_are_shown_as_escapes(line):
    assert "\\x" in read_all([line, b"ready"])[0].text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    "timestamp time value cpu id session events steps spans prompt messages msg level metric".split()
)
RECORDS = st.dictionaries(FIELDS | st.text(), VALUES).map(lambda value: json.dumps(value).encode())
ROWS = st.lists(st.text() | st.floats().map(str) | st.just("2026-11-23"), max_size=4).map(
    lambda cells: ",".join(cells).encode("utf-8", "replace").replace(b"\n", b"")
)


@pytest.mark.parametrize("kind", [None, *KINDS])
@given(lines=st.lists(st.binary() | RECORDS | ROWS, max_size=5), cut=st.integers(0, 2))
def test_no_bytes_whatever_make_more_than_a_clear_refusal(kind, lines, cut):
    try:
        made = format_for(kind, lines, fresh_clock()) if kind else guess(lines, fresh_clock())
    except ValueError:
        return
    results = [
        one for number, line in enumerate(lines, 1) for one in made.read(number, line, len(line) + cut)
    ]
    numbers = [one.number for one in results if isinstance(one, Event)]
    assert numbers == sorted(set(numbers))
    for event in [*results, *made.finish()]:
        texts = texts_of(event) if isinstance(event, Event) else [event.reason]
        assert not any(UNSAFE.search(text) for text in texts)
        assert all(len(text) <= 65_536 for text in texts)


def texts_of(event):
    assert len(event.text) <= 4096
    words = [str(part) for field in event.fields for part in field]
    names = [name for name, _ in event.values]
    return [event.text, event.message, event.session, *event.steps, *names, *words]


def test_a_cell_of_nothing_but_digits_and_a_letter_is_refused():
    """In a minute, where each digit is tried as the last one; in no time, where none is given back."""
    row = b"2026-11-23T00:00:00Z," + b"9" * 60_000 + b"x"
    *_, shown = read_all([b"2026-11-23T00:00:00Z,1"] * 3 + [row], "metrics")
    assert isinstance(shown, Skipped)


ARRAY = [{"timestamp": 1117838570 + second, "cpu": second % 7, "host": {"name": "a"}} for second in range(60)]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ARRAY),
        "".join(map(json.dumps, ARRAY)),
        json.dumps(ARRAY, indent=1),
        "\n".join(json.dumps(one, indent=4) for one in ARRAY),
        json.dumps({"records": ARRAY}),
    ],
    ids=["array", "objects", "indented array", "indented objects", "container"],
)
@pytest.mark.parametrize("kind", [None, "metrics"])
def test_json_that_is_not_one_object_a_line_is_read_all_the_same(text, kind):
    assert [dict(event.values)["cpu"] for event in events(text, kind)] == [n % 7 for n in range(60)]


@pytest.mark.parametrize(
    "text",
    [
        "[\n{},\n{},\n{}\n]",
        "[{},\n{},\n{}]",
        "[\n{}\n, {}\n, {}\n]\n",
        "\x1e{}\n\x1e{}\n\x1e{}\n",
    ],
)
def test_an_array_with_an_object_a_line_is_read_as_its_objects(text):
    lines = text.format(*map(json.dumps, ARRAY)).encode().split(b"\n")
    found = [event for event in read_all(lines) if event]
    assert [dict(event.values)["cpu"] for event in found] == [0, 1, 2]


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (bz2.compress(b"line\n" * 900), "packed by bzip2, .* bzip2 -dc FILE"),
        (lzma.compress(b"line\n" * 900), "packed by xz, .* xz -dc FILE"),
        (gzip.compress(b"line\n" * 900), "packed by gzip twice, .* gzip -dc FILE"),
        (b"web.log" + bytes(250) + b"ustar  \0" + bytes(247) + b"line\n" * 900, "packed by tar, .* tar -xOf"),
    ],
    ids=["bzip2", "xz", "gzip", "tar"],
)
def test_an_archive_of_another_kind_is_named_with_what_unpacks_it(packed, words):
    with pytest.raises(FormatError, match=f"line 1: this is {words}"):
        read_all(packed.split(b"\n"))


def test_lines_that_end_with_cr_alone_are_refused_with_the_way_out():
    with pytest.raises(FormatError, match=r"line 1: the lines end with CR alone, .* tr '\\r' '\\n' < FILE"):
        read_all([b"time,v\r2026-11-23T00:00:00Z,1\r2026-11-23T00:01:00Z,2\r"])


def test_a_line_that_repaints_itself_is_a_line_of_a_log():
    assert [type(one) for one in read_all([b"10%\r20%\r30%", b"done"])] == [Event, Event]


@pytest.mark.parametrize(
    ("separator", "cells", "values"),
    [
        (",", ['"20,5"', '"21,25"', '"1950,5"'], [20.5, 21.25, 1950.5]),
        (",", ['"1,950"', "950", '"1,000,950.5"'], [1950, 950, 1000950.5]),
        (";", ["1.950,5", "2.000", "17"], [1950.5, 2000, 17]),
        (";", ["1.950", "2.5", "17,5"], [1.95, 2.5, 17.5]),
        (";", ["1,950.5", "2.5", "17"], [1950.5, 2.5, 17]),
        ("\t", ["20,5", "21,25", "17"], [20.5, 21.25, 17]),
    ],
)
def test_what_a_comma_stands_for_is_learnt_from_the_column(separator, cells, values):
    rows = [f"2026-11-23T00:0{minute}:00Z{separator}{cell}" for minute, cell in enumerate(cells)]
    events = read_all([row.encode() for row in [f"time{separator}v", *rows]])[1:]
    assert [dict(event.values)["v"] for event in events] == values


@pytest.mark.parametrize("start", ["0", "1.795400e+09"])
def test_a_time_that_only_counts_up_is_left_out_and_said(start):
    rows = [f"{float(start) + 60 * minute!r},{minute % 7},{minute % 3}" for minute in range(60)]
    if "e" in start:
        rows = [f"{float(start) + 10_000 * minute:e},{minute % 7},1" for minute in range(60)]
    made = guess([row.encode() for row in ["time,latency,queue", *rows]], fresh_clock())
    assert made.kind == "metrics"
    assert made.notes[0].startswith('column "time" has timestamps of another format and is left out')
    assert [name for name, _ in one_of(made.read(2, rows[0].encode(), len(rows[0]))).values] == [
        "latency",
        "queue",
    ]


def test_rows_without_a_value_and_comments_are_no_events():
    lines = ["# from: db1, in ms", "time,v,w", "2026-11-23T00:00:00Z,1,2", ",,", "# restarted"]
    lines += ["2026-11-23T00:01:00Z,1,2"] * 3
    assert [type(one).__name__ for one in read_all(lines_of("\n".join(lines)))] == (
        ["NoneType", "NoneType", "Event", "NoneType", "NoneType"] + ["Event"] * 3
    )


def test_a_header_that_begins_like_a_comment_is_the_header():
    lines = lines_of("#time,v\n" + "2026-11-23T00:00:00Z,1\n" * 3)
    assert read_all(lines, "metrics")[1].values == (("v", 1.0),)


def test_the_rest_of_a_quoted_cell_that_goes_over_lines_is_said_to_be_that():
    lines = ["time,v,note", "2026-11-23T00:00:00Z,1,ok", '2026-11-23T00:01:00Z,2,"one', 'two"', "3"]
    *_, event, rest, short = read_all(lines_of("\n".join(lines)), "metrics")
    assert event.values == (("v", 2.0),)
    assert rest.reason.startswith("line 4 is a part of a row whose quoted cell goes over several lines;")
    assert short.reason.startswith("line 5 has 1 column where 3 are expected;")


def test_numbers_of_a_record_are_read_however_deep_they_are():
    deep = {"timestamp": 1117838570, "host": {"cpu": {"user": {"share": 0.5}}, "up": True}}
    assert read_all(records(deep, deep))[0].values == (("host.cpu.user.share", 0.5),)
