"""Lines that are no anomalies, of many kinds, each with the column and the words its rejection must have."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

MAX_LINE_BYTES = 400_000
MAX_JSON_BYTES = 100_000


class Kind(NamedTuple):
    """One way to be wrong. ``heavy`` ones make long lines, so few of them will do."""

    make: Callable[[random.Random], bytes]
    field: str | None
    words: str
    heavy: bool = False


def row(dice: random.Random, **over: Any) -> dict[str, Any]:
    """A good row; ``...`` leaves a column out."""
    values = {
        "timestamp": f"2026-11-{dice.randint(1, 30):02}T{dice.randint(0, 23):02}:00:00Z",
        "stream_type": dice.choice(["logs", "metrics", "traces", "llm"]),
        "ncd_score": dice.random(),
        "p_value": dice.random(),
        "glass_box_explanation": 'a "quoted" [brace} \\ and é',
        "compression_baseline": dice.random(),
        "compression_window": dice.random(),
        "compression_combined": dice.random(),
        "confidence_level": dice.random(),
        "metadata": {"host": "db1", "path": "C:\\[{"},
        "tags": ["db"],
    }
    return {key: value for key, value in {**values, **over}.items() if value is not ...}


def good(dice: random.Random, **over: Any) -> bytes:
    """A good line, as one of several writers would set it."""
    indent, separators = dice.choice([(None, None), (None, (",", ":")), (1, None)])
    text = json.dumps(
        row(dice, **over), ensure_ascii=dice.random() < 0.5, separators=separators, indent=indent
    )
    return text.replace("\n", " ").encode()


def _with(field: str, *choices: Any) -> Callable[[random.Random], bytes]:
    """A line with one of these values in a column."""
    return lambda dice: good(dice, **{field: dice.choice(choices)})


def _raw(field: str, *choices: str | bytes) -> Callable[[random.Random], bytes]:
    """A line with one of these very texts as a column's value."""

    def make(dice: random.Random) -> bytes:
        value = dice.choice(choices)
        text = value.encode() if isinstance(value, str) else value
        return good(dice, **{field: ...})[:-1].rstrip() + b', "' + field.encode() + b'": ' + text + b"}"

    return make


def _cut(dice: random.Random) -> bytes:
    line = json.dumps(row(dice)).encode()
    return line[: dice.randint(line.find(b"stream_type"), len(line) - 1)].rstrip() or b"{"


def _nested(outer: str, inner: str, levels: int, closed: bool = True) -> str:
    close = {"[": "]", "{": "}"}[outer[0]]
    return outer * levels + inner + (close * levels if closed else "")


def _twice(dice: random.Random) -> bytes:
    return b'{"ncd_score":0.5,' + good(dice)[1:]


PAYLOADS = ("metadata", "baseline_data", "window_data")
NO_JSON = "is no JSON"
DEEP = "more than 64 levels deep"

