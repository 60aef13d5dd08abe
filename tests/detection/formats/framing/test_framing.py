"""Bytes cut into records: JSON that is not one value a line, and syslog with counts of octets."""

import json
import tracemalloc

import pytest

from anomalies.detection import HEAD, framing_of

from ..support import MOST, cut, events, read


def values(data, **options):
    return [json.loads(piece) for _, piece, _ in cut(data, **options)]


ARRAY = [{"a": 1, "b": [1, 2]}, {"c": 'x\ny "]'}, {}]


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ARRAY),
        json.dumps(ARRAY, indent=2),
        "".join(map(json.dumps, ARRAY)),
        "\n".join(json.dumps(one, indent=4) for one in ARRAY),
        "\x1e" + "\n\x1e".join(json.dumps(one, indent=1) for one in ARRAY),
        "\ufeff" + json.dumps(ARRAY),
    ],
    ids=["array", "indented array", "objects", "indented objects", "RFC 7464", "byte order mark"],
)
def test_json_is_cut_into_its_values_in_whatever_pieces_it_comes(text, size):
    framing = framing_of(text.encode()[:HEAD], MOST)
    data = text.encode()
    pieces = framing(data[place : place + size] for place in range(0, len(data), size))
    assert [json.loads(piece.data) for piece in pieces] == ARRAY


def test_each_value_has_the_line_that_it_begins_in():
    text = json.dumps(ARRAY, indent=2)
    begun = [number for number, line in enumerate(text.split("\n"), 1) if line.startswith("  {")]
    assert [number for number, _, _ in cut(text.encode())] == begun


def test_arrays_within_an_array_are_values():
    assert values(b'[[{"a": 1}, {"b": 2}], [{"c": 3}]]') == [[{"a": 1}, {"b": 2}], [{"c": 3}]]


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}\n{"b": 2}\n',
        "[10.30 16:49:06] chrome.exe open\n[10.30 16:49:07] chrome.exe close\n",
        "[Sun Dec 04 04:47:44 2005] [notice] ready\n",
        "[1793527200] the cache is warm\n[1793527201] the cache is cold\n",
        "{ not json }\n",
        '{"a": "torn\n{"b": 1}\n{"c": 1}\n',
        "",
    ],
)
def test_a_log_of_lines_is_left_in_lines(text):
    assert framing_of(text.encode(), MOST) is None


def test_what_is_broken_costs_its_own_lines_and_no_other():
    text = '{\n "a": 1\n}\n{"b": 2,}\nrubbish\n{\n "c": 3\n}\n'
    assert [piece for _, piece, _ in cut(text.encode(), size=15)] == [
        b'{\n "a": 1\n}', b'{"b": 2,}', b"rubbish", b'{\n "c": 3\n}',
    ]  # fmt: skip


def test_a_value_beyond_the_limit_is_cut_into_smaller_ones_of_the_same_shape():
    matrix = {
        "ok": True,
        "data": {"type": "m", "result": [{"n": n, "v": list(range(400))} for n in range(500)]},
    }
    pieces = values(json.dumps(matrix).encode(), most=100_000)
    assert len(pieces) > 5
    assert all(piece["ok"] and piece["data"]["type"] == "m" for piece in pieces)
    assert [one for piece in pieces for one in piece["data"]["result"]] == matrix["data"]["result"]


def test_lists_of_records_beside_each_other_are_cut_where_only_all_together_are_too_long():
    lists = {name: [{"n": n, "text": "x" * 50} for n in range(600)] for name in ("a", "b", "c")}
    pieces = values(json.dumps({"id": 7, **lists, "more": True}).encode(), most=50_000)
    assert {name: one for piece in pieces for name, one in piece.items()} == {"id": 7, **lists, "more": True}
    assert all(piece["id"] == 7 for piece in pieces)


def test_a_large_value_beside_the_records_is_not_repeated_with_each_of_them():
    text = json.dumps({"note": "y" * 90_000, "Records": [{"text": "x" * 1000} for _ in range(2000)]})
    assert sum(len(piece) for _, piece, _ in cut(text.encode(), most=100_000)) < 1.2 * len(text)


def test_white_space_without_end_needs_little_memory():
    tracemalloc.start()
    framing = framing_of(b"[" + b" " * 500, 100_000)
    pieces = list(framing(b" " * 100_000 if n else b"[" for n in range(1000)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pieces == []
    assert peak < 5_000_000


def test_a_container_of_any_size_is_read_in_bounded_memory():
    record = json.dumps({"message": "x" * 1000}).encode()
    chunks = (record + b", " if n else b'{"Records": [' + record + b", " for n in range(100_000))
    framing = framing_of(b'{"Records": [' + record[:500], 500_000)
    tracemalloc.start()
    count = sum(1 for _ in framing(chunks))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count > 100
    assert peak < 20_000_000


def test_a_container_in_one_line_is_its_records_with_their_place():
    text = json.dumps(
        {"Records": [{"time": f"2026-11-23T04:22:0{n}Z", "message": f"m{n}"} for n in range(3)]}
    )
    found = events(text)
    assert [event.message for event in found] == ["m0", "m1", "m2"]
    assert [event.place for event in found[1:]] == ["record 2 (line 1)", "record 3 (line 1)"]


# --- syslog with counts of octets -------------------------------------------------------------------------


def counted(*messages):
    return b"".join(b"%d %s" % (len(message), message) for message in messages)


MESSAGES = [
    b"<34>1 2026-11-23T04:22:01.003Z db1 su 17 ID47 - first",
    b"<34>1 2026-11-23T04:22:02.003Z db1 su 17 ID47 - second\nwith another line",
    b"<35>1 2026-11-23T04:22:03.003Z db1 su 17 ID47 - 54 <35>",
]


@pytest.mark.parametrize("size", [1, 10, 1000])
def test_octet_counted_syslog_is_cut_by_its_counts(size):
    data = counted(*MESSAGES)
    framing = framing_of(data, MOST)
    pieces = list(framing(data[place : place + size] for place in range(0, len(data), size)))
    assert [piece.data for piece in pieces] == MESSAGES
    assert [piece.number for piece in pieces] == [1, 1, 2]


def test_a_wrong_count_costs_the_rest_of_its_line():
    data = counted(MESSAGES[0], MESSAGES[2]) + b"rubbish\n" + counted(MESSAGES[2])
    assert [piece for _, piece, _ in cut(data)][2:] == [b"rubbish", MESSAGES[2]]


def test_octet_counted_messages_are_events_of_syslog():
    found = read(counted(*MESSAGES))
    assert [event.message for event in found] == ["first", "second\\x0awith another line", "54 <35>"]
    assert found[0].fields[:2] == (("facility", 4), ("host", "db1"))
    assert [event.number for event in found] == [1, 2, 3]
