"""Checkpoints: a run's state in a file, replaced atomically, checked on reading, locked by one process.

The file has two lines of JSON: a header (format, version, length and SHA-256 of the second line) and the
state. A new state is written to a temporary file beside it, flushed to disk (fsync) and then renamed over the
old one. POSIX makes a rename atomic, so after a full disk or a power cut the file holds the old state or the
new one, never a part; the checksum detects what a damaged disk or an editor changed.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from anomalies.atomic_file import write_atomically

FORMAT = "driftlock saved state"
VERSION = 1
_LONGEST_HEAD = 1024  # bytes; a file without a line end by then is not a checkpoint
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class SavedStateError(Exception):
    """A state can't be saved, read or locked; the message is one line with the file and the fix."""


def save(path: str | Path, state: dict[str, Any]) -> None:
    """Replace the file's state with ``state``, an object of plain JSON values.

    The file is on disk when this returns, readable by its owner only. Raises SavedStateError if it can't be
    written; the former state is then intact. If ``path`` is a symbolic link, its target is replaced.
    """
    file = Path(os.path.realpath(path))
    waiting = file.with_name(f".{file.name}.unfinished")
    data = _packed(state)
    try:
        write_atomically(file, data, replace=True, waiting=waiting)
    except OSError as error:
        raise SavedStateError(_why_not_saved(path, error)) from error


def load(path: str | Path) -> dict[str, Any] | None:
    """The saved state; None if there is no such file.

    Raises SavedStateError if the file can't be read, is damaged, is not a checkpoint, or was written by a
    newer version.
    """
    try:
        with Path(path).open("rb") as file:
            head = _head(path, file.readline(_LONGEST_HEAD))
            body = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SavedStateError(f"can't read the saved state {path}: {error.strerror}; {_ANOTHER}") from error
    if len(body) != head["bytes"] or hashlib.sha256(body).hexdigest() != head["sha256"]:
        raise SavedStateError(
            f"the saved state {path} is damaged: its content does not match its checksum. "
            "Put back a copy of it, or remove it to start again."
        )
    return dict(json.loads(body))


@contextmanager
def locked(path: str | Path) -> Iterator[None]:
    """Hold the state exclusively, by a lock on a file beside it, which is not deleted afterwards.

    The kernel releases the lock (flock) when the process ends, however it ends. Raises SavedStateError with
    the process number if another process holds it.
    """
    lock = Path(f"{os.path.realpath(path)}.lock")
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise SavedStateError(
            f"can't lock the saved state {path}: {lock}: {error.strerror}; {_ANOTHER}"
        ) from error
    try:
        _lock(handle, path)
        yield
    finally:
        os.close(handle)


_ANOTHER = "mend that, or name another file for the state."


def _packed(state: dict[str, Any]) -> bytes:
    body = json.dumps(state, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    checksum = hashlib.sha256(body).hexdigest()
    head = {"format": FORMAT, "version": VERSION, "bytes": len(body), "sha256": checksum}
    return json.dumps(head).encode() + b"\n" + body


def _head(path: str | Path, line: bytes) -> dict[str, Any]:
    try:
        head = json.loads(line)
    except ValueError:
        head = None
    version = head.get("version") if isinstance(head, dict) and head.get("format") == FORMAT else None
    if not isinstance(version, int) or version < 1:
        raise SavedStateError(
            f"{path} is no saved state, or its first line is damaged. "
            "Name another file, put back a copy of it, or remove it to start again."
        )
    if version > VERSION:
        raise SavedStateError(
            f"the saved state {path} was written by a newer Driftlock (version {version}, this one "
            f"reads up to {VERSION}). Use that one, or name another file to start again."
        )
    return {"bytes": None, "sha256": None, **head}


def _why_not_saved(path: str | Path, error: OSError) -> str:
    if error.errno in _FULL:
        return (
            f"no room left to save the state in {path} ({error.strerror}); the one saved before is as it "
            "was. Make room, and run it again."
        )
    if isinstance(error, FileNotFoundError):
        return f"the state can't be saved in {path}: there is no folder {Path(path).parent}; make it first."
    return f"the state can't be saved in {path}: {error.strerror}; {_ANOTHER}"


def _lock(handle: int, path: str | Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
        raise SavedStateError(
            f"process {holder if holder.isdigit() else '(unknown)'} works with the saved state {path}. "
            "End it first, or name another file for the state."
        ) from None
    except OSError as error:
        raise SavedStateError(f"can't lock the saved state {path}: {error.strerror}; {_ANOTHER}") from error
    with suppress(OSError):  # on a full disk the lock still holds, only the process number is missing
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
