"""Reports of detectors that follow a source, and which of those detectors have fallen silent.

A detector that stops being fed finds nothing, which looks like a quiet system. So each one that follows a
source writes a row of metric_type "heartbeat" into performance_metrics: every INTERVAL while it runs, as soon
as its source is silent for longer than is usual for it, when lines arrive again, and when it is stopped. One
that was killed, or whose machine is gone, is known by the report that does not come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.utils import timezone

from anomalies.detection.lines.words import duration
from anomalies.models import PerformanceMetric
from anomalies.queries.bounded.sql import Sql
from anomalies.queries.bounded.together import Read, Rows, moment

HEARTBEAT = "heartbeat"  # the metric_type of a detector's report
INTERVAL = 900.0  # seconds between two reports of a detector that runs
KEPT = timedelta(days=7)  # a detector that last reported before that is forgotten

# A source is silent after three times its longest pause so far, and not before five minutes; while few pauses
# are known, after an hour. Three times, because the longest of n pauses is exceeded once in n + 1 even where
# nothing changes, and seldom by that much.
_FACTOR, _LEAST, _KNOWN_AFTER, _UNKNOWN = 3.0, 300.0, 20, 3600.0

State = Literal["running", "silent", "stopped", "overdue"]

_LATEST = f"""
    SELECT DISTINCT ON (endpoint, host) endpoint, host, timestamp, metadata ->> 'state', error_message,
           metadata ->> 'interval_s'
    FROM (SELECT *, coalesce(metadata ->> 'host', '') AS host FROM {PerformanceMetric._meta.db_table}
          WHERE metric_type = %s AND timestamp BETWEEN %s AND %s) AS reports
    ORDER BY endpoint, host, timestamp DESC, id DESC
"""  # noqa: S608 -- the name of a table of ours


@dataclass(slots=True)
class Heartbeat:
    """The reports of one detector about its source. ``write`` stores a state and its message; times are in
    seconds of a clock that only goes forward. ``missing`` says that there is no such file, '' for one."""

    write: Callable[[State, str], None]
    heard: float  # when lines last arrived, and at first when following began
    missing: str = ""
    _longest: float = 0.0
    _pauses: int = 0
    _reported: float | None = None
    _state: State = "running"

    def lines_came(self, now: float) -> None:
        """Note that lines arrived. A pause that was reported as silence counts as usual from now on."""
        self._longest = max(self._longest, now - self.heard)
        self._pauses += 1
        self.heard = now

    def report(self, now: float) -> None:
        """Write a report where the state has changed, or one is due."""
        silent = bool(self.missing) or now - self.heard > patience(self._longest, self._pauses)
        state: State = "silent" if silent else "running"
        if state != self._state or self._reported is None or now - self._reported >= INTERVAL:
            self._write(state, now)

    def stop(self, now: float) -> None:
        """Write that the detector was stopped by a person, which is no alarm."""
        self._write("stopped", now)

    def _write(self, state: State, now: float) -> None:
        message = ""
        if state == "silent" and self.missing:
            message = f"waiting: {self.missing}"
        elif state == "silent":
            message = silence("lines", now - self.heard, self._longest, self._pauses)
        self.write(state, message)
        self._state, self._reported = state, now


def patience(longest: float, pauses: int) -> float:
    """Return after how many seconds a source is silent, by its longest pause so far and their number."""
    return max(_LEAST, _FACTOR * longest) if pauses >= _KNOWN_AFTER else _UNKNOWN


def silence(what: str, seconds: float, longest: float, pauses: int) -> str:
    """Say how long nothing has come, and the longest pause before where that is known."""
    message = f"no {what} for {duration(seconds)}"
    known = f"; the longest earlier pause was {duration(longest)}"
    return message + known if pauses >= _KNOWN_AFTER else message


def store_report(
    source: str, host: str | None, state: State, message: str, interval: float = INTERVAL
) -> None:
    """Store a report of the detector of this source, which reports every ``interval`` seconds."""
    PerformanceMetric.objects.create(
        metric_type=HEARTBEAT,
        endpoint=source[:255],
        duration_ms=0,
        success=state != "silent",
        error_message=message or None,
        metadata={"state": state, "host": host, "interval_s": round(interval)},
    )


@dataclass(frozen=True, slots=True)
class DetectorState:
    """The last that is known of a detector. ``message`` says what is wrong with it, '' where nothing is."""

    source: str
    host: str
    state: State
    reported_at: datetime
    message: str

    @property
    def name(self) -> str:
        """The source and its host."""
        return f"{self.source} on {self.host}" if self.host else self.source


def detectors(now: datetime | None = None) -> list[DetectorState]:
    """The detectors that reported within KEPT, those that need attention first, then by name."""
    return detectors_read(now or timezone.now()).now()


def detectors_read(now: datetime) -> Read[list[DetectorState]]:
    """The read of ``detectors``."""
    return Read(
        Sql(_LATEST, (HEARTBEAT, now - KEPT, now + timedelta(days=1))),
        lambda rows: _in_order(now, rows),
        {2: moment},
    )


def _in_order(now: datetime, rows: Rows) -> list[DetectorState]:
    states = [_state_of(now, *row) for row in rows]
    return sorted(states, key=lambda one: (not one.message, one.state == "stopped", one.name))


def _state_of(
    now: datetime, source: str | None, host: str, when: datetime, state: str, message: str | None, every: str
) -> DetectorState:
    interval = int(every) if every and every.isdecimal() and len(every) < 6 else round(INTERVAL)
    since = (now - when).total_seconds()
    if state != "stopped" and since > 2 * max(interval, 1):
        late = f"no report for {duration(since)}; it reports every {duration(interval)}"
        return DetectorState(source or "–", host, "overdue", when, late)
    if state == "silent":
        return DetectorState(source or "–", host, "silent", when, message or "no lines are arriving")
    return DetectorState(source or "–", host, "stopped" if state == "stopped" else "running", when, "")
