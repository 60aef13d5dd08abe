"""Judging: the batches of a stream through its detector to anomalies, in one transaction.

What was found, the detector's new state and the end of the batches are committed together, under a lock of
the stream. So a worker that is killed anywhere has judged a batch and said so, or neither: no record is lost
and no window is judged twice. Several workers take different streams. The lock ends with the connection: at
once for a process that ends, and after HELD for one that stands still or whose machine is gone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from anomalies.audit import Actor
from anomalies.detection import Finding
from anomalies.models import DetectorStream, IncomingBatch
from anomalies.sources.otlp import SIGNALS, StreamKey, host_of
from anomalies.sources.scan import Counts
from anomalies.thresholds import active_config, parameters_for, thresholds_for

from ..acknowledged_events import acknowledged_of
from ..finding_rows import Origin, row_of
from ..findings_sink import Detection, Report
from ..programmatic import store
from . import silence, spool
from .stream import StateError, StreamDetector

log = logging.getLogger(__name__)

ACTOR = Actor("otlp", via="work")
QUIET = timedelta(seconds=30)  # without a record, after which an episode is reported as it is
MOST_ITEMS = 20_000  # records of one transaction: about a second's work
REVIEWED = 3  # windows of a day that are kept for review, as `detect` does
LEARNT_EVERY = 60.0  # seconds after which it is read again what analysts acknowledged
RECORDED_EVERY = 3600.0  # seconds after which the windows tested are recorded
HELD = 30.0  # seconds that a stream is held by a worker that says nothing to the database
SLOWEST = 100_000  # bytes a second that a detector reads at least: a longer body may take longer than HELD
_STREAMS = 1_000  # that are listed at once

_TABLE = IncomingBatch._meta.db_table
_WAITING = f"""
    SELECT signal, service, scope FROM {_TABLE} WHERE done_at IS NULL
    GROUP BY signal, service, scope ORDER BY min(number) LIMIT {_STREAMS}
"""  # noqa: S608 -- the name of a table of ours
_HOLD = "SELECT set_config('idle_in_transaction_session_timeout', %s, true)"
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))"


@dataclass(frozen=True, slots=True)
class Judged:
    """The result of one transaction: the stream, how many batches and items were judged, and how many
    anomalies are new."""

    stream: StreamKey
    batches: int
    items: int
    new: int


# What a fault of the detector, or of a row that it made, can raise; the database's errors are none of them.
_FAILURES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)


class Judge:
    """Judges what waits, a stream at a time: those first whose oldest batch has waited longest."""

    def __init__(self) -> None:
        self._streams: list[StreamKey] = []

    def run_once(self) -> Judged | None:
        """Judge the next stream that no other worker has; None where nothing waits.

        Raises ThresholdsError without a usable config, and the database's errors; nothing is lost then.
        """
        if not self._streams:
            spool.forget()
            self._streams = [*_waiting_streams(), *_quiet_streams()]
        while self._streams:
            judged = judge(self._streams.pop(0))
            if judged:
                return judged
        return None


def judge(stream: StreamKey) -> Judged | None:
    """Judge the oldest batches of a stream, or report what is open where it is quiet.

    None where another worker has it or nothing is to be done. A batch that the detector fails on is set
    aside with the error, and those behind it are judged.
    """
    try:
        return _judge(stream, MOST_ITEMS)
    except _FAILURES:
        log.exception(
            "judging %s of %s failed; its oldest batch is judged alone", stream.signal, stream.source
        )
    try:
        return _judge(stream, 1)
    except _FAILURES as error:
        log.exception("judging the oldest batch of %s of %s failed", stream.signal, stream.source)
        return _set_aside(stream, error)


def _judge(stream: StreamKey, most_items: int) -> Judged | None:
    """Judge at most so many items in one transaction."""
    with transaction.atomic():
        if not _lock(stream):
            return None
        row = _row_of(stream)
        batches = spool.waiting(stream, most_items)
        if not batches and not (row and row.is_open):
            return None
        origin = _origin(stream)
        one = _detector(stream, row, origin)
        found, seconds = _found(one, [body for _, body in batches])
        now = timezone.now()
        new = _store(one, found, origin, batches[-1][0].received_at if batches else now)
        _record(one, origin, now, seconds)
        _save(one, now, silence.heard(row, [batch.received_at for batch, _ in batches]))
        spool.finish([batch for batch, _ in batches])
    return Judged(stream, len(batches), sum(batch.items for batch, _ in batches), new)


def _waiting_streams() -> list[StreamKey]:
    with connection.cursor() as cursor:
        cursor.execute(_WAITING)
        return [StreamKey(*row) for row in cursor.fetchall()]


def _quiet_streams() -> list[StreamKey]:
    """The streams with something open that had no record for QUIET."""
    open_ones = DetectorStream.objects.filter(is_open=True, updated_at__lte=timezone.now() - QUIET)
    rows = open_ones.order_by("updated_at").values_list("signal", "service", "scope")[:_STREAMS]
    return [StreamKey(*row) for row in rows]


def _lock(stream: StreamKey) -> bool:
    """Lock a stream until the transaction's end; False where another worker has it."""
    name = "\n".join(("driftlock stream", stream.signal, stream.service, stream.scope))
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [name])
        got: bool = cursor.fetchone()[0]
    return got


