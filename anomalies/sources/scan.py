"""One source, read and searched for anomalies: records → events → findings. No Django, no database.

What is asked for is a plain value, a `Job`, and so is what comes of it: a scan runs in a process of its own
as well as here, and gives the same.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from itertools import chain
from typing import Any

from anomalies.detection import (
    GUESSED_FROM,
    HEAD_BYTES,
    Acknowledged,
    Detector,
    Event,
    Finding,
    Format,
    Kind,
    Parameters,
    Remark,
    Result,
    TimestampReader,
    format_for,
    framing_of,
    guess,
)
from anomalies.detection import DateOrder as DateOrder
from anomalies.detection import FormatError as FormatError
from anomalies.detection import Skipped as Skipped

from .lines import Line, ReadError, read_records

LINE_BYTES = 8 * 1024 * 1024  # what is read of a longer line: a batch of records may be one
INTERRUPTED = "interrupted"
_COMPLAINTS = 20  # lines that are named as skipped; the others are counted
_REMARKS = 5  # lines that are named though they were read


@dataclass(frozen=True, slots=True)
class Job:
    """What to scan and how; ``parameters`` and ``acknowledged`` by kind of stream, which the file decides.

    ``reference`` is about when the source ends: it gives the year to stamps that have none, unless ``year``
    is that of the first one. ``time_field`` is the path of the field with the time, '' for the usual ones.
    """

    path: str
    parameters: Mapping[str, Parameters]
    reference: datetime
    kind: Kind | None = None
    zone: tzinfo | None = None
    time_format: str | None = None
    time_field: str = ""
    year: int | None = None
    date_order: DateOrder | None = None
    acknowledged: Mapping[str, Acknowledged] = field(default_factory=dict)
    at_a_time: int = 500  # findings that are handed over together; 1 where an analyst is waiting
    is_live: bool = False  # read while it is written: its reference is always now

    def clock(self) -> TimestampReader:
        """Return the reader of this source's stamps. Raises ValueError for a format that is none."""
        return TimestampReader(
            self.reference,
            self.zone or UTC,
            self.time_format,
            year=self.year,
            date_order=self.date_order,
            time_field=self.time_field,
        )


@dataclass(slots=True)
class Counts:
    """What was read and tested. ``complaints`` are the first lines that were skipped, or that need a fix
    though they were read, with the reason; of the latter there are ``remarks``.

    ``key`` names the run: a hash of the first events. ``backwards`` counts events older than the one before.
    """

    kind: str = ""
    notes: tuple[str, ...] = ()
    events: int = 0
    skipped: int = 0
    remarks: int = 0
    complaints: list[Skipped | Remark] = field(default_factory=list)
    backwards: int = 0
    windows_tested: int = 0
    windows_flagged: int = 0
    last_line: int = 0
    first: datetime | None = None
    last: datetime | None = None
    key: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """Findings of a source of this kind, in its order."""

    kind: str
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class Ended:
    """A source was read to its end, or as far as ``failure`` let it be."""

    counts: Counts
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Advanced:
    """So many bytes and events more were read."""

    size: int
    events: int


Message = Found | Ended


class Scan:
    """A source while it is being read: its format, its detector, and the counts."""

    def __init__(
        self, form: Format, detector: Detector, first_events: int, live: TimestampReader | None
    ) -> None:
        self._live = live
        self.counts = Counts(kind=form.kind, notes=form.notes)
        self.detector = detector
        self.head: list[bytes] = []
        self._format = form
        self._first_events = first_events
        self._key = hashlib.sha256()

    @classmethod
    def of(cls, job: Job, head: Iterable[bytes]) -> Scan:
        """A scan that is about to begin; FormatError where the first lines can't be what they should be."""
        lines = list(head)
        clock = job.clock()
        form = _form(clock, lines, job.kind)
        parameters = job.parameters[form.kind]
        detector = Detector(parameters, form.kind)
        detector.acknowledge(job.acknowledged.get(form.kind, Acknowledged()))
        first_events = parameters.baseline_size + parameters.window_size
        one = cls(form, detector, first_events, clock if job.is_live else None)
        one.head = lines
        return one

    @classmethod
    def resumed(cls, job: Job, state: dict[str, Any]) -> Scan:
        """The scan that ``state`` was taken of. Raises ValueError, TypeError or KeyError for others."""
        head = [line.encode("latin-1") for line in state["head"]]
        clock = job.clock()
        form = _form(clock, head, state["detector"]["kind"])
        detector = Detector.load(state["detector"], job.parameters[form.kind])
        detector.acknowledge(job.acknowledged.get(form.kind, Acknowledged()))
        one = cls(form, detector, 0, clock if job.is_live else None)
        form.restore(state["format"])
        one.head = head
        one.counts.key = state["key"]
        return one

    def state(self) -> dict[str, Any]:
        """All that is needed to go on with it, as plain JSON values."""
        head = [line.decode("latin-1") for line in self.head]
        return {
            "head": head,
            "key": self.counts.key,
            "format": self._format.state(),
            "detector": self.detector.state(),
        }

    def feed(self, lines: Iterable[Line]) -> Iterator[Finding]:
        """Yield what is found in these lines, as soon as it is closed."""
        yield from self._found(self._events(lines))

    def finish(self) -> Iterator[Finding]:
        """Yield what is still open."""
        yield from self._found(self._taken(self._format.finish()))
        yield from self.detector.finish()

    def _found(self, events: Iterable[Event]) -> Iterator[Finding]:
        started = time.monotonic()
        try:
            yield from self.detector.feed(events)
        finally:
            self._sum_up(started)

    def _events(self, lines: Iterable[Line]) -> Iterator[Event]:
        counts, read = self.counts, self._format.read
        for line in lines:
            counts.last_line = line.number
            if self._live:
                self._live.move_to(datetime.now(UTC))
            yield from self._taken(read(line.number, line.data, line.full_length))

    def _taken(self, results: Iterable[Result]) -> Iterator[Event]:
        for result in results:
            if isinstance(result, Event):
                self._notice(result)
                yield result
            else:
                self._complain(result)

    def _complain(self, result: Skipped | Remark) -> None:
        counts = self.counts
        if isinstance(result, Skipped):
            counts.skipped += 1
        else:
            counts.remarks += 1
        of_a_kind = sum(type(one) is type(result) for one in counts.complaints)
        if of_a_kind < (_COMPLAINTS if isinstance(result, Skipped) else _REMARKS):
            counts.complaints.append(result)

    def _notice(self, event: Event) -> None:
        """The first events name the run; the first and the last time are its span."""
        counts = self.counts
        if counts.events < self._first_events:
            self._key.update(event.text.encode() + b"\n")
        counts.events += 1
        if event.timestamp:
            if self._format.in_order and counts.last is not None and event.timestamp < counts.last:
                counts.backwards += 1
            counts.first = counts.first or event.timestamp
            counts.last = event.timestamp

    def _sum_up(self, started: float) -> None:
        counts = self.counts
        counts.windows_tested = self.detector.windows_tested
        counts.windows_flagged = self.detector.windows_flagged
        if self._first_events:
            counts.key = self._key.hexdigest()
        counts.seconds += time.monotonic() - started


