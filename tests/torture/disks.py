"""A disk that is full: of the database alone (a tablespace), or of the whole server with its log.

A small file system in memory where the system lets us mount one; elsewhere a limit on the size of the
server's files, which it meets in the same place: where a table grows.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from django.core.management import CommandError
from django.db import Error, connection

from anomalies.audit import Actor
from anomalies.triage.decisions import decide

from . import checks
from .checks import Findings
from .ground import Ground, Kind, ground, make_rows
from .ledger import Ledger, read
from .plugs import Part
from .worker import run_ingest, write_file

_MIB = 1024 * 1024
_ROWS, _PADDING = 10_000, 2_000  # lines of the file, bytes of evidence in each (twice that as hex)
_SMALL_LOG = {"max_wal_size": "48MB", "min_wal_size": "32MB"}
_ROOM = 1024 * _MIB


class Mounted:
    """A file system in memory of a given size."""

    name = "a mounted file system"

    def __init__(self, size: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="driftlock-disk-"))
        try:
            self._mount(f"size={size},mode=0755")
        except subprocess.CalledProcessError:
            self.folder.rmdir()
            raise

    def _mount(self, options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def fill(self, place: Ground) -> None:
        """It is as small as it was made."""

    def make_room(self, place: Ground) -> None:
        """Enough for everything."""
        self._mount(f"remount,size={_ROOM}")

    def remove(self) -> None:
        """Take it away."""
        subprocess.run(["umount", "-l", str(self.folder)], check=True)
        self.folder.rmdir()


class Limited:
    """A limit on the size of each file that the server writes."""

    name = "a limit on file sizes"

    def __init__(self, size: int) -> None:
        self._size = size
        self.folder = Path(tempfile.mkdtemp(prefix="driftlock-disk-"))

    def fill(self, place: Ground) -> None:
        """From now on; a segment of the server's log has 16 MiB, and must go on."""
        self._restart(place, max(17 * _MIB, self._size // 2))

    def make_room(self, place: Ground) -> None:
        """No limit but our own."""
        self._restart(place, resource.getrlimit(resource.RLIMIT_FSIZE)[0])

    def _restart(self, place: Ground, limit: int) -> None:
        """The server has the limit that we have when we start it."""
        place.forget()
        place.server.stop("fast")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            place.start()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    def remove(self) -> None:
        """Take it away."""
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def _disk(size: int) -> Iterator[Mounted | Limited]:
    try:
        disk: Mounted | Limited = Mounted(size)
    except (subprocess.CalledProcessError, OSError):
        disk = Limited(size)
    try:
        yield disk
    finally:
        disk.remove()


def fill_disks(count: int, dice: random.Random, kind: Kind) -> list[Part]:
    """By turns the database's disk and the whole server's is full in the middle of an ingest."""
    small = replace(kind, settings={**kind.settings, **_SMALL_LOG})
    parts = [Part("disk of the database full"), Part("disk of the server full")]
    for turn in range(count):
        part = parts[turn % 2]
        whole = turn % 2 == 1
        with _disk((112 if whole else 40) * _MIB) as disk:
            if whole and isinstance(disk, Limited):
                part.said.append("could not run: no right to mount a file system")
                continue
            places = {"folder": disk.folder} if whole else {"tablespace": disk.folder}
            with ground(small, **places) as place:
                part.findings.add(_fill(place, disk, dice, part))
                part.times += 1
                part.said.append(f"by {disk.name}")
    return [part for part in parts if part.times or part.said]


def _fill(place: Ground, disk: Mounted | Limited, dice: random.Random, part: Part) -> Findings:
    found = Findings()
    folder = Path(tempfile.mkdtemp(prefix="driftlock-torture-"))
    try:
        file = folder / "files" / f"{uuid4()}.jsonl"
        write_file(file, _ROWS, _PADDING)
        ids = [str(pk) for pk in make_rows(200, dice.getrandbits(32))]
        mark, before = checks.last_entry(), checks.states(ids)
        disk.fill(place)
        part.said.append(_refused(file, found))
        _decide(folder, ids, part)
        part.in_transaction += 1
        disk.make_room(place)
        place.start()
        found.add(checks.check_file(file.name, _ROWS, False))
        _goes_on(file, found)
        _decide(folder, ids, part)
        entries = checks.entries_since(mark, ids)
        found.add(checks.check_decisions(before, entries, checks.states(ids), list(read(folder))))
    finally:
        shutil.rmtree(folder)
    return found


def _refused(file: Path, found: Findings) -> str:
    """The ingest must end with an error that says why, and how to go on."""
    try:
        run_ingest(file)
    except CommandError as error:
        why = str(error)
        if "continue with: manage.py ingest" not in why:
            found.unexpected.append(f"the disk was full, and the error does not say how to go on: {why}")
        return f"an ingest: {why.partition('; go on')[0]}"
    found.unexpected.append("the disk did not get full")
    return ""


def _goes_on(file: Path, found: Findings) -> None:
    """With room, the same file goes in to its end."""
    try:
        run_ingest(file)
    except CommandError as error:
        found.unexpected.append(f"with room again: {error}")
    found.add(checks.check_file(file.name, _ROWS, True))


def _decide(folder: Path, ids: list[str], part: Part) -> None:
    """A bulk decision; without room it may fail, but then wholly."""
    ledger, tag = Ledger(folder, os.getpid()), str(uuid4())
    ledger.write("begin", tag, action="investigate", ids=ids, shared=True)
    try:
        outcome = decide("investigate", ids, Actor("torture", via="torture"), note=tag)
    except Error as error:
        connection.close()
        part.said.append(f"a bulk decision: {' '.join(str(error).split())}")
        return
    ledger.write("done", tag, decided=[str(pk) for pk in outcome.decided])
