"""The message is what counts, not its envelope: one foreign line is found in any of them."""

import base64
import json

import pytest

from anomalies.detection import Event, Parameters, detect

from .formats.lines.test_envelopes import LINES, SAID
from .formats.records.envelopes import ENVELOPES, WORDS
from .formats.support import events, read


def wrapped(value, words):
    """The same envelope with another message."""
    text = json.dumps(value)
    if "MESSAGE" in value and isinstance(value["MESSAGE"], list):
        return {**value, "MESSAGE": list(words.encode())}
    if "Pub" in text or isinstance(value.get("message"), dict):
        return {**value, "message": {"data": base64.b64encode(words.encode().ljust(90)).decode()}}
    return json.loads(text.replace(WORDS, words))


PANIC = "panic: kernel oops unable to handle paging request raid5 stripe corrupt"
USUAL = [
    "cache miss for user {}",
    "request {} served in {} ms",
    "heartbeat seq={}",
    "connection from 10.0.0.{} accepted",
]


def messages():
    lines = [USUAL[n * n % 4].format(n % 251, n % 17) for n in range(240)]
    lines[225] = PANIC
    return lines


def stream(envelope):
    lines = messages()
    return [
        event
        for event in read([wrapped(envelope, words) for words in lines], "logs")
        if isinstance(event, Event)
    ]


@pytest.mark.parametrize("envelope", ENVELOPES.values(), ids=ENVELOPES)
def test_one_foreign_message_is_found_in_any_envelope_and_named_first(envelope):
    found = [one for one in detect(stream(envelope), Parameters()) if one.is_significant]
    assert [(one.first_line <= 226 <= one.last_line, one.oddest_line) for one in found] == [(True, 226)]
    assert PANIC[:40] in found[0].explanation.split("\n")[0]


def test_a_field_that_changes_is_found_and_named():
    records = [{"level": "INFO", "msg": f"job {n} done", "db": "primary"} for n in range(240)]
    records[225]["db"] = "replica"
    found = [one for one in detect(events(records, "logs"), Parameters()) if one.is_significant]
    assert [one.oddest_line for one in found] == [226]
    assert "db is “replica”" in found[0].explanation.split("\n")[0]


@pytest.mark.parametrize("line", [line for line, _ in LINES.values()], ids=LINES)
def test_one_foreign_message_is_found_in_any_envelope_of_text(line):
    text = "\n".join(line.replace(SAID, words) for words in messages())
    found = [one for one in detect(read(text, "logs"), Parameters()) if one.is_significant]
    assert [one.oddest_line for one in found] == [226]
    assert PANIC[:40] in found[0].explanation.split("\n")[0]
