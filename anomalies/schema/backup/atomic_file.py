"""A file that appears under its name when it is whole, or not at all; only its owner can read it."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from types import TracebackType


class NewFile:
    """Bytes on their way into a file: ``write``, then ``publish``; what is not published is gone.

    Where the system can do it (Linux) the bytes have no name until then, so that they vanish with a process
    that is killed; elsewhere they wait under a hidden name beside. Raises OSError as any file does.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folder = path.parent
        self._waiting = self._folder / f".{path.name}.{secrets.token_hex(4)}.unfinished"
        self._named = False
        self._file = os.fdopen(self._open(), "wb")

    def _open(self) -> int:
        if hasattr(os, "O_TMPFILE"):
            with suppress(OSError):  # not every file system has it, and a real obstacle shows itself below
                return os.open(self._folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        handle = os.open(self._waiting, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._named = True
        return handle

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self._file.write(data)

    def readable(self) -> int:
        """A descriptor to read the whole with, from any position; nothing may be written after it."""
        self._file.flush()
        return self._file.fileno()

    def publish(self, replace: bool = False) -> None:
        """Everything to the disk, then the name. Raises FileExistsError unless it may ``replace``."""
        self._file.flush()
        os.fsync(self._file.fileno())
        if not self._named:
            self._link(self._waiting if replace else self.path)
            self._named = replace
        elif not replace:
            os.link(self._waiting, self.path)
        if replace:
            self._waiting.replace(self.path)
            self._named = False
        self._sync_folder()

    def _link(self, name: Path) -> None:
        # Only with a folder's descriptor does Python follow the link that /proc has for an open file.
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.link(f"/proc/self/fd/{self._file.fileno()}", name, src_dir_fd=folder, follow_symlinks=True)
        finally:
            os.close(folder)

    def _sync_folder(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def __enter__(self) -> NewFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(OSError):  # a full disk may refuse the rest of a buffer that nobody wants any more
            self._file.close()
        if self._named:
            self._waiting.unlink(missing_ok=True)
