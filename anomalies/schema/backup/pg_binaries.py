"""pg_dump and pg_restore: choosing the version that fits a server, and running them.

They receive the connection through libpq's environment variables, so that no password appears on a command
line, where every user of the machine could read it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import pq
from psycopg.conninfo import make_conninfo

# Folders of Debian's and Red Hat's packages, one per version.
_VERSIONED = (("/usr/lib/postgresql", "*/bin"), ("/usr", "pgsql-*/bin"))
# From this version on pg_dump and pg_restore emit SET transaction_timeout, which older servers reject.
NEW_SETTING_FROM = 17
_LONGEST_ERROR = 2_000  # characters of a program's error output in a message


class BackupError(Exception):
    """A backup or restore failed; the message gives the reason, and the next step if there is one."""


@dataclass(frozen=True, slots=True)
class Program:
    """An installed pg_dump or pg_restore, and its version: ``18.4`` and 18."""

    path: Path
    version: str

    @property
    def major(self) -> int:
        """The major version, which determines compatibility."""
        return major(self.version)


def major(version: str) -> int:
    """The major version: 18 for ``18.4``, ``18beta1`` and ``18.4 (Debian …)``. Raises BackupError."""
    found = re.match(r"\d+", version)
    if found is None:
        raise BackupError(f"{version!r} is no version of PostgreSQL.")
    return int(found[0])


def server_version(connection: BaseDatabaseWrapper) -> str:
    """The server's version, as in ``18.4``."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return str(cursor.fetchone()[0]).split()[0]


def find(
    name: str, connection: BaseDatabaseWrapper, folder: Path | None, at_least: int, below: int | None = None
) -> Program:
    """The program closest to version ``at_least``: never older, and older than ``below``.

    Searched in ``folder`` alone if it is given, else beside the embedded server, else in the PATH, in the
    packages' versioned folders and in the embedded server's wheel. Raises BackupError with those found.
    """
    found = [program for each in _folders(name, connection, folder) if (program := _program(each / name))]
    fitting = [each for each in found if at_least <= each.major and (below is None or each.major < below)]
    if fitting:
        return min(fitting, key=lambda each: each.major)
    wanted = f"{name} of PostgreSQL {at_least}" + (f" to {below - 1}" if below else " or newer")
    there = ", ".join(f"{each.version} in {each.path.parent}" for each in found) or "none at all"
    raise BackupError(
        f"{wanted} is needed; found: {there}. Install postgresql-client-{at_least}, "
        "or name the folder of one with --pg-bin."
    )


def _folders(name: str, connection: BaseDatabaseWrapper, folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder
        return
    if "EMBEDDED" in connection.settings_dict:
        yield from settings.POSTGRES_PROGRAM_FOLDERS()
        return
    in_path = shutil.which(name)
    # Debian's wrapper chooses a version by its own rules; the folders that it chooses from come next.
    if in_path and Path(in_path).resolve().name != "pg_wrapper":
        yield Path(in_path).parent
    for top, each in _VERSIONED:
        yield from sorted(Path(top).glob(each))
    yield from settings.POSTGRES_PROGRAM_FOLDERS()


def _program(path: Path) -> Program | None:
    try:
        done = subprocess.run([str(path), "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"\(PostgreSQL\) (\d\S*)", done.stdout)
    return Program(path, found[1]) if found else None


def _where(connection: BaseDatabaseWrapper) -> tuple[dict[str, str], list[str]]:
    """The database of a connection as environment variables and arguments without secrets."""
    try:
        params: dict[str, Any] = connection.get_connection_params()
    except OperationalError as error:
        raise BackupError(str(error)) from error
    environment = {**os.environ, "LC_ALL": "C"}  # a dump is in its database's own encoding
    environment.pop("PGCLIENTENCODING", None)
    left: dict[str, str] = {}
    for option in pq.Conninfo.get_defaults():
        keyword = option.keyword.decode()
        value = params.get(keyword)
        if value is None or keyword in ("dbname", "client_encoding"):
            continue
        if option.envvar:
            environment[option.envvar.decode()] = str(value)
        elif b"*" not in option.dispchar:  # a secret has a variable, or is not passed at all
            left[keyword] = str(value)
    role = connection.settings_dict["OPTIONS"].get("assume_role")
    arguments = [f"--dbname={make_conninfo(dbname=params['dbname'], **left)}", "--no-password"]
    return environment, [*arguments, *([f"--role={role}"] if role else [])]


@contextmanager
def running(
    program: Program,
    arguments: list[str],
    connection: BaseDatabaseWrapper | None = None,
    stdin: int = subprocess.PIPE,
) -> Iterator[subprocess.Popen[bytes]]:
    """The running program, connected to the database of ``connection`` or to none. Its output is a pipe, and
    so is its input unless ``stdin`` is an open file's descriptor; it ends with this process, even on SIGKILL.

    At the end it is waited for; if the block raises, it is killed. Raises BackupError with its error output
    if it fails.
    """
    environment, where = _where(connection) if connection else ({**os.environ, "LC_ALL": "C"}, [])
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            [str(program.path), *where, *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=environment,
            start_new_session=True,  # Ctrl-C in a terminal reaches only this process, which ends the other
        )
        try:
            yield process
            _close(process)
        except BrokenPipeError:
            _close(process)  # it ended before reading everything; its error output is reported below
        except BaseException:
            process.kill()
            _close(process)
            raise
        if process.returncode != 0:
            raise BackupError(f"{program.path.name} failed: {_said(complaints, process.returncode)}")


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in filter(None, (process.stdin, process.stdout)):
        with suppress(BrokenPipeError):
            pipe.close()
    process.wait()


def _said(complaints: Any, code: int) -> str:
    complaints.seek(0)
    lines = complaints.read(64 * 1024).decode(errors="replace").strip().splitlines()
    telling = [line for line in lines if "error:" in line or "detail:" in line or "ERROR:" in line] or lines
    return " / ".join(telling[:4])[:_LONGEST_ERROR] or f"it ended with status {code} and no message"
