"""The lines of a file, an archive or a pipe, read in bounded memory whatever they contain.

gzip and zstd are recognised by their first bytes, so names don't matter and a pipe may be compressed too. A
line longer than the limit is cut, and the rest of it is counted but not kept.
"""

from __future__ import annotations

import gzip
import io
import select
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import zstandard

from anomalies.detection import GUESSED_FROM, HEAD, HEAD_BYTES, framing_of

LINE_BYTES = 8 * 1024 * 1024  # longer lines are cut; large, since a batch of records may be one line
_BUFFER = 256 * 1024
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"  # after one byte from 0x50 to 0x5f; parallel compressors begin with one
# A zstd block of 4 bytes can hold 128 KiB: fed 256 bytes at a time, a bomb expands to at most 8 MiB.
_ZSTD_PIECE = 256
BOM = b"\xef\xbb\xbf"
# The exceptions that reading a damaged archive raises.
DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError)

Progress = Callable[[int, int | None], None]


class ReadError(Exception):
    """The source can't be read, or not to its end; the message is one line that names it."""


class TooLarge(ReadError):
    """The source has more bytes than it may have."""


class Line(NamedTuple):
    """A line: its number from 1, its bytes without the line end, and its full length in bytes.

    ``full_length`` exceeds ``len(data)`` if the line was longer than the reader's limit.
    """

    number: int
    data: bytes
    full_length: int


@dataclass(slots=True)
class Pause:
    """A pause of a slow pipe: ``then`` is called when nothing came for ``seconds`` after the first data."""

    then: Callable[[], None] | None = None
    seconds: float = 1.0
    _due: float | None = None  # None: nothing has come since

    def wait_for(self, file: Any) -> None:
        """Wait until there are data to read, or the end."""
        while self.then and not self._has_something(file):
            self.then()
            self._due = None
        self.something_came()

    def something_came(self) -> None:
        """Start the clock, if it is not running: there are data to store once the pipe pauses."""
        self._due = self._due or time.monotonic() + self.seconds

    def _has_something(self, file: Any) -> bool:
        left = None if self._due is None else max(0.0, self._due - time.monotonic())
        try:
            return bool(select.select([file], [], [], left)[0])
        except ValueError:  # not a file of the operating system: nothing to wait for
            return True


def read_lines(
    path: str, max_bytes: int, progress: Progress | None = None, pause: Pause | None = None
) -> Iterator[Line]:
    """Yield the lines of a file, or of standard input for ``-``, each cut at ``max_bytes`` bytes.

    A line ends with LF or CRLF; a byte order mark at the start is dropped. ``progress`` is called with the
    number of (compressed) bytes read so far and the file's size in bytes, None if unknown; ``pause`` is for a
    slow pipe. Raises ReadError if the file can't be read, and, after the last whole line, if an archive is
    damaged.
    """
    return _read(path, progress, pause, lambda stream: _numbered(stream, max_bytes))


def read_records(
    path: str, max_bytes: int, progress: Progress | None = None, pause: Pause | None = None
) -> Iterator[Line]:
    """Yield the records of a file: its lines, or the values of JSON that is not one value a line, or the
    messages of octet-counted syslog (RFC 6587), each with the number of the line that it begins in.

    Arguments and errors are those of ``read_lines``.
    """

    def cut(stream: BinaryIO) -> Iterable[tuple[int, bytes, int]]:
        framing = framing_of(cast(io.BufferedReader, stream).peek(HEAD)[:HEAD], max_bytes)
        return framing(_chunks(stream)) if framing else _numbered(stream, max_bytes)

    return _read(path, progress, pause, cut)


def head_of(lines: Iterator[Line]) -> list[Line]:
    """Take the first lines, from which the format is guessed: 100, or fewer if they are long."""
    head: list[Line] = []
    while not is_head(head) and (line := next(lines, None)):
        head.append(line)
    return head


def is_head(lines: Sequence[Line]) -> bool:
    """True if these first lines are enough to guess a format."""
    return len(lines) >= GUESSED_FROM or sum(len(line.data) for line in lines) >= HEAD_BYTES


def read_stream(file: io.RawIOBase, name: str, max_bytes: int, most: int) -> Iterator[Line]:
    """Yield the lines of an open stream that ``name`` stands for in messages, as ``read_lines`` does.

    Raises TooLarge after the last whole line within the first ``most`` bytes, counted as unpacked.
    """

    def opened() -> BinaryIO:
        return io.BufferedReader(_Limited(unpacked(cast(BinaryIO, file)), most), _BUFFER)

    return _read_from(opened, name, lambda stream: _numbered(stream, max_bytes))


def _read(
    path: str,
    progress: Progress | None,
    pause: Pause | None,
    cut: Callable[[BinaryIO], Iterable[tuple[int, bytes, int]]],
) -> Iterator[Line]:
    name = "standard input" if path == "-" else path
    return _read_from(lambda: _open(path, progress, pause), name, cut)


