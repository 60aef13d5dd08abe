"""The loop of a worker: one step of each job in turn, until it is stopped.

A database that is lost is waited for: all jobs need it. A job that fails for another reason waits by itself,
for longer each time, and the others continue.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from django.db import Error, connection

from anomalies.queries.performance.timings import Timings
from anomalies.safe_text import first_line

from .heartbeats import Heartbeat
from .jobs import Job

IDLE = 1.0  # seconds to wait where no job has anything to do
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds after a failure; doubled each time

log = logging.getLogger(__name__)

T = TypeVar("T")


class Stopping(Protocol):
    """A request to stop that ends a wait (``sources.follow.Stop``)."""

    def is_set(self) -> bool: ...

    def wait(self, seconds: float) -> None: ...


class LostDatabase(Exception):
    """The database does not answer; the message is the first line of what the driver said."""


@dataclass(slots=True)
class Worker:
    """A worker. ``say`` gets the messages for a person; ``clock`` gives seconds and only goes forward."""

    jobs: Sequence[Job]
    stop: Stopping
    say: Callable[[str], None]
    heartbeat: Heartbeat
    clock: Callable[[], float] = time.monotonic
    failed: set[str] = field(default_factory=set)  # the jobs whose last step failed
    timings: Timings = field(default_factory=lambda: Timings(in_background=False))
    _pauses: dict[str, float] = field(default_factory=dict)  # of the jobs that failed
    _due: dict[str, float] = field(default_factory=dict)  # the time of each job's next step
    _lost: float | None = None  # the last wait for the database
    _lost_since: float = 0.0

    def run(self, *, once: bool = False) -> None:
        """Work until ``stop`` is set; ``once``: until no job finds anything to do."""
        while not self.stop.is_set():
            try:
                found = self._one_step_each()
            except LostDatabase as error:
                self._wait_for_database(str(error))
                continue
            if once and not found:
                break
            if not found:
                self.stop.wait(IDLE)
        self._report_the_end()

    def _one_step_each(self) -> bool:
        """Take a step of each job that does not wait; True if one found something. Raises LostDatabase."""
        _asked(lambda: self.heartbeat.report(self.clock()))
        found = False
        for job in self.jobs:
            if self.stop.is_set():
                break
            if self.clock() >= self._due.get(job.name, 0.0):
                found |= self._step(job)
        self._note_that_it_answers()
        return found

    def _step(self, job: Job) -> bool:
        began = time.perf_counter()
        try:
            found = _asked(job.run_once)
        except LostDatabase:
            raise
        except Exception as error:  # one job must not end the others
            self._note_failure(job, error)
            self.timings.add("job", job.name, time.perf_counter() - began, first_line(error))
            return False
        self.timings.add("job", job.name, time.perf_counter() - began)
        self._pauses.pop(job.name, None)
        self.failed.discard(job.name)
        self._due[job.name] = self.clock() + (0 if found else job.every)
        return found

    def _note_failure(self, job: Job, error: Exception) -> None:
        pause = _longer(self._pauses.get(job.name))
        self._pauses[job.name] = pause
        self._due[job.name] = self.clock() + pause
        self.failed.add(job.name)
        if not isinstance(error, Error):
            log.error("job %s failed", job.name, exc_info=error)
        self.say(f"job {job.name} failed: {first_line(error)}; it is tried again in {pause:g} s.")

    def _wait_for_database(self, why: str) -> None:
        if self._lost is None:
            self._lost_since = self.clock()
            self.say(f"the database does not answer: {why}; waiting for it.")
        self._lost = _longer(self._lost)
        self.stop.wait(self._lost)

    def _note_that_it_answers(self) -> None:
        if self._lost is not None:
            self.say(f"the database answers again after {self.clock() - self._lost_since:.0f} s.")
            self._lost = None

    def _report_the_end(self) -> None:
        self.timings.store()
        try:
            _asked(lambda: self.heartbeat.stop(self.clock()))
        except (LostDatabase, Error) as error:
            self.say(f"this worker's stop could not be recorded: {first_line(error)}")


def _asked(question: Callable[[], T]) -> T:
    """Return the answer. Raises LostDatabase where it failed and the connection is lost, which is closed."""
    try:
        return question()
    except Error as error:
        if connection.connection is not None and connection.is_usable():
            raise
        connection.close()
        raise LostDatabase(first_line(error)) from error


def _longer(former: float | None) -> float:
    """The seconds of the pause after a former one: twice as long, up to LONGEST_PAUSE."""
    return FIRST_PAUSE if former is None else min(2 * former, LONGEST_PAUSE)
