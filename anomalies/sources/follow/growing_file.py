"""An open file, read in blocks from any offset: growing plain text, or a rotated file that is compressed."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path
from typing import BinaryIO, cast

from ..lines import DAMAGED, is_packed, unpacked
from .position import MARK_BYTES, Mark, Position

BLOCK = 256 * 1024
Identity = tuple[int, int]  # device and inode


class Source:
    """A regular file: ``head`` is its first KiB, ``tail`` the KiB before ``offset`` (both may be shorter).

    Raises OSError if it can't be opened or read, or is a damaged archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self.tail = b""
        # Without O_NONBLOCK, opening a pipe under this name would wait for its writer.
        self._handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._unpacked: BinaryIO | None = None
        self._gave_up = False
        self._ahead = b""  # bytes of an archive that were read for its head and not yet returned
        try:
            self.identity = self._identify()
            self.head = os.pread(self._handle, MARK_BYTES, 0)
            if is_packed(self.head):
                self._unpack()
        except BaseException:
            self.close()
            raise

    @property
    def packed(self) -> bool:
        """True if it is an archive, to which no process writes any more."""
        return self._unpacked is not None

    def read(self) -> bytes:
        """The next block of at most 256 KiB; empty if there is no more at this time."""
        if self._gave_up:
            return b""
        if self._unpacked is not None:
            block = self._read_archive(BLOCK)
        else:
            block = os.pread(self._handle, BLOCK, self.offset)
        self.offset += len(block)
        self.tail = (self.tail + block)[-MARK_BYTES:]
        return block

    def give_up(self) -> None:
        """Treat the file as ended here, because the rest is damaged."""
        self._gave_up = True

    def at(self, position: Position) -> bool:
        """True if its content up to ``position`` is the content read before; reading goes on from there."""
        if Mark.of(self.head[: position.head.length]) != position.head or not self._go_to(position.offset):
            return False
        return Mark.of(self.tail) == position.tail

    def is_rewritten(self) -> bool:
        """True if it no longer holds what was read: it was truncated, and perhaps filled again."""
        if self.packed:
            return False
        begin = self.offset - len(self.tail)
        if os.fstat(self._handle).st_size < self.offset or self._bytes(begin, self.offset) != self.tail:
            return True
        head = os.pread(self._handle, MARK_BYTES, 0)
        if not head.startswith(self.head):
            return True
        self.head = head
        return False

    def rewind(self) -> None:
        """Read on from the beginning of its present content."""
        self.offset, self.tail = 0, b""
        self.head = os.pread(self._handle, MARK_BYTES, 0)

    def unread(self) -> int:
        """The number of bytes not read yet; 0 for an archive, whose size is unknown."""
        return 0 if self.packed else max(0, os.fstat(self._handle).st_size - self.offset)

    def modified(self) -> int:
        """Its modification time in nanoseconds since 1970."""
        return os.fstat(self._handle).st_mtime_ns

    def has_a_name(self) -> bool:
        """True if it still has a name in some folder."""
        return os.fstat(self._handle).st_nlink > 0

    def close(self) -> None:
        """Close it; a second call does nothing."""
        if self._unpacked is not None:
            self._unpacked.close()
            self._unpacked = None
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _identify(self) -> Identity:
        found = os.fstat(self._handle)
        if stat.S_ISDIR(found.st_mode):
            raise OSError(errno.EISDIR, "it is a directory", str(self.path))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(self.path))
        return found.st_dev, found.st_ino

    def _unpack(self) -> None:
        self._unpacked = unpacked(os.fdopen(os.dup(self._handle), "rb", 0))
        head = b""
        while len(head) < MARK_BYTES and (more := self._read_archive(MARK_BYTES - len(head))):
            head += more
        self._ahead = self.head = head

    def _read_archive(self, size: int) -> bytes:
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            return ahead
        archive = cast(io.BufferedReader, self._unpacked)
        try:
            return archive.read1(size)  # of a damaged archive, the sound part
        except DAMAGED as error:
            raise OSError(errno.EIO, f"it is damaged: {error}", str(self.path)) from error

    def _go_to(self, offset: int) -> bool:
        if not self.packed:
            if os.fstat(self._handle).st_size < offset:
                return False
            self.offset, self.tail = offset, self._bytes(max(0, offset - MARK_BYTES), offset)
            return True
        while self.offset < offset:
            block = self._read_archive(min(BLOCK, offset - self.offset))
            if not block:
                return False
            here, self._ahead = block[: offset - self.offset], block[offset - self.offset :]
            self.offset += len(here)
            self.tail = (self.tail + here)[-MARK_BYTES:]
        return True

    def _bytes(self, begin: int, end: int) -> bytes:
        return os.pread(self._handle, end - begin, begin)
