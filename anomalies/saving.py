"""A stream's state on disk: whole or not there at all, and one process's at a time."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FORM = 1  # of the file


class SavedStateError(Exception):
    """The state can't be read or written; one line that names the file and what to do."""


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a state in place of the former one, which stays whole until this one is.

    Raises SavedStateError where it can't be written: a disk that is full, a folder that is not there.
    """
    body = json.dumps(state, separators=(",", ":"), allow_nan=False)
    whole = json.dumps({"form": FORM, "sha256": _sum(body), "state": body})
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - it has a mode
                file.write(whole)
                file.flush()
                os.fsync(descriptor)
            beside.replace(path)
            _sync_folder(path.parent)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise SavedStateError(
            f"can't save the state to {path}: {error.strerror or error}; the former one is kept"
        ) from error


def load(path: Path) -> dict[str, Any] | None:
    """The state that was saved; None where there is none yet.

    Raises SavedStateError for a file that is damaged, or not ours, or of a newer program.
    """
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
        form, body = whole["form"], whole["state"]
        if form == FORM and whole["sha256"] == _sum(body):
            state: dict[str, Any] = json.loads(body)
            return state
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SavedStateError(f"can't read the state {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SavedStateError(f"{path} holds no state, or is damaged; {_AWAY}") from error
    if type(form) is int and form > FORM:
        raise SavedStateError(f"{path} was saved by a newer version (form {form}); update, or {_AWAY}")
    raise SavedStateError(f"{path} is damaged: its checksum is another; {_AWAY}")


_AWAY = "move it away to begin anew"


@contextmanager
def kept_by_one(path: Path) -> Iterator[None]:
    """Hold the state while it is worked with. Raises SavedStateError where another process holds it."""
    lock = path.with_name(f"{path.name}.lock")
    try:
        file = lock.open("a+", encoding="utf-8")
    except OSError as error:
        raise SavedStateError(f"can't lock the state {path}: {error.strerror or error}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another one"
            raise SavedStateError(
                f"{path} is in use by process {holder}; stop it, or name another state"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _sum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