def head_of(lines: Iterator[Line]) -> list[Line]:
    """Take the first lines, from which the format is learnt: 100, or fewer where they are long."""
    head: list[Line] = []
    while not is_head(head) and (line := next(lines, None)):
        head.append(line)
    return head


def is_head(lines: Sequence[Line]) -> bool:
    """Whether these first lines are enough to learn a format from."""
    return len(lines) >= GUESSED_FROM or sum(len(line.data) for line in lines) >= HEAD_BYTES


def check_followable(lines: Sequence[Line]) -> None:
    """Raises FormatError for the first lines of a file whose records are not one a line."""
    if framing_of(b"\n".join(line.data for line in lines), LINE_BYTES):
        raise FormatError(
            "line 1: only records that are one a line can be followed; write JSON one object a line, "
            "or read the file as a whole, without --follow"
        )


def _form(clock: TimestampReader, head: list[bytes], kind: Kind | None) -> Format:
    return format_for(kind, head, clock) if kind else guess(head, clock)


def scan(job: Job, advanced: Callable[[Advanced], None], step: int = 1) -> Iterator[Message]:
    """What comes of a job, ``Ended`` last; ``advanced`` is told how far it is, every so many bytes.

    What can't be read, or not to its end, ends it with a failure that names the source and the fix; what was
    found before is handed over.
    """
    one: Scan | None = None
    told = Advanced(0, 0)

    def progress(so_far: int, _size: int | None) -> None:
        nonlocal told
        if so_far - told.size >= step:
            now = Advanced(so_far, one.counts.events if one else 0)
            advanced(Advanced(now.size - told.size, now.events - told.events))
            told = now

    lines = read_records(job.path, LINE_BYTES, progress)
    failure: str | None = None
    try:
        head = head_of(lines)
        if len(head) < GUESSED_FROM and not any(line.data.strip() for line in head):
            yield Ended(Counts(kind=job.kind or "logs", last_line=len(head)))
            return
        one = Scan.of(job, [line.data for line in head])
        yield from _found(one, one.feed(chain(head, lines)), job.at_a_time)
    except (ReadError, FormatError, ValueError) as error:
        failure = str(error) if isinstance(error, ReadError) else f"can't read {_name(job.path)}: {error}"
    except KeyboardInterrupt:
        yield Ended(one.counts if one else Counts(), INTERRUPTED)
        raise
    if one:
        yield from _found(one, one.finish(), job.at_a_time)
    yield Ended(one.counts if one else Counts(), failure)


def _found(one: Scan, findings: Iterator[Finding], at_a_time: int) -> Iterator[Found]:
    """So many at a time; where the source breaks off, those that wait are handed over first."""
    waiting: list[Finding] = []
    broken: BaseException | None = None
    while True:
        try:
            waiting.append(next(findings))
        except StopIteration:
            break
        except (ReadError, ValueError, KeyboardInterrupt) as error:
            broken = error
            break
        if len(waiting) >= at_a_time:
            yield Found(one.counts.kind, waiting)
            waiting = []
    if waiting:
        yield Found(one.counts.kind, waiting)
    if broken:
        raise broken


def _name(path: str) -> str:
    return "standard input" if path == "-" else path
