"""The interface of formats, the results of reading, and the quoting of values in messages."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ..events import Event, safe
from ..scoring.scorers import Kind

SHOWN = 60  # characters of a value that is quoted in a message
MAX_NAME = 100  # characters of a column's or a field's name
MAX_VALUES = 200  # numbers of an event
# Possessive: digits that are not given back make a cell of 64 KiB of them a matter of microseconds.
_NUMBER = re.compile(
    r"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:e[+-]?\d{1,9})?|[+-]?(?:nan|inf|infinity)", re.A | re.I
)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?", re.A)
_GROUPED = re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})++|\d++)(?:,\d*)?", re.A)
_ID = re.compile(r"(?:(?:^|[^A-Za-z])(?i:id)|[a-z]I[Dd])s?$")
_NOTHING = {"", "-", "na", "n/a", "null", "none"}


Comma = Literal["none", "decimal", "grouped", "thousands"]


class FormatError(ValueError):
    """The input as a whole can't be read: which line, what was expected, and the fix."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line that is not of its stream's format: its number from 1, and why, with the fix."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Remark:
    """A line that was read although something in it needs a fix: its number from 1, and what."""

    number: int
    reason: str


Result = Event | Skipped | Remark


class Format(Protocol):
    """A reader of the lines of one input. `name` is for people, `notes` says once what is left out.

    `in_order` is False where the times of neighbours say nothing, as of series that come one after the other.
    """

    kind: Kind
    name: str
    notes: tuple[str, ...]
    in_order: bool

    def read(self, number: int, raw: bytes, full_length: int) -> Sequence[Result]:
        """Return what a line holds: one event as a rule, none for an empty line or a header, several for a
        container, Skipped for a broken one.

        `number` is the line's, `raw` its first bytes, `full_length` the bytes of the whole. Never raises,
        whatever the bytes. The numbers of events increase.
        """

    def finish(self) -> Sequence[Result]:
        """Return what is still held, as an unfinished row or open traces, at the end of the input."""

    def state(self) -> Any:
        """Return what it holds between two lines as plain JSON values, for `restore`."""

    def restore(self, state: Any) -> None:
        """Restore what `state` returned, in a reader made of the same first lines."""


class Reader:
    """The base of formats that read each line by itself."""

    notes: tuple[str, ...] = ()
    in_order = True

    def finish(self) -> Sequence[Result]:
        """Return nothing: no line is held."""
        return ()

    def state(self) -> Any:
        """Return nothing."""
        return None

    def restore(self, state: Any) -> None:
        """Restore nothing: no line is held."""


class Numbers:
    """Numbers for events where a line may hold several: the line's own, or the next one that is free."""

    def __init__(self) -> None:
        self.last = 0

    def take(self, line: int) -> tuple[int, int]:
        """Return the number of the next event of a line, and the line where that is another, 0 otherwise."""
        following = self.last + 1
        if line >= following:
            self.last = line
            return line, 0
        self.last = following
        return following, line


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


def is_id(name: str) -> bool:
    """Return whether a column or a field holds ids, by its name: `Event ID`, `request_id`, `requestId`."""
    return _ID.search(name) is not None


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
    """Return the refusal of a line that is longer than what is read of one."""
    return Skipped(
        number,
        f"line {number:,} has {full_length:,} bytes, of which {len(raw):,} are read; "
        "split it into shorter ones",
    )
