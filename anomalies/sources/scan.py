"""Scanning one source for anomalies: records → events → findings. No Django, no database.

The input, a `Job`, and the results are plain values that can be pickled, so a scan gives the same results in
a process of its own as in the calling one.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from itertools import chain
from pathlib import Path
from typing import Any

from anomalies.detection import (
    GUESSED_FROM,
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

from .baseline import Baseline
from .lines import LINE_BYTES, Line, ReadError, head_of, read_records

INTERRUPTED = "interrupted"
_COMPLAINTS = 20  # skipped lines that are listed; the others are counted
_REMARKS = 5  # lines that are listed though they were read


@dataclass(frozen=True, slots=True)
class Job:
    """A source to scan and its settings; ``parameters`` and ``acknowledged`` by kind of stream, since the
    kind may be known only from the file.

    ``reference`` is the approximate end of the source: it gives the year to timestamps without one, unless
    ``year`` gives that of the first. ``time_field`` is the path of the field with the time, '' for the usual
    ones.
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
    at_a_time: int = 500  # findings per message; 1 if an analyst is waiting
    is_live: bool = False  # read while it is written: its reference is the present time
    baseline: str = ""  # the absolute path of a file that is known to be good, learnt first

    def clock(self, reference: datetime | None = None) -> TimestampReader:
        """The reader of this source's timestamps. Raises ValueError for an invalid format."""
        return TimestampReader(
            reference or self.reference,
            self.zone or UTC,
            self.time_format,
            year=self.year,
            date_order=self.date_order,
            time_field=self.time_field,
        )


@dataclass(slots=True)
class Counts:
    """Numbers of events read and windows tested, without those of a baseline. ``complaints`` lists the first
    lines that were skipped, or that need a fix though they were read, with the reason; ``skipped`` and
    ``remarks`` count all of them.

    ``key`` identifies the run: a SHA-256 of the baseline and of the first events. ``backwards`` counts events
    older than the preceding one. ``seconds`` is the time spent in detection.
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
    """Findings of a source of this kind, in the source's order."""

    kind: str
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class Ended:
    """The source was read to its end, or until ``failure``."""

    counts: Counts
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Advanced:
    """Progress: bytes and events read since the last message."""

    size: int
    events: int


Message = Found | Ended


class Scan:
    """A source that is being read: its format, its detector and the counts."""

    def __init__(
        self, form: Format, detector: Detector, first_events: int, live: TimestampReader | None
    ) -> None:
        self._live = live
        self.counts = Counts(kind=form.kind, notes=form.notes)
        self.detector = detector
        self.head: list[bytes] = []
        self._format = form
        self.baseline = ""  # the path of the one that it was trained on
        self._first_events = first_events
        self._key = hashlib.sha256()

    @classmethod
    def of(cls, job: Job, head: Iterable[bytes]) -> Scan:
        """A new scan, trained on the job's baseline. Raises FormatError if the first lines don't have the
        expected format, and ReadError for a baseline that can't be learnt."""
        lines = list(head)
        clock = job.clock()
        form = _form(clock, lines, job.kind)
        parameters = job.parameters[form.kind]
        detector = Detector(parameters, form.kind)
        detector.acknowledge(job.acknowledged.get(form.kind, Acknowledged()))
        first_events = parameters.baseline_size + parameters.window_size
        one = cls(form, detector, first_events, clock if job.is_live else None)
        one.head = lines
        if job.baseline:
            one._train(job)
        return one

    def _train(self, job: Job) -> None:
        def clock() -> TimestampReader:
            return job.clock(datetime.fromtimestamp(Path(job.baseline).stat().st_mtime, UTC))

        note, key = Baseline(job.baseline, self._format, job.kind, clock).teach(self.detector)
        self._key.update(key.encode())
        self.baseline = job.baseline
        self.counts.notes += (note,)
        first = _form(job.clock(), self.head, job.kind)
        events = [
            one for number, line in enumerate(self.head, 1) for one in first.read(number, line, len(line))
        ]
        if not any(self.detector.knows(one) for one in events if isinstance(one, Event)):
            self.counts.notes += (
                f"nothing in the first {len(self.head):,} lines is like {job.baseline}; "
                "check that it is a baseline of this source",
            )

    @classmethod
    def resumed(cls, job: Job, state: dict[str, Any]) -> Scan:
        """The scan restored from ``state``. Raises ValueError, TypeError or KeyError for any other value."""
        head = [line.encode("latin-1") for line in state["head"]]
        clock = job.clock()
        form = _form(clock, head, state["detector"]["kind"])
        detector = Detector.load(state["detector"], job.parameters[form.kind])
        detector.acknowledge(job.acknowledged.get(form.kind, Acknowledged()))
        one = cls(form, detector, 0, clock if job.is_live else None)
        form.restore(state["format"])
        one.head = head
        one.counts.key = state["key"]
        one.baseline = state["baseline"]
        return one

    def state(self) -> dict[str, Any]:
        """All that is needed to continue the scan, as plain JSON values."""
        head = [line.decode("latin-1") for line in self.head]
        return {
            "head": head,
            "key": self.counts.key,
            "baseline": self.baseline,
            "format": self._format.state(),
            "detector": self.detector.state(),
        }

    def feed(self, lines: Iterable[Line]) -> Iterator[Finding]:
        """Yield the findings in these lines, each as soon as its episode is closed."""
        yield from self._found(self._events(lines))

    def finish(self) -> Iterator[Finding]:
        """Yield the findings that are still open."""
        yield from self._found(self._taken(self._format.finish()))
        yield from self.detector.finish()

    def _found(self, events: Iterable[Event]) -> Iterator[Finding]:
        started = time.monotonic()
        try:
            yield from self.detector.feed(events)
        finally:
            self._sum_up(started)

    def _events(self, lines: Iterable[Line]) -> Iterator[Event]:
        counts, read, notice = self.counts, self._format.read, self._notice
        for number, data, full_length in lines:
            counts.last_line = number
            if self._live:
                self._live.move_to(datetime.now(UTC))
            for result in read(number, data, full_length):
                if isinstance(result, Event):
                    notice(result)
                    yield result
                else:
                    self._complain(result)

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
        """Count an event. The first events identify the run; the first and last times are its span."""
        counts = self.counts
        if counts.events < self._first_events:
            self._key.update(event.text.encode() + b"\n")
        counts.events += 1
        moment, last = event[2], counts.last
        if moment is not None and moment is not last:
            if last is None:
                counts.first = moment
            elif moment < last and self._format.in_order:
                counts.backwards += 1
            counts.last = moment

    def _sum_up(self, started: float) -> None:
        counts = self.counts
        counts.windows_tested = self.detector.windows_tested
        counts.windows_flagged = self.detector.windows_flagged
        if self._first_events:
            counts.key = self._key.hexdigest()
        counts.seconds += time.monotonic() - started


