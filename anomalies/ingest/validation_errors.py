"""The reasons why a line is not a row: the column, and one sentence with the remedy."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, get_args, get_type_hints
from uuid import UUID

import msgspec
from msgspec import Raw

_SHOWN = 60  # characters of a value that is wrong


@dataclass(slots=True)
class Misfit(Exception):
    """An error in a line: ``field`` is a column or key, None where it is the line as a whole."""

    field: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that was not taken. ``data`` is its bytes without the end; if not ``whole``, its first bytes."""

    line: int
    field: str | None
    reason: str
    data: bytes
    whole: bool = True

    def __str__(self) -> str:
        where = f"line {self.line:,}" + ("" if self.field is None else f", {self.field}")
        return f"{where}: {self.reason}"


def misfit(data: bytes, error: Exception, row: type[msgspec.Struct]) -> Misfit:
    """The decoder's error in words."""
    if isinstance(error, UnicodeDecodeError):
        return Misfit(None, f"is not UTF-8 at byte {error.start:,}; convert the file, for example with iconv")
    broken = error if not isinstance(error, msgspec.ValidationError) else _syntax_error(data)
    if broken:
        return _no_json(data, str(broken))
    message = str(error)
    if found := re.search(r"missing required field `(.*)`", message, re.DOTALL):
        return Misfit(found[1], "is missing; every anomaly needs it")
    if found := re.search(r"unknown field `(.*)`", message, re.DOTALL):
        return Misfit(found[1], _unknown(found[1], row.__struct_fields__))
    if found := re.search(r" - at `\$\.(\w+)", message):
        return Misfit(found[1], _wrong_value(found[1], message, data, row))
    return Misfit(None, f"must be a JSON object with one anomaly, not {_shown(data)}")


def _syntax_error(data: bytes) -> Exception | None:
    """The error that makes a line no JSON; the decoder may have stopped at a wrong value before it."""
    try:
        _any_json.decode(data)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        return error
    return None


_any_json = msgspec.json.Decoder(Raw)
_WORDS = {
    "invalid utf-16": "it holds half a character (a lone surrogate such as \\ud800); remove it",
    "NaN": "NaN and Infinity are no JSON numbers; leave the column out or write null",
    "single quotes": 'keys and texts stand in double quotes, as in {"key": "text"}',
    "truncated": "it ends in the middle",
}


def _no_json(data: bytes, message: str) -> Misfit:
    return Misfit(
        None,
        f"is no JSON: {_WORDS.get(_mistake(data, message), message.removeprefix('JSON is malformed: '))}",
    )


def _mistake(data: bytes, message: str) -> str:
    """Return the message for a common mistake that the decoder met; empty for any other."""
    if "surrogate" in message or _half_character(data):
        return "invalid utf-16"
    if "truncated" in message:
        return "truncated"
    found = re.search(r"\(byte (\d+)\)", message)
    at = data[max(0, int(found[1]) - 1) :][:10] if found else b""
    if re.match(rb".?-?(NaN|Infinity|inf|nan)", at):
        return "NaN"
    return "single quotes" if at[:2].find(b"'") >= 0 else ""


def _half_character(data: bytes) -> bool:
    """An escaped surrogate without its other half, which the decoder may report as an early end."""
    text = re.sub(rb"\\\\|\\u[dD][89abAB]..\\u[dD][c-fC-F]..", b"", data)
    return re.search(rb"\\u[dD][89a-fA-F]", text) is not None


def _unknown(key: str, columns: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(key[:100].lower(), columns, n=1)
    hint = f"did you mean {near[0]}?" if near else "leave it out, or put it into metadata"
    return f"is no column of an anomaly; {hint}"


def _wrong_value(field: str, message: str, data: bytes, row: type[msgspec.Struct]) -> str:
    value = _shown(_value(data, field))
    if "timezone" in message:
        return f"has no time zone: {value}; add Z or an offset such as +01:00"
    return f"must be {_expected(row)[field]}, not {value}"


@cache
def _expected(row: type[msgspec.Struct]) -> dict[str, str]:
    """For each column, what its value must be."""
    hints = get_type_hints(row, include_extras=True)
    defaults = dict(zip(reversed(row.__struct_fields__), reversed(row.__struct_defaults__), strict=False))
    optional = {name for name in hints if defaults.get(name, msgspec.NODEFAULT) is None}
    return {
        name: _in_words(_without_none(hint)) + (" or null" if name in optional else "")
        for name, hint in hints.items()
    }


def _without_none(hint: Any) -> Any:
    return get_args(hint)[0] if type(None) in get_args(hint) else hint


def _in_words(hint: Any) -> str:
    if isinstance(hint, type) and issubclass(hint, Enum):
        return "one of " + ", ".join(str(member.value) for member in hint)
    words = {UUID: "a UUID", float: "a number that a double can hold", bool: "true or false", str: "a text"}
    words |= {Raw: "JSON", list[str]: "a list of texts"}
    if hint in words:
        return words[hint]
    base, meta = get_args(hint)
    if base is float:
        return f"a number from {meta.ge:g} to {meta.le:g}"
    if base is str:
        return f"a text of at most {meta.max_length} characters"
    return "a time such as 2026-11-23T12:00:00Z"


def _value(data: bytes, field: str) -> bytes:
    return bytes(msgspec.json.decode(data, type=dict[str, Raw]).get(field, b""))


def _shown(value: bytes) -> str:
    text = value[: _SHOWN * 4].decode(errors="replace")
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