KINDS: dict[str, Kind] = {
    # the line is no JSON
    "truncated": Kind(_cut, None, NO_JSON),
    "trailing comma": Kind(lambda d: good(d)[:-1] + b",}", None, NO_JSON),
    "comma too many": Kind(lambda d: b"{," + good(d)[1:], None, NO_JSON),
    "comma missing": Kind(lambda d: good(d)[:-1] + b' "notes": "x"}', None, NO_JSON),
    "colon missing": Kind(lambda d: good(d)[:-1] + b', "notes" "x"}', None, NO_JSON),
    "bare word": Kind(lambda d: d.choice([b"hello", b"ERROR: it broke", b"---"]), None, NO_JSON),
    "two objects on a line": Kind(lambda d: good(d) + d.choice([b"", b" ", b","]) + good(d), None, NO_JSON),
    "CR for line ends": Kind(lambda d: good(d) + b"\r" + good(d), None, NO_JSON),
    "comment": Kind(lambda d: good(d) + d.choice([b" // why", b" # why", b" /* why */"]), None, NO_JSON),
    "comment inside": Kind(lambda d: b"{ /* why */ " + good(d)[1:], None, NO_JSON),
    "single quotes": Kind(lambda d: str(row(d, glass_box_explanation="x")).encode(), None, "double quotes"),
    "keys without quotes": Kind(lambda d: b"{timestamp: 1}", None, NO_JSON),
    "unclosed string": Kind(lambda d: good(d)[:-1] + b', "notes": "x}', None, NO_JSON),
    "tab in a string": Kind(_raw("notes", '"a\tb"'), None, NO_JSON),
    "control character in a string": Kind(_raw("notes", b'"\x01"', b'"\x1b[0m"', b'"\x1f"'), None, NO_JSON),
    "NUL in a string": Kind(_raw("notes", b'"\x00"'), None, NO_JSON),
    "NUL bytes": Kind(lambda d: bytes(d.randint(1, 50)), None, NO_JSON),
    "unknown escape": Kind(_raw("notes", '"\\x41"', '"\\a"', '"\\u12"', '"\\u12g4"'), None, NO_JSON),
    "NaN": Kind(_raw("ncd_score", "NaN", "nan"), None, NO_JSON),
    "Infinity": Kind(_raw("p_value", "Infinity", "-Infinity"), None, NO_JSON),
    "NaN in metadata": Kind(_raw("metadata", '{"a": NaN}', "[-Infinity]"), None, NO_JSON),
    "hex number": Kind(_raw("ncd_score", "0x1", "0xFF"), None, NO_JSON),
    "leading zero": Kind(_raw("ncd_score", "01", "-01", "00"), None, NO_JSON),
    "plus sign": Kind(_raw("ncd_score", "+0.5", "+1"), None, NO_JSON),
    "half a number": Kind(_raw("ncd_score", ".5", "1.", "1e", "-"), None, NO_JSON),
    "Python's words": Kind(_raw("is_statistically_significant", "True", "None"), None, NO_JSON),
    "undefined": Kind(_raw("notes", "undefined"), None, NO_JSON),
    # the line is no text
    "UTF-16": Kind(lambda d: good(d).decode().encode("utf-16"), None, "is not UTF-8"),
    "UTF-16 without a mark": Kind(lambda d: b'{"timestamp"'.decode().encode("utf-16-le"), None, NO_JSON),
    "byte order mark": Kind(lambda d: b"\xef\xbb\xbf" + good(d), None, NO_JSON),
    "Latin-1": Kind(_raw("notes", b'"caf\xe9"'), None, "is not UTF-8"),
    "invalid UTF-8": Kind(_raw("metadata", b'"\xff"', b'"\x80"', b'{"\xc3": 1}'), None, "is not UTF-8"),
    "overlong UTF-8": Kind(_raw("notes", b'"\xc0\xaf"', b'"\xe0\x80\xaf"'), None, "is not UTF-8"),
    "beyond Unicode": Kind(_raw("notes", b'"\xf4\x90\x80\x80"'), None, "is not UTF-8"),
    "surrogate as bytes": Kind(_raw("metadata", b'"\xed\xa0\x80"', b'"\xed\xbf\xbf"'), None, "is not UTF-8"),
    "high surrogate": Kind(_raw("notes", '"\\ud800"', '"\\uDBFF x"'), None, "half a character"),
    "low surrogate": Kind(_raw("notes", '"\\udc00"', '"x\\uDFFF"'), None, "half a character"),
    "surrogates reversed": Kind(_raw("metadata", '{"a": "\\udc00\\ud83d"}'), None, "half a character"),
    "surrogate in a key": Kind(_raw("metadata", '{"\\ud800": 1}'), None, "half a character"),
    "surrogate in a tag": Kind(_raw("tags", '["\\ud83d"]'), None, "half a character"),
    "escaped NUL": Kind(_raw("notes", '"\\u0000"', '"a\\\\\\u0000b"'), "notes", "NUL"),
    "escaped NUL in a tag": Kind(_raw("tags", '["a", "\\u0000"]'), "tags", "NUL"),
    "escaped NUL in metadata": Kind(_raw("metadata", '{"a": ["\\u0000"]}'), "metadata", "NUL"),
    "escaped NUL in a key": Kind(_raw("window_data", '{"\\u0000": 1}'), "window_data", "NUL"),
    # the line is no anomaly
    "array": Kind(lambda d: b"[" + good(d) + b"]", None, "must be a JSON object"),
    "empty array": Kind(lambda d: b"[]", None, "must be a JSON object"),
    "string": Kind(lambda d: json.dumps(good(d).decode()).encode(), None, "must be a JSON object"),
    "number": Kind(lambda d: b"%d" % d.randint(0, 10**30), None, "must be a JSON object"),
    "null": Kind(lambda d: b"null", None, "must be a JSON object"),
    "boolean": Kind(lambda d: d.choice([b"true", b"false"]), None, "must be a JSON object"),
    "empty object": Kind(lambda d: d.choice([b"{}", b"{ }"]), "timestamp", "is missing"),
    "missing number": Kind(_with("ncd_score", ...), "ncd_score", "is missing"),
    "missing text": Kind(_with("glass_box_explanation", ...), "glass_box_explanation", "is missing"),
    "unknown column": Kind(_with("severity", 1, None, "x"), "severity", "is no column"),
    "misspelt column": Kind(_with("ncd_scores", 1), "ncd_scores", "did you mean ncd_score?"),
    "column in capitals": Kind(_with("Status", "pending"), "Status", "did you mean status?"),
    "a column twice": Kind(_twice, "ncd_score", "is there twice"),
    # values of the wrong type
    "boolean for a number": Kind(_with("p_value", True, False), "p_value", "must be a number"),
    "text for a number": Kind(_with("confidence_level", "0.5", ""), "confidence_level", "must be a number"),
    "list for a number": Kind(_with("novelty", [1], []), "novelty", "must be a number"),
    "null for a number": Kind(_with("compression_window", None), "compression_window", "must be a number"),
    "number for a text": Kind(_with("notes", 1, 0.5), "notes", "must be a text"),
    "object for a text": Kind(_with("detailed_explanation", {}), "detailed_explanation", "must be a text"),
    "null for a text": Kind(_with("glass_box_explanation", None), "glass_box_explanation", "must be a text"),
    "number for a boolean": Kind(
        _with("is_statistically_significant", 0, 1, "yes"), "is_statistically_significant", "true or false"
    ),
    "bad UUID": Kind(_with("id", "7", 7, "550e8400-e29b-41d4-a716-44665544000g"), "id", "must be a UUID"),
    "unknown stream": Kind(_with("stream_type", "syslog", "", "LOGS", 1), "stream_type", "must be one of"),
    "unknown status": Kind(_with("status", "closed", "Pending", 0), "status", "must be one of"),
    "unknown reason": Kind(_with("dismissal_reason", "bored"), "dismissal_reason", "must be one of"),
    "username too long": Kind(_with("acknowledged_by", "x" * 256), "acknowledged_by", "255 characters"),
    "tags as a text": Kind(_with("tags", "db", "db,web"), "tags", "must be a list of texts"),
    "tags that are numbers": Kind(_with("tags", [1], ["a", 2]), "tags", "must be a list of texts"),
    "tags with a null": Kind(_with("tags", [None], ["a", None]), "tags", "must be a list of texts"),
    "nested tags": Kind(_with("tags", [["a"]], [[]]), "tags", "must be a list of texts"),
    # times
    "month 13": Kind(_with("timestamp", "2026-13-01T00:00:00Z"), "timestamp", "must be a time"),
    "30 February": Kind(_with("timestamp", "2026-02-30T00:00:00Z"), "timestamp", "must be a time"),
    "hour 25": Kind(_with("created_at", "2026-02-03T25:00:00Z"), "created_at", "must be a time"),
    "year 0": Kind(_with("timestamp", "0000-01-01T00:00:00Z"), "timestamp", "must be a time"),
    "year 1": Kind(_with("timestamp", "0001-01-01T00:00:00Z"), "timestamp", "outside the years"),
    "year 99999": Kind(_with("timestamp", "99999-01-01T00:00:00Z"), "timestamp", "must be a time"),
    "the last day": Kind(_with("dismissed_at", "9999-12-31T23:59:59Z"), "dismissed_at", "outside the years"),
    "time in words": Kind(_with("timestamp", "yesterday", "", "now"), "timestamp", "must be a time"),
    "time as a number": Kind(_with("timestamp", 1764072000, 1764072000.5), "timestamp", "must be a time"),
    "time without a zone": Kind(_with("timestamp", "2026-11-23T12:00:00"), "timestamp", "add Z"),
    # numbers
    "below 0": Kind(_with("ncd_score", -0.1, -1e-9, -5), "ncd_score", "from 0 to 1"),
    "above 1": Kind(_with("p_value", 1.0001, 2, 1e300), "p_value", "from 0 to 1"),
    "1e999 in a column": Kind(
        _raw("entropy_change", "1e999", "-1e400"), "entropy_change", "a double can hold"
    ),
    "5,000 digits in a column": Kind(_raw("novelty", "9" * 5000), "novelty", "a double can hold"),
    "1e999 in metadata": Kind(_raw("metadata", '{"a": 1e999}', "[-1e400]"), "metadata", "too large"),
    "5,000 digits in metadata": Kind(_raw("metadata", '{"a": ' + "9" * 5000 + "}"), "metadata", "too large"),
    "1e-20000 in metadata": Kind(
        _raw("metadata", '{"a": 1e-20000}'), "metadata", "16,383 digits", heavy=True
    ),
    "20,000 decimals": Kind(_raw("window_data", "1." + "1" * 20_000), "window_data", "16,383", heavy=True),
    # depth
    "65 arrays": Kind(_raw("window_data", _nested("[", "", 65)), "window_data", DEEP),
    "65 objects": Kind(_raw("metadata", _nested('{"a":', "1", 65)), "metadata", DEEP),
    "65 of both": Kind(
        _raw("baseline_data", _nested("[", _nested('{"a":', "[]", 32), 32)), "baseline_data", DEEP
    ),
    "1,500 arrays": Kind(_raw("metadata", _nested("[", '"]"', 1500)), "metadata", DEEP),
    "1,500 objects": Kind(_raw("window_data", _nested('{"}":', "null", 1500)), "window_data", DEEP),
    "100,000 arrays": Kind(_raw("window_data", _nested("[", "", 100_000)), "window_data", DEEP, heavy=True),
    "50,000 objects": Kind(_raw("metadata", _nested('{"a":', "1", 50_000)), "metadata", DEEP, heavy=True),
    "100,000 brackets never closed": Kind(_raw("metadata", "[" * 100_000), "metadata", DEEP, heavy=True),
    "1,500 brackets for a number": Kind(_raw("ncd_score", _nested("[", "", 1500)), "ncd_score", DEEP),
    "an array of 1,500 arrays": Kind(lambda d: _nested("[", "", 1500).encode(), None, DEEP),
    # size
    "too many tags": Kind(_with("tags", ["a"] * 101), "tags", "DRIFTLOCK_INGEST_MAX_TAGS"),
    "tag too long": Kind(
        _with("tags", ["a", "x" * 201], ["é" * 201]), "tags", "DRIFTLOCK_INGEST_MAX_TAG_LENGTH"
    ),
    "evidence too large": Kind(
        _with("window_data", ["x" * 1000] * 100), "window_data", "DRIFTLOCK_INGEST_MAX_JSON_BYTES", heavy=True
    ),
    "line too long": Kind(_with("notes", "x" * 400_000), None, "DRIFTLOCK_INGEST_MAX_LINE_BYTES", heavy=True),
}


def malformed(count: int, dice: random.Random) -> Iterator[tuple[str, bytes]]:
    """So many malformed lines with the names of their kinds: each kind, heavy ones a few times."""
    heavy = [name for name, kind in KINDS.items() if kind.heavy]
    light = [name for name, kind in KINDS.items() if not kind.heavy]
    names = heavy * 5
    names += [light[n % len(light)] for n in range(count - len(names))]
    dice.shuffle(names)
    for name in names:
        yield name, KINDS[name].make(dice)
