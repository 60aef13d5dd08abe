"""A file that appears under its name when it is whole and on the disk, or not at all.

The bytes go into a file without a name, or with a hidden one, in the same folder; fsync(2) of the file, then
link(2) or rename(2), which the file system does whole or not, then fsync of the folder, which makes the name
last through a power cut. Every file that Driftlock leaves for others to read is written this way.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from types import TracebackType


class AtomicFile:
    """Bytes for a new file: ``write`` them, then ``publish``; without it nothing is left behind.

    ``mode`` holds the permissions, of which the umask takes away. On Linux the bytes have no name until they
    are published and vanish with a process that is killed; elsewhere they wait under ``waiting``, a hidden
    name beside, random unless given. Give one where a lock keeps other writers out: then a killed process
    leaves one such file at most. Raises OSError.
    """

    def __init__(self, path: Path, mode: int = 0o600, waiting: Path | None = None) -> None:
        self.path = path
        self._folder = path.parent
        self._mode = mode
        self._waiting = waiting or path.with_name(f".{path.name}.{secrets.token_hex(4)}.unfinished")
        self._named = False
        self._file = os.fdopen(self._open(), "wb")

    def _open(self) -> int:
        if hasattr(os, "O_TMPFILE"):
            with suppress(OSError):  # not every file system has it, and a real obstacle shows itself below
                return os.open(self._folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, self._mode)
        self._waiting.unlink(missing_ok=True)
        handle = os.open(self._waiting, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, self._mode)
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
        """Sync the bytes, then give them the name. Raises FileExistsError unless it may ``replace``."""
        self._file.flush()
        os.fsync(self._file.fileno())
        if not self._named:
            if replace:
                self._waiting.unlink(missing_ok=True)
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

    def __enter__(self) -> AtomicFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(OSError):  # a full disk may refuse the rest of a buffer that nobody wants any more
            self._file.close()
        if self._named:
            self._waiting.unlink(missing_ok=True)


def write_atomically(
    path: Path, data: bytes, *, replace: bool = False, mode: int = 0o600, waiting: Path | None = None
) -> None:
    """Write a whole file as `AtomicFile` does. Raises OSError; FileExistsError unless it may ``replace``."""
    with AtomicFile(path, mode, waiting) as file:
        file.write(data)
        file.publish(replace)
