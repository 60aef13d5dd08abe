"""Raw lines → the detector → anomalies, and a record of how much was tested."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from itertools import chain
from typing import Any

from ..audit import Actor
from ..detection import Detector, Event, Finding, Parameters, TimestampReader, event_from_line
from ..models import PerformanceMetric
from ..reading import Line
from ..stats import DETECTION
from .findings import Origin, row_of
from .store import store

LINE_BYTES = 64 * 1024  # what the detector looks at of a longer line


def timestamp_reader(reference: datetime, zone: tzinfo) -> TimestampReader:
    """Reads the stamps of a log: ``reference`` gives the year, ``zone`` is for those that name none."""
    return TimestampReader(reference, zone)


@dataclass(slots=True)
class Report:
    """What a detection did: events and windows seen, windows flagged, anomalies new and already there."""

    events: int = 0
    windows_tested: int = 0
    windows_flagged: int = 0
    new: int = 0
    known: int = 0
    last_line: int = 0
    seconds: float = 0.0

    @property
    def anomalies(self) -> int:
        """Anomalies found: new ones and those that were there already."""
        return self.new + self.known


@dataclass(slots=True)
class Detection:
    """One run of the detector over one source; ``run`` may be interrupted, and what was found is kept.

    ``reference`` is a time near the log's own (the file's, or now): it gives the year to stamps that have
    none, and the time to findings in a log without stamps.
    """

    origin: Origin
    actor: Actor
    clock: TimestampReader
    reference: datetime
    at_a_time: int = 500  # findings per transaction; 1 for a live stream, where an analyst is waiting
    report: Report = field(default_factory=Report)
    _key: Any = field(default_factory=hashlib.sha256)
    _first: datetime | None = None
    _last: datetime | None = None

    def run(self, lines: Iterable[Line]) -> Report:
        """Detect, store, record. An exception is recorded as an unfinished run, and raised again."""
        started = time.monotonic()
        detector = Detector(Parameters(**self.origin.thresholds.as_dict()))
        failure: str | None = "interrupted"
        try:
            self._store(chain(detector.feed(self._events(lines)), detector.finish()))
            failure = None
        except Exception as error:
            failure = str(error)[:500]
            raise
        finally:
            self._sum_up(detector, started)
            self._record(failure)
        return self.report

    def _events(self, lines: Iterable[Line]) -> Iterator[Event]:
        for line in lines:
            self.report.last_line = line.number
            if line.data.strip():
                event = event_from_line(line.number, line.data, line.full_length, self.clock)
                self._notice(event)
                yield event

    def _notice(self, event: Event) -> None:
        """The first events name the run; the first and the last time are its span."""
        sizes = self.origin.thresholds
        if self.report.events < sizes.baseline_size + sizes.window_size:
            self._key.update(event.text.encode() + b"\n")
        self.report.events += 1
        self._first = self._first or event.timestamp
        self._last = event.timestamp or self._last

    def _store(self, findings: Iterator[Finding]) -> None:
        """Store as many at a time as agreed; an interrupt does not lose those found but not yet stored."""
        waiting: list[Finding] = []
        try:
            for finding in findings:
                waiting.append(finding)
                if len(waiting) >= self.at_a_time:
                    batch, waiting = waiting, []
                    self._store_batch(batch)
        finally:
            if waiting:
                self._store_batch(waiting)

    def _store_batch(self, findings: list[Finding]) -> None:
        rows = [row_of(finding, self.origin, self.reference) for finding in findings]
        new, known = store(rows, self.actor, self.origin.name)
        self.report.new += new
        self.report.known += known

    def _sum_up(self, detector: Detector, started: float) -> None:
        self.report.windows_tested = detector.windows_tested
        self.report.windows_flagged = detector.windows_flagged
        self.report.seconds = time.monotonic() - started

    def _record(self, failure: str | None) -> None:
        """One metric per run; none for one that read nothing, or again what was read to its end before."""
        about = self._about()
        if self.report.last_line == 0 or (failure is None and self._is_recorded(about)):
            return
        PerformanceMetric.objects.create(
            metric_type=DETECTION,
            endpoint=self.origin.name[:255],
            duration_ms=min(round(self.report.seconds * 1000), 2**31 - 1),
            success=failure is None,
            error_message=failure,
            metadata=about,
        )

    def _is_recorded(self, about: dict[str, Any]) -> bool:
        same = {key: about[key] for key in ("run", "windows_tested")}
        return PerformanceMetric.objects.filter(
            metric_type=DETECTION, success=True, metadata__contains=same
        ).exists()

    def _about(self) -> dict[str, Any]:
        origin = self.origin
        named = repr((origin.stream_type, origin.host, origin.thresholds.as_dict())).encode()
        return {
            "run": hashlib.sha256(self._key.digest() + named).hexdigest(),
            "stream_type": origin.stream_type,
            "events": self.report.events,
            "windows_tested": self.report.windows_tested,
            "windows_flagged": self.report.windows_flagged,
            "anomalies": self.report.anomalies,
            "p_value_threshold": origin.thresholds.p_value_threshold,
            "config_id": origin.config_id,
            "first_timestamp": (self._first or self.reference).isoformat(),
            "last_timestamp": (self._last or self._first or self.reference).isoformat(),
        }
