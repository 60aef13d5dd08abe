"""One event of a stream, made safe to show and to store."""

from datetime import datetime
from typing import NamedTuple

from anomalies.safe_text import escaped

from .formats.times.timestamps import TimestampReader

MAX_CHARACTERS = 4096
_MAX_UTF8_BYTES = 4  # of one character
_HARMLESS = "\t"  # a control character that log lines hold by right

Value = str | int | float | bool


class Event(NamedTuple):
    """One line or record of the input, as read. A tuple, because one is made for each line of a stream.

    number    its place in the source, from 1 and always larger than the one before: the line's number, or the
              record's where a line may hold several. The events of a baseline end with 0
    text      the line or record as it stands, safe to show and store; at most 4,096 characters
    timestamp when it happened, aware; None where the line does not say
    message   what is scored as text: the log message without its envelope, or the texts of an LLM record;
              '' for the text itself (`scored`)
    fields    the other simple values of a record or of a line's envelope by their dotted paths, in the order
              of the paths; numbers are finite
    values    the numbers of a metric's event by name, NaN and infinity too
    session   the id of a trace's session, and `steps`, the names of what happened in it, in order
    line      the line that it begins in, where that is not its number; 0 otherwise. Of a baseline always
    """

    number: int
    text: str
    timestamp: datetime | None
    message: str = ""
    fields: tuple[tuple[str, Value], ...] = ()
    values: tuple[tuple[str, float], ...] = ()
    session: str = ""
    steps: tuple[str, ...] = ()
    line: int = 0

    @property
    def scored(self) -> str:
        """The text that is scored."""
        return self.message or self.text

    @property
    def place(self) -> str:
        """The place of the event, for a sentence: `line 4,022`, `record 4,022 (line 1)`, or `line 12 of the
        baseline`."""
        if self.number <= 0:
            return f"line {self.line:,} of the baseline"
        return f"record {self.number:,} (line {self.line:,})" if self.line else f"line {self.number:,}"


def event_from_line(number: int, raw: bytes, full_length: int, clock: TimestampReader) -> Event:
    """Return the event of the line `number`, whatever its bytes.

    `raw` holds the line's first bytes (the first 16 KiB matter), `full_length` the number of bytes of the
    whole line, both with or both without the line end. Bytes that are not UTF-8, control characters but the
    tab, and marks of direction are shown as \\xNN or \\uNNNN. The text of a line that was cut ends with the
    length of the whole.
    """
    text = shown_text(raw, full_length)
    return Event(number, text, clock.read(text))


def shown_text(raw: bytes, full_length: int) -> str:
    """Return the text of a line's event (`event_from_line`)."""
    if len(raw) == full_length <= MAX_CHARACTERS:
        text = raw.decode("utf-8", "backslashreplace")
        if text.isprintable() and len(text) <= MAX_CHARACTERS:  # no line end either: nearly every line
            return text
    line = raw.rstrip(b"\r\n")
    head = line[: MAX_CHARACTERS * _MAX_UTF8_BYTES]
    text = head.decode("utf-8", "backslashreplace")
    if not text.isprintable():  # of what is printable nothing is unsafe, and this is cheap to ask
        text = escaped(text, _HARMLESS)
    if full_length > len(raw) or len(head) < len(line) or len(text) > MAX_CHARACTERS:
        mark = f"… [{full_length:,} bytes]"
        text = text[: MAX_CHARACTERS - len(mark)] + mark
    return text


def safe(text: str, most: int = MAX_CHARACTERS) -> str:
    """Return at most `most` characters of a text; what could deceive or break is shown as \\uNNNN."""
    head = text[:most]
    return head if head.isprintable() else escaped(head, _HARMLESS)[:most]