def _read_from(
    opened: Callable[[], BinaryIO], name: str, cut: Callable[[BinaryIO], Iterable[tuple[int, bytes, int]]]
) -> Iterator[Line]:
    number = 0
    try:
        with closing(opened()) as stream:
            for one in cut(stream):
                number = one[0]
                yield Line._make(one)
    except DAMAGED as error:
        raise ReadError(f"{name} is damaged after line {number:,}: {error}") from error
    except OSError as error:
        after = f" after line {number:,}" if number else ""
        raise ReadError(f"can't read {name}{after}: {error.strerror or error}") from error


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the available bytes, however few: a pipe may be slow."""
    return iter(lambda: cast(io.BufferedReader, stream).read1(_BUFFER), b"")


def _numbered(stream: BinaryIO, max_bytes: int) -> Iterator[tuple[int, bytes, int]]:
    limit = max_bytes + 2  # with its line end, a line of max_bytes is still whole
    number = 1
    line = stream.readline(limit + len(BOM)).removeprefix(BOM)
    while line:
        length, last_two = len(line), line[-2:]
        while length >= limit and not last_two.endswith(b"\n") and (more := stream.readline(_BUFFER)):
            length += len(more)
            last_two = (last_two + more[-2:])[-2:]
        whole = length - line_end(last_two)
        yield number, line[: min(max_bytes, whole)], whole
        line = stream.readline(limit)
        number += 1


def line_end(last_two: bytes) -> int:
    """The length of the line end, 0 to 2, in the last two bytes of a line."""
    if last_two == b"\r\n":
        return 2
    return 1 if last_two.endswith(b"\n") else 0


def unpacked(file: BinaryIO) -> BinaryIO:
    """The rest of an open, unbuffered file, decompressed if it is gzip or zstd.

    Closing it closes the file. Reading a damaged archive raises one of ``DAMAGED``.
    """
    return _unpacked(_Counted(file, None, None))


def is_packed(head: bytes) -> bool:
    """True if ``unpacked`` decompresses a file that begins with ``head`` (at least four bytes)."""
    return head.startswith(_GZIP) or _is_zstd(head[:4])


def _is_zstd(head: bytes) -> bool:
    return head == _ZSTD or (head[1:] == _ZSTD_SKIPPABLE and head[0] >> 4 == 5)


def _open(path: str, progress: Progress | None, pause: Pause | None) -> BinaryIO:
    source = _stdin() if path == "-" else Path(path).open("rb", buffering=0)  # noqa: SIM115 -- closed by close()
    return _unpacked(_Counted(source, progress, pause if path == "-" else None))


def _unpacked(raw: _Counted) -> BinaryIO:
    head = raw.peek(4)[:4]
    file: BinaryIO = io.BufferedReader(raw, _BUFFER)
    if head.startswith(_GZIP):
        return cast(BinaryIO, _Gzip(file))
    if _is_zstd(head):
        return io.BufferedReader(_Zstd(file), _BUFFER)
    return file


def _stdin() -> BinaryIO:
    if sys.stdin is None:
        raise OSError("it is closed")
    return sys.stdin.buffer


class _Gzip(gzip.GzipFile):
    """A gzip file of one or more members that closes the underlying file."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(fileobj=file, mode="rb")
        self._file = file

    def close(self) -> None:
        super().close()
        self._file.close()


class _Counted(io.RawIOBase):
    """The raw file, reporting the number of bytes read. Standard input is never closed."""

    def __init__(self, file: Any, progress: Progress | None, pause: Pause | None) -> None:
        self._file = file
        self._pause = pause
        self._progress = progress
        self._size = _size(file)
        self._done = 0
        self._head = b""
        self._read = getattr(file, "read1", file.read)  # as much as is available: a pipe may be slow

    def readable(self) -> bool:
        return True

    def peek(self, count: int) -> bytes:
        """At least the first ``count`` bytes, fewer only at the end; later reads return them again."""
        while len(self._head) < count and (more := self._read(_BUFFER)):
            self._head += more
        if self._pause and self._head:
            self._pause.something_came()
        return self._head

    def readinto(self, buffer: Any) -> int:
        if self._pause and not self._head:
            self._pause.wait_for(self._file)
        data, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        data = data or self._read(len(buffer))
        buffer[: len(data)] = data
        self._done += len(data)
        if self._progress:
            self._progress(self._done, self._size)
        return len(data)

    def close(self) -> None:
        if not self.closed and (sys.stdin is None or self._file is not sys.stdin.buffer):
            self._file.close()
        super().close()


class _Limited(io.RawIOBase):
    """A stream of which at most so many bytes are read. Raises TooLarge beyond them."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file = file
        self._left = self._most = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = cast(io.BufferedReader, self._file).read1(min(len(buffer), self._left or 1))
        if len(data) > self._left:
            raise TooLarge(f"more than {self._most:,} bytes as unpacked")
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _size(file: Any) -> int | None:
    """The number of bytes left to read; None for a pipe."""
    try:
        here = file.tell()
        end = file.seek(0, io.SEEK_END)
        file.seek(here)
    except (OSError, ValueError):
        return None
    return int(end - here)


class _Zstd(io.RawIOBase):
    """The frames of a zstd file, one after another; unlike the library's reader it detects a missing end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._packed = b""
        self._unpacked = b""
        self._inside = False  # a frame has begun and not ended

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._unpacked and self._refill():
            self._unpacked = self._unpack()
        count = min(len(buffer), len(self._unpacked))
        buffer[:count] = self._unpacked[:count]
        self._unpacked = self._unpacked[count:]
        return count

    def _refill(self) -> bool:
        """Read compressed bytes if none are left; returns False at the end of the file."""
        self._packed = self._packed or self._file.read(_ZSTD_PIECE)
        if not self._packed and self._inside:
            raise EOFError("the archive ends in the middle")
        return bool(self._packed)

    def _unpack(self) -> bytes:
        """Decompress the bytes at hand, up to the end of a frame."""
        packed, self._packed, self._inside = self._packed, b"", True
        unpacked = self._frame.decompress(packed)
        if self._frame.eof:
            self._packed, self._inside = self._frame.unused_data, False
            self._frame = zstandard.ZstdDecompressor().decompressobj()
        return unpacked

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
