"""A stream that came by OTLP and stops is reported as silent, once, until it is heard again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from anomalies.ingest.heartbeats import detectors
from anomalies.ingest.otlp import Judge, keep, report_once
from anomalies.models import DetectorStream, IncomingBatch, PerformanceMetric
from anomalies.sources.otlp import received
from tests.ingest.otlp.exports import logs, normal_lines

pytestmark = pytest.mark.django_db

BEGIN = datetime(2026, 11, 28, 12, tzinfo=UTC)
NAME = "checkout/app (logs)"


def stream(pauses: int = 30, longest: float = 10.0) -> None:
    """A stream that was last heard at BEGIN."""
    DetectorStream.objects.create(
        signal="logs",
        service="checkout",
        scope="app",
        state=b"",
        is_open=False,
        updated_at=BEGIN,
        heard_at=BEGIN,
        longest_pause=longest,
        pauses=pauses,
    )


def reported(**later: float) -> list[tuple[str, str]]:
    """The names and messages of the detectors that need attention, after the worker looked so much later."""
    now = BEGIN + timedelta(**later)
    report_once(now)
    PerformanceMetric.objects.update(timestamp=now)
    return [(one.name, one.message) for one in detectors(now) if one.message]


def reports() -> int:
    return PerformanceMetric.objects.filter(metric_type="heartbeat").count()


def test_a_stream_that_stops_is_silent_with_its_longest_pause():
    stream()
    assert reported(minutes=4) == []
    assert reported(minutes=6) == [(NAME, "no records for 6 min; the longest earlier pause was 10 s")]


@pytest.mark.parametrize(
    ("pauses", "longest", "minutes"), [(30, 400.0, 21), (19, 10.0, 61)], ids=["rare requests", "a new stream"]
)
def test_its_patience_is_that_of_a_followed_file(pauses, longest, minutes):
    stream(pauses, longest)
    assert reported(minutes=minutes - 2) == []
    assert reported(minutes=minutes) != []


def test_a_change_is_reported_once():
    stream()
    for minutes in (1, 2, 6, 7):
        reported(minutes=minutes)
    assert reports() == 2


def test_a_stream_is_reported_every_twelve_hours():
    stream(longest=40_000.0)
    for hours in (1, 2, 13, 14):
        reported(hours=hours)
    assert reports() == 2


def test_requests_that_wait_to_be_judged_are_no_silence():
    stream()
    keep(received(logs(normal_lines(1)).SerializeToString(), "logs", False).batches)
    IncomingBatch.objects.update(service="checkout", scope="app")
    assert reported(minutes=6) == []


def test_a_stream_that_is_heard_again_is_no_longer_silent():
    stream()
    reported(minutes=6)
    DetectorStream.objects.update(heard_at=BEGIN + timedelta(minutes=7))
    assert reported(minutes=8) == []
    assert reports() == 2


def test_a_stream_that_was_not_heard_for_a_week_has_ended():
    stream()
    reported(days=6)
    assert reported(days=8) == []
    assert not report_once(BEGIN + timedelta(days=9)) and reports() == 2


def test_pauses_are_those_between_requests_however_late_they_are_judged():
    for number, second in enumerate((0, 10, 40, 45)):
        keep(received(logs(normal_lines(5), number * 5).SerializeToString(), "logs", False).batches)
        newest = IncomingBatch.objects.order_by("-number").first()
        IncomingBatch.objects.filter(pk=newest.pk).update(received_at=BEGIN + timedelta(seconds=second))
    judge = Judge()
    while judge.run_once():
        pass
    row = DetectorStream.objects.get()
    assert (row.heard_at, row.longest_pause, row.pauses) == (BEGIN + timedelta(seconds=45), 30.0, 3)
