"""One line of a log, made safe to show and to store."""

import re
from dataclasses import dataclass
from datetime import datetime

from .formats.timestamps import TimestampReader

MAX_CHARACTERS = 4096
_MAX_UTF8_BYTES = 4  # of one character

# Control characters (a tab is harmless) can end a string, ring, or repaint a terminal; databases refuse NUL.
# Bidirectional marks can make a line read as something else, and the separators break one line into two.
# Half a character (a surrogate, which JSON can name) is no text that can be stored.
_UNSAFE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)


@dataclass(frozen=True, slots=True)
class Event:
    """A line: its number in the source from 1, its text safe to show and store, and when it happened.

    `text` has at most 4,096 characters; `timestamp` is aware, or None where the line holds none. `coded` is
    what is scored in place of the text, '' for the text itself. A metric's event has its `values` by name
    (NaN and infinity too), a trace's the id of its `session` and the `steps` of it.
    """

    number: int
    text: str
    timestamp: datetime | None
    coded: str = ""
    values: tuple[tuple[str, float], ...] = ()
    session: str = ""
    steps: tuple[str, ...] = ()


def event_from_line(number: int, raw: bytes, full_length: int, clock: TimestampReader) -> Event:
    """Return the event of the line `number`, whatever its bytes.

    `raw` holds the line's first bytes (the first 16 KiB matter), `full_length` how many bytes the whole line
    has, both with or both without the line end. Bytes that are no UTF-8, control characters but the tab, and
    bidirectional marks are shown as \\xNN or \\uNNNN. A line that was cut says its whole length.
    """
    text = shown_text(raw, full_length)
    return Event(number, text, clock.read(text))


def shown_text(raw: bytes, full_length: int) -> str:
    """Return the text of a line's event (`event_from_line`)."""
    cut = full_length > len(raw)
    line = raw.rstrip(b"\r\n")
    head = line[: MAX_CHARACTERS * _MAX_UTF8_BYTES]
    text = _UNSAFE.sub(_visible, head.decode("utf-8", "backslashreplace"))
    if cut or len(head) < len(line) or len(text) > MAX_CHARACTERS:
        mark = f"… [{full_length:,} bytes]"
        text = text[: MAX_CHARACTERS - len(mark)] + mark
    return text


def safe(text: str, most: int = MAX_CHARACTERS) -> str:
    """Return at most `most` characters of a text, what could deceive or break shown as \\xNN or \\uNNNN."""
    return _UNSAFE.sub(_visible, text[:most])[:most]


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"
