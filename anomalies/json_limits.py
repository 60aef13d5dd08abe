"""The limits of JSON and tags from every origin. Text is checked before it is parsed.

The numbers are what the strictest of those who read and keep an anomaly can take: PostgreSQL's jsonb, Python,
and readers whose numbers are doubles or whose stack is short. Sizes come from the settings (docs/limits.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import accumulate
from math import isfinite
from typing import Any

DEPTH = 64  # brackets within brackets; Python's parser runs out of stack near 1,000, others before
DIGITS = 4_000  # of a whole number, and its sign; Python reads 4,300 (sys.int_info.default_max_str_digits)
DECIMALS = 16_383  # digits behind the point: what PostgreSQL's numeric keeps

TOO_DEEP = f"is nested more than {DEPTH} levels deep; flatten it or make the rest a text"
TOO_LARGE = f"holds a number too large, or a whole one of more than {DIGITS:,} digits; write it as a text"
TOO_FINE = f"holds a number with more than {DECIMALS:,} digits behind the point; write it as a text"
NUL = "holds a NUL character (\\u0000), which PostgreSQL can't keep; remove it"
HALF_A_CHARACTER = "holds half a character (a lone surrogate such as \\ud800); remove it"

_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NEITHER_BRACKET_NOR_QUOTE = bytes(set(range(256)) - set(b'"[]{}'))
# A string (whole, or up to the end where it is not closed) with the colon after it, or a bracket.
_TOKEN = re.compile(rb'("[^"\\]*+(?:\\.[^"\\]*+)*+"?)\s*+(:?)|[\[\]{}]', re.DOTALL)


class LimitError(ValueError):
    """A value beyond a limit; the message continues its name: "metadata is nested more than …"."""


def deeper_than(data: bytes, levels: int) -> bool:
    """Return True if brackets nest deeper, in text that need not be JSON; linear in its length."""
    if data.count(b"[") + data.count(b"{") <= levels:
        return False  # nearly always
    return any(map(levels.__lt__, accumulate(map(_STEP.__getitem__, _brackets(data)))))


def _brackets(data: bytes) -> bytes:
    """The brackets that are outside of strings.

    Escapes go first, then all that is no bracket and no quote, then strings without a bracket in them: what
    is left is short, and every other piece between its quotes is outside.
    """
    unescaped = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    bare = unescaped.translate(None, _NEITHER_BRACKET_NOR_QUOTE).replace(b'""', b"")
    return b"".join(bare.split(b'"')[::2])


def key_deeper_than(data: bytes, levels: int) -> str | None:
    """Under which key of the outermost object brackets nest deeper; None where that is no object."""
    depth, key = 0, None
    for token in _TOKEN.finditer(data):
        if token[1] is None:
            depth += _STEP[token[0][0]]
            if depth > levels:
                break
        elif depth == 1 and token[2]:
            key = token[1].strip(b'"').decode(errors="replace")
    return key


def holds_nul(data: bytes) -> bool:
    """Return True if JSON text contains an escaped NUL; a raw one is not JSON."""
    if b"\\" not in data or b"\\u0000" not in data:
        return False
    return b"\\u0000" in data.replace(b"\\\\", b"")


def check_size(data: bytes, max_bytes: int) -> None:
    """Raises LimitError where JSON text is longer."""
    if len(data) > max_bytes:
        raise LimitError(
            f"has {len(data):,} bytes of JSON; the limit is {max_bytes:,} (DRIFTLOCK_INGEST_MAX_JSON_BYTES)"
        )


def check_tags(tags: Sequence[str], most: int, longest: int) -> None:
    """Raises LimitError where there are more tags, or one of them has more characters."""
    if len(tags) > most:
        raise LimitError(f"are {len(tags):,}; the limit is {most:,} (DRIFTLOCK_INGEST_MAX_TAGS)")
    try:
        "".join(tags).encode()
    except UnicodeEncodeError as error:
        raise LimitError(HALF_A_CHARACTER) from error
    length = max(map(len, tags), default=0)
    if length > longest:
        raise LimitError(
            f"hold one of {length:,} characters; the limit is {longest:,} (DRIFTLOCK_INGEST_MAX_TAG_LENGTH)"
        )


def loads(text: str, max_bytes: int | None = None) -> Any:
    """The value of a JSON text within the limits; of a key said twice the last, as jsonb has it.

    Raises LimitError for text that is no JSON, and for JSON that some reader could not take.
    """
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise LimitError(HALF_A_CHARACTER) from error
    if max_bytes is not None:
        check_size(data, max_bytes)
    if deeper_than(data, DEPTH):
        raise LimitError(TOO_DEEP)
    if holds_nul(data):
        raise LimitError(NUL)
    value = _parsed(text)
    if b"\\u" in data:
        _check_characters(value)
    return value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_int=_whole, parse_float=_float, parse_constant=_no_constant)
    except LimitError:
        raise
    except ValueError as error:
        raise LimitError(f"is no JSON: {error}") from error


def _whole(digits: str) -> int:
    if len(digits) > DIGITS:
        raise LimitError(TOO_LARGE)
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise LimitError(TOO_LARGE)
    if (len(digits) > DECIMALS or "-" in digits[1:]) and _decimals(digits) > DECIMALS:
        raise LimitError(TOO_FINE)
    return number


def _decimals(digits: str) -> int:
    mantissa, _, exponent = digits.lower().partition("e")
    return len(mantissa.partition(".")[2]) - int(exponent[:9] or 0)


def _no_constant(name: str) -> None:
    raise LimitError(f"is no JSON: {name} is no JSON number; leave it out or write null")


def _check_characters(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise LimitError(HALF_A_CHARACTER) from error
