"""The choice of a stream's framing, by its first bytes."""

import json
import re
from collections.abc import Callable, Iterable, Iterator

from .journal_export import cut_by_entries, is_journal_export
from .json_values import JsonValues
from .octet_counts import are_octet_counted, cut_by_counts
from .pieces import Piece
from .windows_events import are_windows_events, cut_by_events

HEAD = 64 * 1024  # bytes that are looked at
_BOM = b"\xef\xbb\xbf"
_JSON = re.compile(r"[\s\ufeff]*(?:\{\s*(?:[\"}]|\Z)|\[\s*(?:[\[{\"\]]|-?\d|true\b|false\b|null\b|\Z))")
_GOES_ON = re.compile(
    r"[ \t\r]*(?:\Z|\n|[\[{,\x1e\x00])"
)  # after a value: the end of its line, or the next one
_AROUND = " \t\r\n\ufeff\x1e\x00"
_WORD = 5  # characters of a literal that may have been cut
_ENOUGH = 0.5  # of the lines are objects, where some of a log are torn

Framing = Callable[[Iterable[bytes]], Iterator[Piece]]


def framing_of(head: bytes, most: int) -> Framing | None:
    """Return what cuts a stream into records that begins with these bytes; None for one record a line.

    Records of JSON are of at most `most` characters; of others so many bytes are kept.
    """
    head = head.removeprefix(_BOM)
    if are_octet_counted(head):
        return lambda chunks: cut_by_counts(chunks, most)
    if is_journal_export(head):
        return lambda chunks: cut_by_entries(chunks, most)
    if are_windows_events(head):
        return lambda chunks: cut_by_events(chunks, most)
    if _is_json(head.decode("utf-8", "replace")):
        return JsonValues(most).cut
    return None


def _is_json(head: str) -> bool:
    """Return whether this begins JSON that is not one object a line."""
    if not _JSON.match(head):
        return False
    whole, _, rest = head.rpartition("\n")
    lines = [line for line in whole.split("\n") if line.strip(_AROUND)]
    if not lines:
        return not _is_object(rest) and _may_begin(rest)
    objects = sum(map(_is_object, lines))
    if objects >= _ENOUGH * len(lines):
        return False
    return _may_begin(whole)


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line.strip(_AROUND).rstrip(",")), dict)
    except (ValueError, RecursionError):
        return False


def _may_begin(text: str) -> bool:
    """Return whether the first value is whole, or stops where the text does.

    A log may begin with a bracket too, as in `[1793527200]`: words after the value in its line show it.
    """
    text = text.strip(_AROUND)
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError as error:
        return error.pos >= len(text) - _WORD or error.msg.startswith("Unterminated string")
    except RecursionError:
        return False
    return _GOES_ON.match(text, end) is not None
