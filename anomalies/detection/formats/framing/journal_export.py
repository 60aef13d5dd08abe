"""The journal's export format: entries of `NAME=value` lines with an empty line between two.

A value of several lines, or of bytes that are no text, has its name in a line of its own, then eight bytes of
its length (little end first), the value, and a line end. https://systemd.io/JOURNAL_EXPORT_FORMATS/
An entry becomes an object of JSON, as `journalctl -o json` writes it.
"""

import json
import re
from collections.abc import Iterable, Iterator

from .pieces import Piece

_HEAD = re.compile(rb"\s*(?:[A-Z0-9_]{1,64}=[^\n]*\n){0,30}?__REALTIME_TIMESTAMP=\d+\n")
_NAME = re.compile(rb"[A-Z0-9_]{1,64}")
_LENGTH = 8  # bytes of a value's length


def is_journal_export(head: bytes) -> bool:
    """Return whether a stream begins with an entry of the journal, of whose first fields one is its time."""
    return _HEAD.match(head) is not None


def cut_by_entries(chunks: Iterable[bytes], most: int) -> Iterator[Piece]:
    """Yield the entries of a stream, each with the line that it begins in; of a value at most `most` bytes.

    A line that is no field is a piece of its own.
    """
    reader = _Bytes(chunks)
    fields: dict[str, list[str]] = {}
    began, size = 1, 0
    while (line := reader.line(most)) is not None:
        if not line:
            if fields:
                yield _entry(began, fields)
            fields, size = {}, 0
            continue
        began = began if fields else reader.line_number - 1
        name, equals, value = line.partition(b"=")
        if not _NAME.fullmatch(name):
            yield Piece(reader.line_number - 1, line, len(line))
            continue
        if not equals:
            value = reader.value(most)
        size += len(value)
        if size <= most:
            fields.setdefault(name.decode(), []).append(value.decode("utf-8", "backslashreplace"))
    if fields:
        yield _entry(began, fields)


def _entry(line: int, fields: dict[str, list[str]]) -> Piece:
    record = {name: values[0] if len(values) == 1 else values for name, values in fields.items()}
    data = json.dumps(record, ensure_ascii=False).encode()
    return Piece(line, data, len(data))


class _Bytes:
    """Lines and values of a stream of bytes, of which no more than a piece is held."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.line_number = 1
        self._source = iter(chunks)
        self._buffer = b""
        self._ended = False

    def line(self, most: int) -> bytes | None:
        """Return the next line without its end, of a longer one the first bytes; None at the end."""
        while b"\n" not in self._buffer and len(self._buffer) <= most and self._fill():
            pass
        if not self._buffer:
            return None
        end = self._buffer.find(b"\n")
        line = self._take(end + 1 if end >= 0 else len(self._buffer))
        while end < 0 and not line.endswith(b"\n") and (self._buffer or self._fill()):
            end = self._buffer.find(b"\n")  # the rest of a line that is too long
            self._take(end + 1 if end >= 0 else len(self._buffer))
        return line.rstrip(b"\r\n")[:most]

    def value(self, most: int) -> bytes:
        """Return the value whose length comes next, of a longer one the first bytes."""
        while len(self._buffer) < _LENGTH and self._fill():
            pass
        left = int.from_bytes(self._take(_LENGTH), "little") + 1  # with the line end behind it
        kept = b""
        while left > 0 and (self._buffer or self._fill()):
            part = self._take(min(left, len(self._buffer)))
            left -= len(part)
            kept += part[: max(0, most - len(kept))]
        return kept.removesuffix(b"\n")

    def _take(self, size: int) -> bytes:
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        self.line_number += taken.count(b"\n")
        return taken

    def _fill(self) -> bool:
        """Read more; return whether there was any."""
        chunk = b"" if self._ended else next(self._source, b"")
        self._ended = not chunk
        self._buffer += chunk
        return not self._ended
