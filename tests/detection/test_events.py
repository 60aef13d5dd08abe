import json
from datetime import UTC, datetime
from time import process_time

import pytest

from anomalies.detection import Event, event_from_line, normalise
from anomalies.detection.state_json import from_plain, to_plain

from .support import CLOCK


def text_of(raw, full_length=None):
    return event_from_line(1, raw, full_length or len(raw), CLOCK).text


def test_an_event_keeps_its_number_its_text_and_its_time():
    raw = b"2026-11-23 04:22:01 ready"
    event = event_from_line(7, raw, len(raw), CLOCK)
    assert event.number == 7
    assert event.text == "2026-11-23 04:22:01 ready"
    assert event.timestamp == datetime(2026, 11, 23, 4, 22, 1, tzinfo=UTC)


def test_what_is_scored_is_the_message_and_where_there_is_none_the_text():
    assert Event(1, '{"msg": "ready"}', None, message="ready").scored == "ready"
    assert Event(1, "ready", None).scored == "ready"


def test_the_place_of_an_event_is_its_line_or_its_record_within_a_line():
    assert Event(4022, "ready", None).place == "line 4,022"
    assert Event(4022, "ready", None, line=1).place == "record 4,022 (line 1)"


def test_an_event_is_saved_and_loaded_with_the_types_of_its_fields():
    moment = datetime(2026, 11, 23, 4, 22, 1, tzinfo=UTC)
    fields = (("host", "db1"), ("load", 0.5), ("pid", 1), ("up", True))
    event = Event(7, "text", moment, "message", fields, (("cpu", float("inf")),), "s", ("a", "b"), 3)
    loaded = from_plain(Event, json.loads(json.dumps(to_plain(event))))
    assert loaded == event
    assert [type(value) for _, value in loaded.fields] == [str, float, int, bool]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"caf\xc3\xa9", "café"),
        (b"bad \xff\xfe bytes", r"bad \xff\xfe bytes"),
        (b"lone surrogate \xed\xa0\x80", r"lone surrogate \xed\xa0\x80"),
        (b"nul \x00 here", r"nul \x00 here"),
        (b"\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        (b"bell \x07, delete \x7f", r"bell \x07, delete \x7f"),
        (b"c1 \xc2\x9b", r"c1 \x9b"),
        (b"tab\tstays", "tab\tstays"),
        (b"overwritten\rhidden", r"overwritten\x0dhidden"),
        ("abc\u202egpj.exe".encode(), r"abc\u202egpj.exe"),
        ("iso\u2066lated\u2069".encode(), r"iso\u2066lated\u2069"),
        ("two\u2028lines".encode(), r"two\u2028lines"),
        ("\ufeffmark".encode(), r"\ufeffmark"),
        ("tag\U000e0041".encode(), r"tag\U000e0041"),
        (b"windows\r\n", "windows"),
        (b"", ""),
    ],
)
def test_what_could_deceive_or_break_is_shown_as_an_escape(raw, text):
    assert text_of(raw) == text


def test_a_line_that_was_cut_says_its_whole_length():
    text = text_of(b"x" * 65_536, 1_048_576)
    assert text.endswith("x… [1,048,576 bytes]")
    assert len(text) == 4096


def test_a_line_of_4096_characters_is_whole():
    assert text_of("é".encode() * 4096) == "é" * 4096


def test_a_line_of_4097_characters_is_cut():
    assert text_of(b"y" * 4097).endswith("y… [4,097 bytes]")


def test_escapes_do_not_make_a_text_longer_than_the_limit():
    assert len(text_of(b"\x00" * 4096)) == 4096


def test_no_byte_whatever_makes_an_event_fail():
    for first in range(256):
        text = text_of(bytes([first, *range(256)]))
        text.encode("utf-8")
        assert "\x00" not in text


@pytest.mark.parametrize(
    "piece",
    ["a", "0", "a0", "0.", "1:", "a:", "f" * 8 + "-", "\x1b[", " ", "Jan 1 ", "2026-11-23T", "[", "é", "-"],
)
def test_the_time_for_a_long_line_grows_no_faster_than_the_line(piece):
    def seconds(length):
        raw = (piece * length)[:length].encode()
        began = process_time()
        normalise(raw.decode() + "z")
        event_from_line(1, raw[:65_536], len(raw), CLOCK)
        return process_time() - began

    seconds(1000)
    assert seconds(1_000_000) < 60  # quadratic: 10**12 steps, hours
