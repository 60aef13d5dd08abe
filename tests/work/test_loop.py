"""The loop of a worker: every job in turn, failures that hold up nobody, a lost database, and its end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from django.db import DatabaseError, OperationalError, connection

from anomalies.models import PerformanceMetric
from anomalies.work.heartbeats import Heartbeat
from anomalies.work.jobs import Job
from anomalies.work.loop import Worker
from tests.support.processes import manage, wait_until


@dataclass
class Shift:
    """A worker whose clock is moved by its waits. Steps are scripted: a value to return, or an error."""

    said: list[str] = field(default_factory=list)
    took: list[tuple[str, float]] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)
    now: float = 0.0
    until: float = 1_000.0
    stopped: bool = False

    def is_set(self) -> bool:
        return self.stopped or self.now >= self.until

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def job(self, name: str, script: Iterator[object] | list[object], every: float = 1.0) -> Job:
        steps = iter(script)

        def run_once() -> bool:
            self.took.append((name, self.now))
            step = next(steps, False)
            if callable(step):
                step = step()
            if isinstance(step, Exception):
                raise step
            return bool(step)

        return Job(name, name, run_once, every)

    def run(self, *jobs: Job, once: bool = False) -> Worker:
        worker = Worker(jobs, self, self.said.append, Heartbeat(self.reports.append), lambda: self.now)
        worker.run(once=once)
        return worker

    def times_of(self, name: str) -> list[float]:
        return [when for job, when in self.took if job == name]


@pytest.fixture
def shift(db) -> Shift:
    connection.ensure_connection()
    return Shift()


def lost() -> Exception:
    """The error of a statement whose connection is gone."""
    connection.close()
    return OperationalError("server closed the connection unexpectedly\n\tThis probably means…")


def test_each_job_takes_a_step_in_turn_until_none_finds_anything(shift):
    shift.run(shift.job("a", [True, True]), shift.job("b", [True]), once=True)
    assert "".join(name for name, _ in shift.took) == "ababa"


def test_a_job_that_found_nothing_waits_for_its_time(shift):
    shift.until = 10
    shift.run(shift.job("often", []), shift.job("seldom", [], every=4))
    assert shift.times_of("seldom") == [0, 4, 8]
    assert len(shift.times_of("often")) == 10


def test_a_stop_is_noticed_between_two_steps(shift):
    def stop() -> bool:
        shift.stopped = True
        return True

    shift.run(shift.job("a", [stop]), shift.job("b", []))
    assert shift.took == [("a", 0)]
    assert shift.reports == ["running", "stopped"]


def test_a_failing_job_is_tried_again_later_each_time_and_the_others_continue(shift):
    shift.until = 70
    shift.run(shift.job("bad", [DatabaseError("refused\nDETAIL: more")] * 9), shift.job("good", []))
    assert shift.times_of("bad") == [0, 1, 3, 7, 15, 31, 61]
    assert len(shift.times_of("good")) == 70
    assert shift.said[0] == "job bad failed: refused; it is tried again in 1 s."


def test_a_job_that_works_again_is_no_failure_any_more(shift):
    shift.until = 5
    worker = shift.run(shift.job("bad", [ValueError("of ours"), True]))
    assert worker.failed == set()


def test_of_one_pass_it_says_which_jobs_failed(shift):
    assert shift.run(shift.job("bad", [ValueError("of ours")]), once=True).failed == {"bad"}


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_lost_database_is_said_once_waited_for_and_its_return_is_said(shift):
    shift.until = 40
    shift.run(shift.job("a", [lost, lost, lost, lost]))
    assert shift.times_of("a")[:5] == [0, 1, 3, 7, 15]
    assert shift.said == [
        "the database does not answer: server closed the connection unexpectedly; waiting for it.",
        "the database answers again after 15 s.",
    ]


def test_a_worker_reports_every_two_minutes(shift):
    shift.until = 400
    shift.run(shift.job("a", []))
    assert shift.reports == ["running"] * 4 + ["stopped"]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_command_works_until_a_signal_and_ends_with_0():
    reported: Callable[[], object] = PerformanceMetric.objects.filter(metric_type="worker").exists
    with manage("work", "--jobs", "snoozes") as process:
        wait_until(reported)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=600)[1].decode()
    assert process.returncode == 0
    assert said.splitlines() == ["working: snoozes", "stopped"]
