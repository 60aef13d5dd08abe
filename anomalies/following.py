"""The lines of a file that grows, through rotation and truncation, from where the last reader stopped.

Polled by what the file system says (its number, its size), so that it works on any of them. A file that was
rotated away is read to its end, and those that came between it and the present one too.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from .reading import Line, ReadError

BLOCK = 1024 * 1024  # bytes that are read at once
_MARK = 1024  # bytes at a file's beginning that it is recognised by
GRACE = 2.0  # seconds that a file which was rotated away is watched after the next one has lines


@dataclass(frozen=True, slots=True)
class Position:
    """How far a file was read: the byte that comes next, and the number of the line before it.

    The file is known by its number on its device and by a hash of its first ``mark_size`` bytes: a number is
    used again, and a file may be written anew in place.
    """

    device: int
    inode: int
    offset: int
    line: int
    mark_size: int
    mark: str


class Follower:
    """Reads what is added to ``path``. ``start``: where a former one stopped.

    Of a longer line the first ``max_bytes`` bytes are kept. ``notices`` are what a person should know: lines
    that are lost, a file that begins anew.
    """

    def __init__(
        self, path: str, max_bytes: int, start: Position | None = None, grace: float = GRACE
    ) -> None:
        self._grace = grace
        self.notices: list[str] = []
        self._path = Path(path)
        self._max_bytes = max_bytes
        self._start = start
        self._number = start.line if start else 0
        self._file: BinaryIO | None = None
        self._offset = 0
        self._line_start = 0
        self._partial = b""
        self._partial_length = 0
        self._mark = (0, _hash(b""))
        self._identity = (0, 0)
        self._rotated_at: float | None = None

    @property
    def position(self) -> Position | None:
        """Where the next line begins; None before the first byte was read."""
        if self._file is None:
            return self._start
        return Position(*self._identity, self._line_start, self._number, *self._mark)

    def read(self) -> list[Line]:
        """The whole lines that came since, some at a time; none where there is nothing new.

        Raises ReadError for what can't be read.
        """
        try:
            if self._file is None and not self._open():
                return []
            return self._next_lines()
        except OSError as error:
            raise ReadError(f"can't read {self._path}: {error.strerror or error}") from error

    def finish(self) -> list[Line]:
        """The last line, though it has no end yet: nothing more will come."""
        return [self._end_line()] if self._partial_length else []

    def close(self) -> None:
        """Let go of the file."""
        if self._file:
            self._file.close()
            self._file = None

    def _next_lines(self) -> list[Line]:
        assert self._file, "it is open"
        self._check_truncation()
        block = self._file.read(BLOCK)
        if block:
            self._offset += len(block)
            self._remember_mark()
            return list(self._split(block))
        return self._at_end()

    def _check_truncation(self) -> None:
        """A file that shrank, or begins otherwise than it did, was written anew in place."""
        assert self._file, "it is open"
        if isinstance(self._file, gzip.GzipFile):
            return
        size = os.fstat(self._file.fileno()).st_size
        if size < self._offset or self._mark[1] != _hash(os.pread(self._file.fileno(), self._mark[0], 0)):
            self.notices.append(f"{self._path} was truncated after line {self._number:,}: read anew")
            self._begin(self._file, 0)

    def _at_end(self) -> list[Line]:
        """Where the file was rotated away and its writer has moved on, go on with the next one."""
        assert self._file, "it is open"
        following = self._following()
        if following is None:
            self._rotated_at = None
            return []
        now = time.monotonic()
        self._rotated_at = self._rotated_at or now
        if now - self._rotated_at < self._grace:
            return []
        last = self.finish()
        self.close()
        self._begin(_opened(following), 0)
        return last or self._next_lines()

    def _following(self) -> Path | None:
        """The file that came after this one: the oldest of those that were begun later; None for none."""
        try:
            present = self._path.stat()
        except FileNotFoundError:
            return None
        # As long as the new file is empty, whoever writes has not moved on to it.
        if (present.st_dev, present.st_ino) == self._identity or not present.st_size:
            return None
        own = self._own_stat()
        between = [
            (stat.st_mtime_ns, path)
            for path, stat in _siblings(self._path)
            if (stat.st_dev, stat.st_ino) not in (self._identity, (present.st_dev, present.st_ino))
            and own is not None
            and stat.st_mtime_ns > own.st_mtime_ns
            and path.suffix not in (".gz", ".zst", ".bz2", ".xz")
        ]
        return min(between)[1] if between else self._path

    def _own_stat(self) -> os.stat_result | None:
        assert self._file, "it is open"
        return None if isinstance(self._file, gzip.GzipFile) else os.fstat(self._file.fileno())

    def _open(self) -> bool:
        if self._start is None:
            if not self._path.exists():
                return False
            self._begin(_opened(self._path), 0)
            return True
        found = self._find(self._start)
        if found:
            self._begin(found, self._start.offset, (self._start.mark_size, self._start.mark))
            return True
        if not self._path.exists():
            return False
        self.notices.append(
            f"the file that was read up to line {self._start.line:,} (byte {self._start.offset:,}) is gone, "
            f"and what was written to it since is lost; read from the beginning of {self._path}"
        )
        self._begin(_opened(self._path), 0)
        return True

    def _find(self, start: Position) -> BinaryIO | None:
        """The file of a position, under whatever name: by its number first, then by its beginning."""
        paths = [(self._path, None), *_siblings(self._path)]
        known = [path for path, _ in paths if _identity(path) == (start.device, start.inode)]
        for path in [*known, *(path for path, _ in paths if path not in known)]:
            if not path.is_file() or not start.mark_size:
                continue
            file: Any = gzip.GzipFile(path) if path.suffix == ".gz" else _opened(path)
            try:
                head = file.read(start.mark_size)
                if _hash(head) == start.mark and self._reaches(file, start.offset):
                    return file
            except (OSError, EOFError):
                pass
            file.close()
        return None

    def _reaches(self, file: Any, offset: int) -> bool:
        return isinstance(file, gzip.GzipFile) or os.fstat(file.fileno()).st_size >= offset

    def _begin(self, file: BinaryIO, offset: int, mark: tuple[int, str] | None = None) -> None:
        file.seek(offset)
        self._file = file
        self._offset = self._line_start = offset
        self._partial, self._partial_length = b"", 0
        self._mark = mark or (0, _hash(b""))
        self._rotated_at = None
        if not isinstance(file, gzip.GzipFile):
            stat = os.fstat(file.fileno())
            self._identity = (stat.st_dev, stat.st_ino)

    def _remember_mark(self) -> None:
        assert self._file, "it is open"
        if self._mark[0] < _MARK and not isinstance(self._file, gzip.GzipFile):
            head = os.pread(self._file.fileno(), min(_MARK, self._offset), 0)
            self._mark = (len(head), _hash(head))

    def _split(self, block: bytes) -> Iterator[Line]:
        start = 0
        while (end := block.find(b"\n", start)) >= 0:
            self._add(block[start:end])
            start = end + 1
            yield self._end_line(ended=True)
        self._add(block[start:])

    def _add(self, piece: bytes) -> None:
        self._partial_length += len(piece)
        room = self._max_bytes + 1 - len(self._partial)
        if room > 0:
            self._partial += piece[:room]

    def _end_line(self, ended: bool = False) -> Line:
        self._number += 1
        data, length = self._partial, self._partial_length
        self._line_start += length + ended
        self._partial, self._partial_length = b"", 0
        if len(data) == length and data.endswith(b"\r"):
            data, length = data[:-1], length - 1
        return Line(self._number, data[: self._max_bytes], length)


def _siblings(path: Path) -> list[tuple[Path, os.stat_result]]:
    """Files of the same folder that a rotation names after it: FILE.1, FILE-20261123, FILE.2.gz."""
    found = []
    try:
        with os.scandir(path.parent) as entries:
            for entry in entries:
                if entry.name.startswith(path.name) and entry.name != path.name and entry.is_file():
                    found.append((path.parent / entry.name, entry.stat()))
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda one: one[1].st_mtime_ns, reverse=True)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _opened(path: Path) -> BinaryIO:
    return path.open("rb", buffering=0)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
