"""``manage.py ingest``: store a detector's anomalies from JSON Lines."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import dropwhile
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from anomalies.audit import Actor
from anomalies.ingest import BATCH_ROWS, Reject, Stopped, Summary, ingest
from anomalies.queries.performance.timings import store_run
from anomalies.safe_text import printable
from anomalies.sources.lines import Pause, ReadError, read_lines

from ..base import ShortUsage
from ..options import add_actor_option
from ..progress import interruptible, reading_bar
from ..wake_notice import wake_and_say

_SHOWN = 50  # rejects printed on the terminal
_LONGEST_NAME = 255  # characters of a username in the audit log


def _from_1(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


class Command(ShortUsage):
    help = "Store anomalies from JSON Lines; rows that are stored already stay unchanged."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file", metavar="FILE|-", help="a plain, gzip or zstd file, or - for standard input"
        )
        parser.add_argument("--rejects", metavar="FILE", help="write the rejected lines to this new file")
        parser.add_argument("--from-line", type=_from_1, default=1, metavar="N", help="start at this line")
        parser.add_argument(
            "--batch-rows", type=_from_1, default=BATCH_ROWS, metavar="N", help="rows per transaction"
        )
        parser.add_argument("--dry-run", action="store_true", help="check the lines and store nothing")
        parser.add_argument("--no-progress", action="store_true", help="show no progress bar")
        add_actor_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        actor = _actor(options["by"])
        with _rejects_file(options) as file:
            rejects = _Rejects(self, file)
            try:
                summary = self._ingest(actor, rejects, options)
            except Stopped as stopped:
                rejects.sum_up()
                self._record(stopped.summary, options, str(stopped))
                if stopped.summary.read:
                    self._say(stopped.summary, options)
                raise _why(stopped, options) from stopped
            rejects.sum_up()
        self._record(summary, options)
        if not options["dry_run"]:
            wake_and_say(self, actor)
        self._say(summary, options)
        if summary.rejected:
            raise SystemExit(1)

    def _ingest(self, actor: Actor, rejects: _Rejects, options: dict[str, Any]) -> Summary:
        with interruptible(), reading_bar(options["no_progress"]) as progress:
            pause = Pause()
            lines = read_lines(options["file"], settings.INGEST_MAX_LINE_BYTES, progress, pause)
            return ingest(
                dropwhile(lambda line: line.number < options["from_line"], lines),
                actor,
                rejects.add,
                source=printable(_name(options["file"])),
                batch_rows=options["batch_rows"],
                dry_run=options["dry_run"],
                pause=pause,
            )

    def _record(self, summary: Summary, options: dict[str, Any], error: str = "") -> None:
        """Store how long the run took, for the page "Performance"."""
        if summary.read and not options["dry_run"]:
            counts = {"events": summary.read, "new": summary.new, "rejected": summary.rejected}
            store_run("ingest", printable(_name(options["file"])), summary.seconds, error, **counts)

    def _say(self, summary: Summary, options: dict[str, Any]) -> None:
        done = f"new {summary.new}, already there {summary.known}"
        if options["dry_run"]:
            done = f"valid {summary.read - summary.rejected}"
        self.stderr.write(
            f"read {summary.read}, {done}, rejected {summary.rejected} ({summary.rate:,.0f} rows/s)",
            lambda text: text,
        )


class _Rejects:
    """Says the first rejects on the terminal, and keeps all of them in the file, if there is one."""

    def __init__(self, command: BaseCommand, file: BinaryIO | None) -> None:
        self._command = command
        self._file = file
        self._count = 0

    def add(self, reject: Reject) -> None:
        self._count += 1
        if self._file and reject.whole:
            self._file.write(reject.data + b"\n")
            self._file.flush()
        if self._count <= _SHOWN:
            self._say(printable(str(reject)))
        if self._file and not reject.whole:
            self._say(f"line {reject.line:,} is too long for the rejects file too; correct it in the input")

    def sum_up(self) -> None:
        """Print the number of rejects that were not printed."""
        if self._count > _SHOWN:
            where = "all are in the rejects file" if self._file else "--rejects FILE keeps them"
            self._say(f"… and {self._count - _SHOWN:,} more; {where}")

    def _say(self, text: str) -> None:
        with tqdm.external_write_mode(sys.stderr):
            self._command.stderr.write(text, lambda text: text)


def _actor(username: str) -> Actor:
    if not 0 < len(username) <= _LONGEST_NAME:
        raise CommandError(f"--by: a username has 1 to {_LONGEST_NAME} characters.", returncode=2)
    return Actor(printable(username, _LONGEST_NAME)[:_LONGEST_NAME], via="ingest")


def _name(file: str) -> str:
    return "standard input" if file == "-" else Path(file).name


@contextmanager
def _rejects_file(options: dict[str, Any]) -> Iterator[BinaryIO | None]:
    """A new file, or an existing one to continue; existing data is never overwritten."""
    if options["rejects"] is None:
        yield None
        return
    path = Path(options["rejects"])
    shown = printable(str(path))
    try:
        if _same(path, options["file"]):
            raise CommandError(f"--rejects: {shown} is the input; name another file.", returncode=2)
        if path.exists() and path.stat().st_size and options["from_line"] == 1:
            raise CommandError(f"--rejects: {shown} exists already; name a new file.", returncode=2)
        file = path.open("ab")
    except OSError as error:
        raise CommandError(f"--rejects: can't write {shown}: {error.strerror}") from error
    with file:
        yield file


def _same(path: Path, source: str) -> bool:
    """Return True if both paths are the same file."""
    try:
        read = os.fstat(sys.stdin.fileno()) if source == "-" else Path(source).stat()
        return os.path.samestat(read, path.stat())
    except (OSError, ValueError, AttributeError):
        return False  # one of them does not exist, which reading or writing it reports


def _why(stopped: Stopped, options: dict[str, Any]) -> CommandError:
    """Return the error that ended an ingest early, with the command that continues it."""
    cause = stopped.__cause__
    way_on = _way_on(stopped.summary, options)
    if isinstance(cause, KeyboardInterrupt):
        return CommandError(f"stopped; {way_on}", returncode=130)
    if isinstance(cause, ReadError):
        return CommandError(printable(str(cause), 2000))
    first_line = printable(str(cause).strip().partition("\n")[0])
    if isinstance(cause, OSError):
        return CommandError(f"--rejects: {first_line}; {way_on}")
    if getattr(getattr(cause, "__cause__", None), "sqlstate", None) == "42P01":  # undefined_table
        return CommandError("the database has no tables yet; run: manage.py migrate")
    return CommandError(f"the database failed: {first_line}; {way_on}")


def _way_on(summary: Summary, options: dict[str, Any]) -> str:
    kept = max(summary.last_line_kept, options["from_line"] - 1)
    done = "are checked" if options["dry_run"] else "are stored"
    said = f"lines 1–{kept} {done}" if kept else "nothing is stored yet"
    if options["file"] == "-":
        return f"{said}; ingest all of it again, or continue with --from-line {kept + 1}"
    rejects = f" --rejects {shlex.quote(options['rejects'])}" if options["rejects"] else ""
    command = f"manage.py ingest {shlex.quote(options['file'])} --from-line {kept + 1}{rejects}"
    return f"{said}; continue with: {printable(command, 4000)}"
