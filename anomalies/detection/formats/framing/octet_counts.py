"""Syslog as TCP carries it (RFC 6587): each message after the number of its octets, and no line ends."""

import re
from collections.abc import Iterable, Iterator

from .pieces import Piece

_COUNT = re.compile(rb"\s*([1-9]\d{0,6}) (?=<\d{1,3}>)")
_LONGEST_COUNT = 16  # bytes, white space before it included


def are_octet_counted(head: bytes) -> bool:
    """Return whether a stream begins with a count, as many octets, and then the next count or the end."""
    match = _COUNT.match(head)
    if match is None:
        return False
    end = match.end() + int(match[1])
    return end >= len(head) or head[end:].isspace() or _COUNT.match(head, end) is not None


def cut_by_counts(chunks: Iterable[bytes], most: int) -> Iterator[Piece]:
    """Yield the messages of a stream, each with the line that it begins in; of longer ones `most` bytes.

    Where a count is missing or wrong, the rest up to the next line end is one piece.
    """
    buffer, line, source = b"", 1, iter(chunks)
    ended = False
    while True:
        while not ended and len(buffer) < _LONGEST_COUNT:
            buffer, ended = _more(buffer, source)
        match = _COUNT.match(buffer)
        end = match.end() + int(match[1]) if match else -1
        while not ended and (len(buffer) < end if match else b"\n" not in buffer and len(buffer) < most):
            buffer, ended = _more(buffer, source)
        if not buffer.strip():
            return
        if match is None:
            end = buffer.find(b"\n") + 1 or len(buffer)
        data = buffer[match.end() if match else 0 : end]
        began = line + (buffer[: match.end()].count(b"\n") if match else 0)
        line += buffer[:end].count(b"\n")
        buffer = buffer[end:]
        if data.strip():
            stripped = data.rstrip(b"\r\n")
            yield Piece(began, stripped[:most], len(stripped))


def _more(buffer: bytes, source: Iterator[bytes]) -> tuple[bytes, bool]:
    chunk = next(source, b"")
    return buffer + chunk, not chunk
