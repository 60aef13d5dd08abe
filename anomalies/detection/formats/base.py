"""What a line of input becomes, whatever its format: an event, nothing, or why it could not be read."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from ..events import Event, event_from_line, safe
from ..scoring.scorers import Kind
from .times.timestamps import TimestampReader

SHOWN = 60  # characters of a value that is quoted in a message
MAX_NAME = 100  # characters of a column's or a field's name
MAX_VALUES = 200  # numbers of an event
# Possessive: digits that are not given back make a cell of 64 KiB of them a matter of microseconds.
_NUMBER = re.compile(
    r"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:e[+-]?\d{1,9})?|[+-]?(?:nan|inf|infinity)", re.A | re.I
)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?", re.A)
_GROUPED = re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})++|\d++)(?:,\d*)?", re.A)
_NOTHING = {"", "-", "na", "n/a", "null", "none"}


Comma = Literal["none", "decimal", "grouped", "thousands"]


class FormatError(ValueError):
    """The input as a whole can't be read: which line, what was expected, and the way out."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line that is not of its stream's format: its number from 1, and why, with the way out."""

    number: int
    reason: str


class Format(Protocol):
    """How the lines of one input are read. `name` is for people, `notes` says once what is left out."""

    kind: Kind
    name: str
    notes: tuple[str, ...]

    def read(self, number: int, raw: bytes, full_length: int) -> Event | Skipped | None:
        """Return the event of a line; None for an empty line or a header; Skipped for a broken one.

        The arguments are those of `event_from_line`. Never raises, whatever the bytes.
        """


class PlainLines:
    """Logs of any text: lines, syslog, and JSON among them is scored as text. Nothing is ever skipped."""

    kind: Kind = "logs"
    name = "plain lines"
    notes: tuple[str, ...] = ()

    def __init__(self, clock: TimestampReader, lines: Sequence[bytes] = ()) -> None:
        """Learn the layout of the stamps from the first lines; AmbiguousDates where it can't be known."""
        self._clock = clock
        if lines:
            clock.learn([decoded(line) for line in lines])
            self.notes = (clock.note,) if clock.note else ()

    def read(self, number: int, raw: bytes, full_length: int) -> Event | Skipped | None:
        """Return the event of a line; None for an empty one."""
        if not raw or raw.isspace():
            return None
        return event_from_line(number, raw, full_length, self._clock)


def long_form(metric: str, name: str) -> str:
    """Return the name of a value whose row or record says of which metric it is; '' for none."""
    return (metric if name == "value" else f"{metric}.{name}"[:MAX_NAME]) if metric else name


def number_of(text: str, comma: Comma = "none") -> float | None:
    """Return the number that a text is; NaN where it says that there is none; None for other text.

    `comma` is what a comma in it stands for; 'grouped' is a decimal one where dots group the thousands.
    """
    text = text.strip()
    if text.lower() in _NOTHING:
        return float("nan")
    if comma == "thousands" and _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    elif comma == "grouped":
        text = text.replace(".", "").replace(",", ".") if _GROUPED.fullmatch(text) else ""
    elif comma == "decimal":
        text = text.replace(",", ".")
    return float(text) if _NUMBER.fullmatch(text) else None


def name_of(text: str) -> str:
    """Return the name of a column or a field, safe to show."""
    return safe(text.strip(), MAX_NAME)


def quoted(value: object) -> str:
    """Return the beginning of a value in quotes, for a message."""
    return f'"{safe(str(value), SHOWN)}"'


def decoded(raw: bytes) -> str:
    """Return a line as text, without its end and the mark that some programs put before the first one."""
    return raw.decode("utf-8", "backslashreplace").removeprefix("\ufeff").rstrip("\r\n")


def too_long(number: int, raw: bytes, full_length: int) -> Skipped:
    """Say that a line is longer than what is read of it."""
    return Skipped(
        number,
        f"line {number:,} has {full_length:,} bytes, of which {len(raw):,} are read; "
        "split it into shorter ones",
    )
