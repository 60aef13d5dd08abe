"""A detector's findings → anomalies, and a record of how much was tested."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from anomalies.audit import Actor
from anomalies.detection import Finding
from anomalies.models import PerformanceMetric
from anomalies.queries.stats import DETECTION
from anomalies.sources.scan import Counts, Ended, Found, Message

from .finding_rows import Origin, row_of
from .programmatic import store


@dataclass(slots=True)
class Report:
    """The result for a source: what was read and tested, its new anomalies, and those stored before.

    ``review`` counts, of the new ones, those that are only for review. ``failure`` says why it was not read
    to its end; ``ended``: nothing more will come.
    """

    counts: Counts = field(default_factory=Counts)
    new: int = 0
    known: int = 0
    review: int = 0
    failure: str | None = None
    ended: bool = False

    @property
    def anomalies(self) -> int:
        """Anomalies found: new ones and those that were there already."""
        return self.new + self.known


@dataclass(slots=True)
class Detection:
    """One run of the detector over one source, as its messages come in: stores, counts, records.

    ``origins`` is by kind of stream, which the source decides. ``reference`` is a time near the log's own: it
    is the time of findings in a log without stamps.
    """

    origins: dict[str, Origin]
    actor: Actor
    reference: datetime
    report: Report = field(default_factory=Report)

    @property
    def origin(self) -> Origin:
        """That of the kind that the source turned out to be."""
        return self.origins[self.report.counts.kind or next(iter(self.origins))]

    def take(self, message: Message) -> None:
        """Store what was found; record the run when it has ended."""
        if isinstance(message, Found):
            self.report.counts.kind = message.kind
            self.store(message.findings)
        elif isinstance(message, Ended):
            self.report.counts, self.report.failure = message.counts, message.failure
            self.report.ended = True
            self.record()

    def store(self, findings: Sequence[Finding]) -> None:
        """Store these in one transaction."""
        rows = [row_of(finding, self.origin, self.reference) for finding in findings]
        new, known = store(rows, self.actor, self.origin.name)
        self.report.new += new
        self.report.known += known
        self.report.review += sum(finding.review for finding in findings)

    def record(self, part: str = "") -> None:
        """One metric per run; none for one that read nothing, or again what was read to its end before.

        ``part`` tells the parts of a run apart that goes on for ever.
        """
        report = self.report
        about = self._about(part)
        if report.counts.last_line == 0 or (report.failure is None and _is_recorded(about)):
            return
        PerformanceMetric.objects.create(
            metric_type=DETECTION,
            endpoint=self.origin.name[:255],
            duration_ms=min(round(report.counts.seconds * 1000), 2**31 - 1),
            success=report.failure is None,
            error_message=report.failure and report.failure[:500],
            metadata=about,
        )

    def _about(self, part: str) -> dict[str, Any]:
        origin, counts = self.origin, self.report.counts
        named = repr(
            (counts.key, origin.stream_type, origin.host, origin.thresholds.as_dict(), part)
        ).encode()
        return {
            "run": hashlib.sha256(named).hexdigest(),
            "stream_type": origin.stream_type,
            "events": counts.events,
            "windows_tested": counts.windows_tested,
            "windows_flagged": counts.windows_flagged,
            "anomalies": self.report.anomalies,
            "p_value_threshold": origin.thresholds.p_value_threshold,
            "config_id": origin.config_id,
            "first_timestamp": (counts.first or self.reference).isoformat(),
            "last_timestamp": (counts.last or counts.first or self.reference).isoformat(),
        }


def _is_recorded(about: dict[str, Any]) -> bool:
    same = {key: about[key] for key in ("run", "windows_tested")}
    return PerformanceMetric.objects.filter(
        metric_type=DETECTION, success=True, metadata__contains=same
    ).exists()
