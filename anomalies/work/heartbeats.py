"""Reports of workers, so that the desk can say that none runs.

As a detector that follows a source (``ingest.heartbeats``), a worker writes a row into performance_metrics
when it begins, every INTERVAL while it runs, and when it is stopped. One that was killed is known by the
report that does not come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.utils import timezone

from anomalies.models import PerformanceMetric
from anomalies.queries.bounded.sql import Sql
from anomalies.queries.bounded.together import Read, moment

WORKER = "worker"  # the metric_type of a worker's report
INTERVAL = 120.0  # seconds between two reports of a worker that runs
KEPT = timedelta(days=7)  # a worker that last reported before that is forgotten

State = Literal["running", "stopped", "overdue"]

_LATEST = f"""
    SELECT DISTINCT ON (endpoint) endpoint, timestamp, metadata ->> 'state',
           CASE jsonb_typeof(metadata -> 'jobs') WHEN 'array'
               THEN ARRAY(SELECT each FROM jsonb_array_elements_text(metadata -> 'jobs') AS each
                          WHERE each IS NOT NULL) END
    FROM {PerformanceMetric._meta.db_table}
    WHERE metric_type = %s AND timestamp BETWEEN %s AND %s
    ORDER BY endpoint, timestamp DESC, id DESC
"""  # noqa: S608 -- the name of a table of ours


@dataclass(slots=True)
class Heartbeat:
    """The reports of one worker. ``write`` stores a state; times are in seconds of a clock that only goes
    forward."""

    write: Callable[[State], None]
    _reported: float | None = None

    def report(self, now: float) -> None:
        """Write a report where one is due."""
        if self._reported is None or now - self._reported >= INTERVAL:
            self.write("running")
            self._reported = now

    def stop(self, now: float) -> None:
        """Write that the worker was stopped, which is no alarm."""
        if self._reported is not None:
            self.write("stopped")
            self._reported = now


def store_report(name: str, jobs: Sequence[str], state: State) -> None:
    """Store a report of the worker of this name, which runs these jobs."""
    PerformanceMetric.objects.create(
        metric_type=WORKER,
        endpoint=name[:255],
        duration_ms=0,
        metadata={"state": state, "jobs": list(jobs), "interval_s": round(INTERVAL)},
    )


@dataclass(frozen=True, slots=True)
class WorkerState:
    """The last that is known of a worker: overdue means that its report did not come."""

    name: str
    jobs: tuple[str, ...]
    state: State
    reported_at: datetime


def workers(now: datetime | None = None) -> list[WorkerState]:
    """The workers that reported within KEPT, by name."""
    return workers_read(now or timezone.now()).now()


def workers_read(now: datetime) -> Read[list[WorkerState]]:
    """The read of ``workers``."""
    return Read(
        Sql(_LATEST, (WORKER, now - KEPT, now + timedelta(days=1))),
        lambda rows: [_state_of(now, *row) for row in rows],
        {1: moment},
    )


def without_worker(found: list[WorkerState]) -> dict[str, datetime]:
    """The jobs that one of these workers ran and none runs now, each with the time of its last report."""
    last: dict[str, datetime] = {}
    for one in found:
        for job in one.jobs:
            last[job] = max(one.reported_at, last.get(job, one.reported_at))
    running = {job for one in found if one.state == "running" for job in one.jobs}
    return {job: when for job, when in sorted(last.items()) if job not in running}


def _state_of(
    now: datetime, name: str | None, when: datetime, state: str | None, jobs: list[str] | None
) -> WorkerState:
    named = tuple(jobs or ())
    if state == "stopped":
        return WorkerState(name or "–", named, "stopped", when)
    late = (now - when).total_seconds() > 2 * INTERVAL
    return WorkerState(name or "–", named, "overdue" if late else "running", when)
