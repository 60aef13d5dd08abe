"""The journal's export format and Windows' events as XML are cut into records of JSON."""

import json
from datetime import UTC, datetime

import pytest

from anomalies.detection import Event

from ..support import cut, events, read

TIME = "1793491200000000"
BINARY = b"MESSAGE\n" + (11).to_bytes(8, "little") + b"two\nlines\x00x" + b"\n"
ENTRY = f"__CURSOR=s=1;i=7\n__REALTIME_TIMESTAMP={TIME}\n_HOSTNAME=h\nPRIORITY=6\n".encode()
JOURNAL = ENTRY + b"MESSAGE=up\n\n" + ENTRY + BINARY + b"\n" + ENTRY + b"MESSAGE=down\n"
XML = (
    "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='SCM'/>"
    "<EventID Qualifiers='16384'>{id}</EventID><TimeCreated SystemTime='2026-11-01T00:00:00.5Z'/>"
    "<Computer>h</Computer></System><EventData><Data Name='param1'>Spooler &amp; more</Data>"
    "<Data>first</Data><Data>second</Data></EventData></Event>"
)
EXPORTS = {
    "one a line": "\n".join(XML.format(id=n) for n in (7036, 7045)),
    "a list": f"<?xml version='1.0'?><Events>{XML.format(id=7036)}{XML.format(id=7045)}</Events>",
    "over lines": f"<Events>\n{XML.format(id=7036)}\n{XML.format(id=7045)}\n</Events>\n".replace(
        "<System>", "\n<System>\n  "
    ),
}


def test_an_entry_of_the_journal_is_an_event_with_its_time():
    found = events(JOURNAL)
    assert [(event.message, event.timestamp) for event in found] == [
        (words, datetime(2026, 11, 1, tzinfo=UTC)) for words in ("up", "two lines\\x00x", "down")
    ]
    assert dict(found[0].fields)["_HOSTNAME"] == "h"


def test_an_entry_is_named_by_the_line_that_it_begins_in():
    assert [number for number, _, _ in cut(JOURNAL)] == [1, 7, 15]


@pytest.mark.parametrize("size", [1, 7, 64])
def test_entries_are_the_same_in_pieces_of_any_size(size):
    assert [data for _, data, _ in cut(ENTRY * 3 + JOURNAL, size=400)] == [
        data for _, data, _ in cut(ENTRY * 3 + JOURNAL, size=300 + size)
    ]


@pytest.mark.parametrize("end", range(len(JOURNAL) - 80, len(JOURNAL), 7))
def test_an_export_that_is_cut_keeps_its_whole_entries(end):
    assert next(one.message for one in read(JOURNAL[:end]) if isinstance(one, Event)) == "up"


def test_a_value_that_is_too_long_is_cut_and_the_next_entry_is_read():
    long = b"MESSAGE\n" + (5_000).to_bytes(8, "little") + b"x" * 5_000 + b"\n\n"
    pieces = cut(ENTRY + long + ENTRY + b"MESSAGE=up\n\n", most=1_000)
    assert json.loads(pieces[-1][1])["MESSAGE"] == "up"
    assert all(len(data) < 2_000 for _, data, _ in pieces)


@pytest.mark.parametrize("text", EXPORTS.values(), ids=EXPORTS)
def test_an_event_of_windows_is_a_record(text):
    found = events(text)
    assert [event.message for event in found] == [
        f"Event.System.EventID={n} Event.EventData.Data=first Event.EventData.Data=second "
        "Event.EventData.param1=Spooler & more"
        for n in (7036, 7045)
    ]
    assert found[0].timestamp == datetime(2026, 11, 1, 0, 0, 0, 500_000, tzinfo=UTC)
    assert dict(found[0].fields)["Event.System.Provider.Name"] == "SCM"


def test_the_rendered_message_of_an_event_is_its_message():
    rendered = (
        "<RenderingInfo Culture='en-US'><Message>The service stopped.</Message></RenderingInfo></Event>"
    )
    assert events(XML.format(id=7).replace("</Event>", rendered))[0].message == "The service stopped."


@pytest.mark.parametrize("broken", ["<Event><System></Event>", "<Event><!DOCTYPE x>a</Event>", "<Event><a"])
def test_an_event_that_is_broken_is_scored_as_text_and_the_others_are_read(broken):
    found = events("\n".join([XML.format(id=1), broken, XML.format(id=2)]), "logs")
    assert [event.message[:22] for event in found if event.message] == [
        "Event.System.EventID=1",
        "Event.System.EventID=2",
    ]
    assert any(broken in event.text for event in found)
