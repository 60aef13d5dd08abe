"""The jobs that a worker runs: JOBS is their list, and the only place where one is added.

A job is done in steps. A step is a short transaction or a few, it leaves everything whole when the process is
killed within it, and several workers may run steps of one job at once: what one has locked, another one skips
(FOR UPDATE SKIP LOCKED).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from anomalies.ingest.otlp import Judge, report_once
from anomalies.notifications.collecting import collect_once
from anomalies.notifications.occasions import forget_seen, look_once
from anomalies.notifications.outbox import forget_old
from anomalies.notifications.sender import send_once
from anomalies.queries.hourly_rollup import fold_if_many
from anomalies.queries.performance.timings import forget_old as forget_timings
from anomalies.triage.snooze import wake


@dataclass(frozen=True, slots=True)
class Job:
    """A kind of work. ``run_once`` takes one step and returns True if it found something to do.

    The next step follows at once where it did, and otherwise after ``every`` seconds.
    """

    name: str
    words: str
    run_once: Callable[[], bool]
    every: float = 1.0


def _end_snoozes() -> bool:
    return bool(wake())


def _fold() -> bool:
    fold_if_many()
    return False  # it folds all there is in one step


_judge = Judge()


def _judge_otlp() -> bool:
    return _judge.run_once() is not None


def _forget() -> bool:
    return forget_old() | forget_seen()


JOBS: tuple[Job, ...] = (
    Job("snoozes", "ends the snoozes that are due", _end_snoozes, every=30),
    Job("otlp", "judges what came by OTLP", _judge_otlp),
    Job("silence", "reports which streams of OTLP are silent", report_once, every=30),
    Job("rollup", "folds the roll-up where many changes wait", _fold, every=30),
    Job("notifications", "assigns what arrived by ownership rules and adds it to digests", collect_once),
    Job("conditions", "looks at what is unassigned, stopped or silent, for such rules", look_once, every=15),
    Job("deliveries", "sends the digests that are due", send_once),
    Job(
        "old-deliveries",
        "deletes entries of the notification log that are older than 90 days",
        _forget,
        every=3600,
    ),
    Job("old-timings", "deletes durations that are older than 30 days", forget_timings, every=3600),
)
