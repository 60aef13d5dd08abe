"""The lines that ``detect`` prints about a source."""

from __future__ import annotations

from datetime import UTC, datetime

from anomalies.audit import Actor
from anomalies.detection import Remark, Skipped
from anomalies.ingest import Detection, Origin
from anomalies.management.detection_summary import source_summary
from anomalies.thresholds import Thresholds


def test_complaints_are_listed_and_the_others_counted():
    origin = Origin("web.log", "logs", 1, Thresholds(0.5, 0.05, 100, 10, 1))
    detection = Detection({"logs": origin}, Actor("ana"), datetime(2026, 11, 23, tzinfo=UTC))
    counts = detection.report.counts
    counts.complaints = [Skipped(1, "line 1: no time"), Remark(2, "line 2: a key stands twice")]
    counts.skipped, counts.remarks = 1_201, 3
    assert list(source_summary(detection))[:4] == [
        "skipped: line 1: no time",
        "read: line 2: a key stands twice",
        "1,200 more lines are skipped",
        "2 more lines were read with the same remark",
    ]
