"""The summary of a detection: skipped lines, anomalies found, and the number expected by chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from anomalies.ingest import Detection, Report
from anomalies.safe_text import printable
from anomalies.sources.scan import Skipped


def source_summary(detection: Detection) -> Iterator[str]:
    """The lines about one source; the last one has the counts."""
    report, counts = detection.report, detection.report.counts
    yield from counts.notes
    for complaint in counts.complaints:
        yield f"{'skipped' if isinstance(complaint, Skipped) else 'read'}: {complaint.reason}"
    skipped = counts.skipped - sum(isinstance(one, Skipped) for one in counts.complaints)
    if skipped:
        yield f"{skipped:,} more lines are skipped"
    remarks = counts.remarks - sum(not isinstance(one, Skipped) for one in counts.complaints)
    if remarks:
        yield f"{remarks:,} more lines were read with the same remark"
    if counts.backwards:
        yield f"{counts.backwards:,} events are older than the one before; lines are read in order"
    if counts.events and counts.first is None and not any("--time-format" in note for note in counts.notes):
        given = f"{detection.reference:%Y-%m-%d %H:%M:%S%z}"
        yield f"no event has a timestamp; anomalies are given {given} (see --time-format and --time)"
    if counts.windows_tested == 0 and report.failure is None:
        sizes = detection.origin.thresholds
        needed = sizes.baseline_size + sizes.window_size
        yield f"nothing was tested: {counts.events} events, but {needed} are required."
    if report.failure and not counts.last_line:
        return
    yield f"{counts.kind}: {_figures([report], [detection.origin.thresholds.p_value_threshold])}"


def total_summary(detections: Sequence[Detection]) -> str:
    """Return one line about all sources."""
    thresholds = [detection.origin.thresholds.p_value_threshold for detection in detections]
    return f"total: {_figures([detection.report for detection in detections], thresholds)}"


def refused(error: Exception) -> str:
    """Return one line for a database that took no more."""
    said = printable(str(error)).strip().partition("\n")[0]
    return (
        f"the database refused: {said}; what was stored is kept, and the same command continues from there."
    )


def _figures(reports: Sequence[Report], thresholds: Sequence[float]) -> str:
    events = sum(report.counts.events for report in reports)
    seconds = sum(report.counts.seconds for report in reports)
    tested = sum(report.counts.windows_tested for report in reports)
    flagged = sum(report.counts.windows_flagged for report in reports)
    pairs = zip(reports, thresholds, strict=True)
    chance = sum(report.counts.windows_tested * threshold for report, threshold in pairs)
    new, known = sum(report.new for report in reports), sum(report.known for report in reports)
    review = sum(report.review for report in reports)
    return (
        f"events {events}, windows tested {tested}, flagged {flagged} "
        f"(up to {chance:,.0f} by chance by p alone), "
        f"anomalies {new + known}: new {new}, already there {known}, for review {review} "
        f"({events / seconds if seconds else 0:,.0f} events/s)"
    )