def _row_of(stream: StreamKey) -> DetectorStream | None:
    return DetectorStream.objects.filter(pk=(stream.signal, stream.service, stream.scope)).first()


def _origin(stream: StreamKey) -> Origin:
    """The origin of a stream's findings. Raises ThresholdsError."""
    config, kind = active_config(), SIGNALS[stream.signal].kind
    about = {"via": "otlp", "service": stream.service, "scope": stream.scope or None}
    return Origin(stream.source, kind, config.pk, thresholds_for(config, kind), about=about)


def _detector(stream: StreamKey, row: DetectorStream | None, origin: Origin) -> StreamDetector:
    """The detector of a stream as it was saved, or a new one; with what analysts acknowledged."""
    parameters = parameters_for(origin.thresholds, REVIEWED)
    one = None
    if row:
        try:
            one = StreamDetector.load(stream, bytes(row.state), parameters)
        except StateError as error:
            log.warning("the detector of %s of %s starts again: %s", stream.signal, stream.source, error)
    one = one or StreamDetector(stream, parameters)
    if one.is_due("acknowledged", LEARNT_EVERY, time.time()):
        one.detector.acknowledge(acknowledged_of(origin.stream_type, origin.name, None))
    return one


def _found(one: StreamDetector, bodies: Sequence[bytes]) -> tuple[list[Finding], float]:
    """The findings of these bodies, or of what is open where there are none; and the seconds it took."""
    began = time.monotonic()
    if not bodies:
        return list(one.quiet()), time.monotonic() - began
    found: list[Finding] = []
    for body in bodies:
        _hold(len(body))
        found += one.feed(body)
    return found, time.monotonic() - began


def _hold(size: int) -> None:
    """Keep the stream for as long as a body of this size may take; the server then ends the transaction."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLD, [f"{HELD + size / SLOWEST:.3f}s"])


def _store(one: StreamDetector, found: Sequence[Finding], origin: Origin, untimed: datetime) -> int:
    """Store findings, each with the resource it came from; return how many are new."""
    rows = []
    for finding in found:
        resource = one.resource_of(finding)
        about = {**origin.about, "resource": resource or None}
        rows.append(row_of(finding, replace(origin, host=host_of(resource), about=about), untimed))
    return store(rows, ACTOR, origin.name)[0] if rows else 0


def _record(one: StreamDetector, origin: Origin, now: datetime, seconds: float) -> None:
    """Record the windows tested since the last time, so that statistics know how many there were."""
    detector, former = one.detector, one.recorded
    one.seconds += seconds
    is_due = one.is_due("recorded", RECORDED_EVERY, time.time())
    tested = detector.windows_tested - former.get("tested", 0)
    if tested <= 0 or not is_due:
        return
    counts = Counts(
        kind=origin.stream_type,
        events=detector.events_seen - former.get("events", 0),
        windows_tested=tested,
        windows_flagged=detector.windows_flagged - former.get("flagged", 0),
        last_line=detector.events_seen,
        first=one.first,
        last=one.last,
        key=origin.name,
        seconds=one.seconds,
    )
    detection = Detection({origin.stream_type: origin}, ACTOR, now, Report(counts))
    detection.record(part=f"{now.isoformat()}")
    one.recorded = {
        "events": detector.events_seen,
        "tested": detector.windows_tested,
        "flagged": detector.windows_flagged,
    }
    one.first, one.seconds = None, 0.0


def _save(one: StreamDetector, now: datetime, heard: dict[str, Any]) -> None:
    state, is_open = one.saved()
    stream = one.key
    named = {"signal": stream.signal, "service": stream.service, "scope": stream.scope}
    values = {"state": state, "is_open": is_open, "updated_at": now, **heard}
    if not DetectorStream.objects.filter(**named).update(**values):
        DetectorStream.objects.create(**named, **values)


def _set_aside(stream: StreamKey, error: Exception) -> Judged | None:
    """Mark the oldest batch of a stream as failed; it is kept with its body and the error."""
    with transaction.atomic():
        if not _lock(stream):
            return None
        batches = [batch for batch, _ in spool.waiting(stream, 1)]
        spool.fail(batches, f"{type(error).__name__}: {error}"[:500])
        if not batches:
            DetectorStream.objects.filter(pk=(stream.signal, stream.service, stream.scope)).update(
                is_open=False
            )
    return Judged(stream, 0, 0, 0)
