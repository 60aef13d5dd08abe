"""Silence of a stream that came by OTLP, reported as that of a followed file is (``ingest.heartbeats``).

A service that stops sending makes no request to notice, so the worker looks at the streams. One is
silent after three times its longest pause, by the times at which its requests came; requests that wait to be
judged are no silence. A stream is reported when that changes, and every INTERVAL. One that was not heard for
a week has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from anomalies.models import DetectorStream, IncomingBatch
from anomalies.sources.otlp import StreamKey

from ..heartbeats import KEPT, State, patience, silence, store_report

INTERVAL = 43_200.0  # seconds between two reports of a stream: there may be thousands of them
_AT_ONCE = 500  # streams of one step

_LOOKED_AT = f"""
    SELECT signal, service, scope, heard_at, coalesce(longest_pause, 0), coalesce(pauses, 0),
           is_silent, reported_at
    FROM {DetectorStream._meta.db_table} AS stream
    WHERE heard_at IS NOT NULL
      AND NOT EXISTS (SELECT FROM {IncomingBatch._meta.db_table} AS batch
                      WHERE done_at IS NULL AND batch.signal = stream.signal
                        AND batch.service = stream.service AND batch.scope = stream.scope)
    ORDER BY reported_at NULLS FIRST, signal, service, scope
"""  # noqa: S608 -- the names of tables of ours


@dataclass(frozen=True, slots=True)
class _Heard:
    """A stream, when it was last heard, and what was last reported about it."""

    key: StreamKey
    heard_at: datetime
    longest: float
    pauses: int
    was_silent: bool | None
    reported_at: datetime | None

    def is_silent(self, now: datetime) -> bool:
        return self._since(now) > patience(self.longest, self.pauses)

    def has_ended(self, now: datetime) -> bool:
        return self._since(now) > KEPT.total_seconds()

    def is_due(self, now: datetime) -> bool:
        if self.reported_at is None or self.is_silent(now) != self.was_silent or self.has_ended(now):
            return True
        return (now - self.reported_at).total_seconds() >= INTERVAL

    def state(self, now: datetime) -> State:
        return "stopped" if self.has_ended(now) else "silent" if self.is_silent(now) else "running"

    def message(self, now: datetime) -> str:
        silent = self.is_silent(now)
        return silence("records", self._since(now), self.longest, self.pauses) if silent else ""

    def _since(self, now: datetime) -> float:
        return (now - self.heard_at).total_seconds()


def heard(stream: DetectorStream | None, times: Sequence[datetime]) -> dict[str, Any]:
    """The columns of a stream's row after requests came at these times, in their order."""
    last = stream.heard_at if stream else None
    longest = (stream.longest_pause if stream else None) or 0.0
    pauses = (stream.pauses if stream else None) or 0
    for time in times:
        if last is not None:
            longest, pauses = max(longest, (time - last).total_seconds()), pauses + 1
        last = time if last is None else max(last, time)
    return {"heard_at": last, "longest_pause": longest, "pauses": pauses}


def report_once(now: datetime | None = None) -> bool:
    """Report the streams that fell silent, are heard again, or are due; True if there are more."""
    now = now or timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(_LOOKED_AT)
        streams = [_Heard(StreamKey(*row[:3]), *row[3:]) for row in cursor.fetchall()]
    due = [stream for stream in streams if stream.is_due(now)]
    for stream in due[:_AT_ONCE]:
        _report(stream, now)
    return len(due) > _AT_ONCE


def _report(stream: _Heard, now: datetime) -> None:
    """Report a stream, unless another worker has done so since it was read."""
    row = DetectorStream.objects.filter(
        pk=(stream.key.signal, stream.key.service, stream.key.scope), reported_at=stream.reported_at
    )
    with transaction.atomic():
        values = {"is_silent": stream.is_silent(now), "reported_at": now}
        if row.update(**values, **({"heard_at": None} if stream.has_ended(now) else {})):
            name = f"{stream.key.source} ({stream.key.signal})"
            store_report(name, None, stream.state(now), stream.message(now), INTERVAL)
