"""A file that grows → findings → anomalies, for as long as it is asked for.

What was found is stored first, and then the state that belongs to it: killed in between, the next run finds
the same again, which is there already. So no window is lost, and none is there twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from anomalies.detection import GUESSED_FROM, Finding, check_encoding
from anomalies.sources.checkpoint import SavedStateError, load, save
from anomalies.sources.follow import Gap, Position, Stop, follow
from anomalies.sources.lines import LINE_BYTES, Line, head_of, is_head
from anomalies.sources.scan import Counts, Job, Scan, check_followable

from .acknowledged_events import acknowledged_of
from .findings_sink import Detection
from .heartbeats import Heartbeat, State, store_report

POLL = 0.5  # seconds between two looks at a file that has nothing new
SAVED_EVERY = 5.0  # seconds, while lines come
SILENT = 30.0  # seconds without a line after which an open episode is reported as it is
LEARNT_EVERY = 60.0  # seconds after which the desk is asked what was acknowledged
RECORDED_EVERY = 3600.0  # seconds after which what was tested is recorded


@dataclass(slots=True)
class Stream:
    """One followed file. ``say`` gets the messages for a person."""

    job: Job
    detection: Detection
    state: Path | None
    say: Callable[[str], None]
    _scan: Scan | None = None
    _head: list[Line] = field(default_factory=list)
    _due: dict[str, float] = field(default_factory=dict)
    _recorded: Counts = field(default_factory=Counts)
    _position: Position | None = None
    _heartbeat: Heartbeat = field(init=False)
    _missing_since: float | None = None  # seconds of a clock that only goes forward
    _unsaved: bool = False

    def run(self, stop: Stop) -> None:
        """Follow until ``stop`` is set. Raises ReadError, FormatError, SavedStateError."""
        self._begin()
        self._heartbeat = Heartbeat(self._report, time.monotonic())
        lines: list[Line] = []
        followed = follow(self.job.path, LINE_BYTES, stop=stop, start=self._position, poll=POLL)
        try:
            for item in followed:
                if isinstance(item, Line):
                    lines.append(item)
                elif isinstance(item, Gap):
                    self.say(item.words)
                else:
                    self._look_for_file(item.idle)
                    self._take(lines)
                    self._heartbeat.report(time.monotonic())
                    self._position = item.position
                    self._do_what_is_due(idle=item.idle)
                    lines = []
        finally:
            followed.close()
            self._record()
        self._save()
        self._heartbeat.stop(time.monotonic())
        if self._head:
            self.say(
                f"nothing was tested: {len(self._head)} lines, and the kind is guessed from {GUESSED_FROM}."
            )

    def _report(self, state: State, message: str) -> None:
        origin = self.detection.origin
        store_report(origin.name, origin.host, state, message)

    def _begin(self) -> None:
        saved = load(self.state) if self.state else None
        if saved is None:
            return
        try:
            self._position = Position.from_json(saved["position"])
            self._scan = Scan.resumed(self.job, saved["scan"]) if saved["scan"] else None
            self._head = [
                Line(number, data.encode("latin-1"), size) for number, data, size in saved.get("head", ())
            ]
        except (ValueError, TypeError, KeyError) as error:
            words = f"{self.state} holds no state of a stream ({error}); move it away to start again"
            raise SavedStateError(words) from error
        if self._scan:
            self.detection.report.counts = self._scan.counts
            self._check_baseline(self._scan.baseline)

    def _look_for_file(self, idle: bool) -> None:
        """Say once that there is no such file, and that there is one again.

        A rotation leaves a moment without one, so a file that was read may be missing for SILENT seconds.
        """
        now, path = time.monotonic(), self.job.path
        if not idle or Path(path).exists():
            if self._heartbeat.missing:
                self.say(f"{path} exists now.")
            self._missing_since, self._heartbeat.missing = None, ""
            return
        if self._missing_since is None:
            self._missing_since = now
        is_new = self._position is None
        if not self._heartbeat.missing and (is_new or now - self._missing_since >= SILENT):
            self._heartbeat.missing = f"{path} does not exist"
            self.say(f"{path} does not exist{' yet' if is_new else ''}; waiting for it.")

    def _check_baseline(self, trained: str) -> None:
        """Raise SavedStateError for another baseline than the state was trained on: it is learnt first."""
        if self.job.baseline not in ("", trained):
            what = f"trained on {trained}" if trained else "made without a baseline"
            raise SavedStateError(
                f"{self.state} was {what}, and a baseline is learned before the stream; leave out "
                "--since-baseline to continue, or name another file for the state to start again"
            )

    def _take(self, lines: list[Line]) -> None:
        if lines:
            self._heartbeat.lines_came(time.monotonic())
            self._unsaved = True
        if self._scan is None:
            self._head += lines
            if not is_head(self._head):
                self._wait_for_more(bool(lines))
                return
            lines, self._head = self._head, []
            head = head_of(iter(lines))
            check_followable(head)
            self._scan = Scan.of(self.job, [line.data for line in head])
            self.detection.report.counts = self._scan.counts
            if self._scan.baseline:
                for note in self._scan.counts.notes:
                    self.say(note)
        self._store(list(self._scan.feed(lines)))

    def _wait_for_more(self, came: bool) -> None:
        """Guess the kind from the same lines however slowly they arrive; report lines that are not text."""
        if self._head:
            self.detection.report.counts.last_line = self._head[-1].number
        if not came:
            check_encoding([line.data for line in self._head])

    def _store(self, findings: list[Finding]) -> None:
        if findings:
            self.detection.store(findings)
            for finding in findings:
                what = "for review" if finding.review else f"p = {finding.p_value:.4f}"
                self.say(f"line {finding.first_line:,}, {what}: {finding.explanation.partition(chr(10))[0]}")

    def _do_what_is_due(self, idle: bool) -> None:
        if self._scan is not None:
            self._tell_and_learn(self._scan, idle)
        if (idle and self._unsaved) or self._is_due("save", SAVED_EVERY):
            self._save()

    def _tell_and_learn(self, scan: Scan, idle: bool) -> None:
        if idle and time.monotonic() - self._heartbeat.heard > SILENT:
            self._store(list(scan.detector.close_episode()))
        if self._is_due("learn", LEARNT_EVERY):
            origin = self.detection.origin
            scan.detector.acknowledge(acknowledged_of(origin.stream_type, origin.name, origin.host))
        if self._is_due("record", RECORDED_EVERY):
            self._record()

    def _is_due(self, what: str, every: float) -> bool:
        now = time.monotonic()
        if now < self._due.setdefault(what, now + every):
            return False
        self._due[what] = now + every
        return True

    def _record(self) -> None:
        """Record what was tested since the last time, as a run of its own."""
        if self._scan is None:
            return
        report, counts = self.detection.report, self._scan.counts
        former = self._recorded
        tested, flagged = counts.windows_tested, counts.windows_flagged
        if tested <= former.windows_tested:
            return
        part = replace(
            counts,
            events=counts.events - former.events,
            windows_tested=tested - former.windows_tested,
            windows_flagged=flagged - former.windows_flagged,
            first=former.last or counts.first,
        )
        report.counts = part
        self.detection.record(part=f"from line {former.last_line}")
        report.counts = counts
        self._recorded = replace(counts)

    def _save(self) -> None:
        """With the lines that wait for more of them before the kind of stream is known."""
        if self.state is None or self._position is None:
            return
        state: dict[str, Any] = {
            "position": self._position.as_json(),
            "scan": self._scan.state() if self._scan else None,
            "head": [[line.number, line.data.decode("latin-1"), line.full_length] for line in self._head],
        }
        save(self.state, state)
        self._unsaved = False
