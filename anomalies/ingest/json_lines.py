"""A stream of lines into the table, batch by batch."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from django.db import Error as DatabaseFailure

from anomalies.audit import Actor
from anomalies.sources.lines import Line, Pause, ReadError

from .copy import insert
from .database_refusals import Candidate
from .rows import Row, read_row
from .validation_errors import Misfit, Reject

BATCH_ROWS = 5_000
BATCH_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class Summary:
    """The result of an ingest. Lines up to ``last_line_kept`` are stored (perhaps before) or rejected."""

    read: int = 0
    new: int = 0
    known: int = 0
    rejected: int = 0
    seconds: float = 0.0
    last_line_kept: int = 0

    @property
    def rate(self) -> float:
        """Lines read per second."""
        return self.read / self.seconds if self.seconds else 0.0


class _WhileWaiting(Exception):
    """Trouble in the midst of reading that is none of reading: the cause says which."""


class Stopped(Exception):
    """An ingest that did not reach the end: the cause is its ``__cause__``, ``summary`` what was kept."""

    def __init__(self, summary: Summary) -> None:
        super().__init__(f"stopped after line {summary.last_line_kept}")
        self.summary = summary


@dataclass(frozen=True, slots=True)
class _Batch:
    rows: list[Candidate]
    rejects: list[Reject]
    last_line: int

    @property
    def lines(self) -> int:
        return len(self.rows) + len(self.rejects)


def ingest(
    lines: Iterable[Line],
    actor: Actor,
    on_reject: Callable[[Reject], None],
    *,
    source: str,
    batch_rows: int = BATCH_ROWS,
    progress: Callable[[Summary], None] | None = None,
    dry_run: bool = False,
    pause: Pause | None = None,
) -> Summary:
    """Put the anomalies that ``lines`` hold into the table, unless their ids are there already.

    A transaction takes ``batch_rows`` lines or 16 MiB; its rejects are handed over, in the order of their
    lines, once it is committed. The audit log names ``actor``, ``source`` and a run. ``dry_run`` checks the
    lines and leaves the database alone. ``pause``, of the reader of ``lines``, keeps a slow pipe's lines from
    waiting for a full batch. Raises Stopped where the source ends early, the database fails or
    somebody interrupts: whole batches are kept, and feeding the same lines again is safe.
    """
    summary = Summary()
    started = time.monotonic()
    context = {"source": source, "run": str(uuid.uuid4())}
    chunks = _Chunks(lines, batch_rows)

    def take_in(chunk: list[Line]) -> None:
        batch = _check(chunk)
        new, refused = (0, []) if dry_run else insert(batch.rows, actor, **context)
        for reject in sorted(batch.rejects + refused, key=lambda reject: reject.line):
            on_reject(reject)
        _count(summary, batch, new, len(refused), dry_run)
        summary.seconds = time.monotonic() - started
        if progress:
            progress(summary)

    if pause:
        pause.then = lambda: _while_waiting(take_in, chunks.so_far())
    try:
        for chunk in chunks:
            take_in(chunk)
    except (KeyboardInterrupt, ReadError, DatabaseFailure, OSError, _WhileWaiting) as error:
        summary.seconds = time.monotonic() - started
        raise Stopped(summary) from (error.__cause__ if isinstance(error, _WhileWaiting) else error)
    return summary


def _while_waiting(take_in: Callable[[list[Line]], None], chunk: list[Line]) -> None:
    """The reader takes an OSError for its own."""
    try:
        if chunk:
            take_in(chunk)
    except OSError as error:
        raise _WhileWaiting from error


def _count(summary: Summary, batch: _Batch, new: int, refused: int, dry_run: bool) -> None:
    summary.read += batch.lines
    summary.new += new
    summary.known += 0 if dry_run else len(batch.rows) - new - refused
    summary.rejected += len(batch.rejects) + refused
    summary.last_line_kept = max(summary.last_line_kept, batch.last_line)


class _Chunks:
    """Lines, as many at a time as a transaction takes."""

    def __init__(self, lines: Iterable[Line], most: int) -> None:
        self._lines = lines
        self._most = most
        self._waiting: list[Line] = []
        self._size = 0

    def so_far(self) -> list[Line]:
        """Those that wait for more; they wait no longer."""
        chunk, self._waiting, self._size = self._waiting, [], 0
        return chunk

    def __iter__(self) -> Iterator[list[Line]]:
        """Yield chunks; the lines read before damage in the source are a chunk too."""
        try:
            for line in self._lines:
                self._waiting.append(line)
                self._size += len(line.data)
                if len(self._waiting) >= self._most or self._size >= BATCH_BYTES:
                    yield self.so_far()
        except ReadError:
            yield self.so_far()
            raise
        yield self.so_far()


def _check(lines: list[Line]) -> _Batch:
    batch = _Batch([], [], lines[-1].number if lines else 0)
    for line in lines:
        if not line.data.strip():
            continue  # a blank line is nothing
        try:
            batch.rows.append(Candidate(line.number, line.data, _row(line)))
        except Misfit as error:
            whole = line.full_length == len(line.data)
            batch.rejects.append(Reject(line.number, error.field, error.reason, line.data, whole))
    return batch


def _row(line: Line) -> Row:
    """The row of a line. Raises Misfit for every line that gives none, so that no line ends the batch."""
    try:
        return _row_within_limits(line)
    except Misfit:
        raise
    except Exception as error:
        # A fault of ours in reading one line must not cost the lines beside it.
        raise Misfit(None, f"could not be read ({error!r}); please report this line") from error


def _row_within_limits(line: Line) -> Row:
    if line.full_length > len(line.data):
        limit = f"the limit is {len(line.data):,} (DRIFTLOCK_INGEST_MAX_LINE_BYTES)"
        raise Misfit(None, f"is {line.full_length:,} bytes long; {limit}")
    return read_row(line.data)