def check_followable(lines: Sequence[Line]) -> None:
    """Raise FormatError if these first lines belong to a file whose records are not one a line."""
    if framing_of(b"\n".join(line.data for line in lines), LINE_BYTES):
        raise FormatError(
            "line 1: only records that are one a line can be followed; write JSON one object a line, "
            "or read the file as a whole, without --follow"
        )


def _form(clock: TimestampReader, head: list[bytes], kind: Kind | None) -> Format:
    return format_for(kind, head, clock) if kind else guess(head, clock)


def scan(job: Job, advanced: Callable[[Advanced], None], step: int = 1) -> Generator[Message, None, None]:
    """Yield the messages of a job, ``Ended`` last; ``advanced`` is called with the progress every ``step``
    bytes.

    A source that can't be read, or not to its end, ends with a failure that names the source and the fix;
    the findings up to there are yielded first.
    """
    one: Scan | None = None
    reported = Advanced(0, 0)

    def progress(so_far: int, _size: int | None) -> None:
        nonlocal reported
        if so_far - reported.size >= step:
            now = Advanced(so_far, one.counts.events if one else 0)
            advanced(Advanced(now.size - reported.size, now.events - reported.events))
            reported = now

    lines = read_records(job.path, LINE_BYTES, progress)
    failure: str | None = None
    try:
        try:
            head = head_of(lines)
            if len(head) < GUESSED_FROM and not any(line.data.strip() for line in head):
                yield Ended(Counts(kind=job.kind or "logs", last_line=len(head)))
                return
            one = Scan.of(job, [line.data for line in head])
            yield from _found(one, one.feed(chain(head, lines)), job.at_a_time)
        except (ReadError, FormatError, ValueError) as error:
            failure = str(error) if isinstance(error, ReadError) else f"can't read {_name(job.path)}: {error}"
        if one:
            yield from _found(one, one.finish(), job.at_a_time)
    except KeyboardInterrupt:
        yield Ended(one.counts if one else Counts(), INTERRUPTED)
        raise
    yield Ended(one.counts if one else Counts(), failure)


def _found(one: Scan, findings: Iterator[Finding], at_a_time: int) -> Iterator[Found]:
    """Yield the findings ``at_a_time`` together; on a failure the waiting ones come before the error."""
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
