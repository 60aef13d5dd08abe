"""``manage.py export``: anomalies as CSV or JSON Lines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from tqdm import tqdm

from anomalies.atomic_file import AtomicFile
from anomalies.audit import Actor, record_event
from anomalies.queries.bounded.filter_listing import listing_of
from anomalies.queries.export import FORMATS, export

from ..base import ShortUsage
from ..filter_options import add_filter_options, filterset, given_filters
from ..options import add_actor_option
from ..progress import interruptible

_SHOWN = 20  # long lines that are named
_ID = slice(len('{"id":"'), len('{"id":"') + 36)  # of a line: its first column


class Command(ShortUsage):
    help = "Export the anomalies that match the filters as JSON Lines or CSV, newest first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--format", choices=list(FORMATS), default="jsonl", help="the output format (default: jsonl)"
        )
        parser.add_argument(
            "--out", type=Path, metavar="FILE", help="write to this new file (default: standard output)"
        )
        add_actor_option(parser)
        add_filter_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        chosen, format_name = listing_of(filterset(options)), options["format"]
        about = {"format": format_name, "filter": given_filters(options)}
        record_event("export", Actor(options["by"], via="export"), "anomaly", **about)
        long = _LongLines(settings.INGEST_MAX_LINE_BYTES)
        lines = export(chosen, format_name)
        if format_name == "jsonl":
            lines = long.noted(lines)
        with interruptible():
            try:
                count = self._write(lines, options["out"])
            except BrokenPipeError as error:
                raise CommandError("the reader closed the output; the export is incomplete") from error
            except KeyboardInterrupt:
                raise CommandError("interrupted; the export is incomplete") from None
        for line in long.report():
            self.stderr.write(line)
        self.stderr.write(f"exported {count - (format_name == 'csv')} anomalies")

    def _write(self, lines: Iterable[bytes], out: Path | None) -> int:
        if out is None:
            count = _copy(lines, sys.stdout.buffer.write)
            sys.stdout.buffer.flush()
            return count
        try:
            if out.exists():  # known before the rows are read; ``publish`` asks again
                raise FileExistsError
            with AtomicFile(out, mode=0o666) as file:
                count = _copy(lines, file.write)
                file.publish()
                return count
        except FileExistsError as error:
            raise CommandError(f"{out} exists already; choose another name or remove it") from error
        except OSError as error:
            raise CommandError(f"{out}: {error.strerror}; nothing was exported") from error


class _LongLines:
    """The lines of an export that are longer than `ingest` takes by its setting."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: list[tuple[str, int]] = []
        self._count = self._longest = 0

    def noted(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the lines; those that are too long are noted, the first _SHOWN with the anomaly's id."""
        for line in lines:
            size = len(line) - 1
            if size > self._most:
                self._count += 1
                self._longest = max(self._longest, size)
                if self._count <= _SHOWN:
                    self._found.append((line[_ID].decode(), size))
            yield line

    def report(self) -> Iterator[str]:
        """Yield a line for each of the first, and one with the setting that takes them all."""
        for pk, size in self._found:
            yield f"anomaly {pk}: a line of {size:,} bytes"
        if self._count:
            yield (
                f"{self._count:,} lines are longer than ingest takes; set "
                f"DRIFTLOCK_INGEST_MAX_LINE_BYTES={self._longest} for it"
            )


def _copy(lines: Iterable[bytes], write: Callable[[bytes], Any]) -> int:
    """Write the lines, with a progress bar on a terminal; returns how many there were."""
    count = 0
    with tqdm(unit=" rows", disable=not sys.stderr.isatty(), leave=False) as bar:
        for count, line in enumerate(lines, start=1):  # noqa: B007
            write(line)
            bar.update()
    return count
