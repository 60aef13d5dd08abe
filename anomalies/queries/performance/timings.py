"""Durations of a process, summed up by kind and name, and stored every few minutes as a row for each.

A row holds how many there were, how many failed, and a histogram of the durations with fixed edges, a
factor of 1.25 apart from 1 ms on. Histograms with the same edges add up over rows and processes without a
loss, and a percentile read from one is at most 12 % off, half the width of a part. Source: the relative-error
sketches of Masson, Rim and Lee, "DDSketch", PVLDB 12(12), 2019.

Rows are stored with the first duration after that time: a process that is asked nothing stores its last ones
when it is asked again. What was not stored yet is lost when the process ends.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil, log2, sqrt
from typing import Literal, get_args

from django.db import Error, connection

from anomalies.models import PerformanceMetric

Kind = Literal["request", "job", "ingest"]  # the metric_type of a row

FACTOR = 1.25
PARTS = 64  # of a histogram: the last one begins at 21 minutes
FIRST, LONGEST = 10.0, 300.0  # seconds between two rows: few at first, so that a new process is seen soon
KEPT = timedelta(days=30)
_SWEPT = timedelta(days=60)  # rows older than that were deleted before, or stay: reading them again costs
_FORGOTTEN_AT_ONCE = 1_000
_MOST = 400  # names in a process; the durations of others are not counted
_LONGEST_ERROR = 500

_FORGET = f"""
    DELETE FROM performance_metrics WHERE id IN (
        SELECT id FROM performance_metrics
        WHERE metric_type = ANY (%s) AND timestamp >= now() - %s::interval
              AND timestamp < now() - %s::interval
        ORDER BY timestamp LIMIT {_FORGOTTEN_AT_ONCE} FOR UPDATE SKIP LOCKED)
"""  # noqa: S608 -- a constant

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Sum:
    """The durations of one name since the last row."""

    seconds: float = 0.0
    longest: float = 0.0
    failed: int = 0
    error: str = ""
    parts: Counter[int] = field(default_factory=Counter)

    def add(self, seconds: float, error: str) -> None:
        self.seconds += seconds
        self.longest = max(self.longest, seconds)
        self.parts[part_of(seconds)] += 1
        if error:
            self.failed += 1
            self.error = error[:_LONGEST_ERROR]


class Timings:
    """The durations of this process. Any thread may add one; it takes microseconds and never fails.

    Where ``in_background`` is set, rows are written by a thread with a connection of its own, so that no
    request waits for them; else by whoever adds the one that is due, in whose transaction they must not be.
    """

    def __init__(self, *, in_background: bool = True) -> None:
        self._in_background = in_background
        self._begin()
        # A process that was forked counts its own; its parent's are in its parent's rows.
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._sums: dict[tuple[Kind, str], _Sum] = {}
        self._pause = FIRST
        self._due = time.monotonic() + FIRST

    def add(self, kind: Kind, name: str, seconds: float, error: str = "") -> None:
        """Count a duration; ``error`` says why it failed, '' where it did not."""
        now = time.monotonic()
        with self._lock:
            one = self._sums.get((kind, name))
            if one is None:
                if len(self._sums) >= _MOST:
                    return
                one = self._sums[kind, name] = _Sum()
            one.add(seconds, error)
            if now < self._due:
                return
            taken = self._take(now)
        if not self._in_background:
            _try_to_store(taken)
            return
        try:
            threading.Thread(target=_store_and_close, args=(taken,), daemon=True).start()
        except RuntimeError as error:  # no thread can be started: the machine has other troubles
            log.info("durations of %s names are lost: %s", len(taken), error)

    def store(self) -> None:
        """Store what there is now, in the caller's connection."""
        with self._lock:
            taken = self._take(time.monotonic())
        _try_to_store(taken)

    def _take(self, now: float) -> list[PerformanceMetric]:
        self._pause = min(LONGEST, 2 * self._pause)
        self._due = now + self._pause
        sums, self._sums = self._sums, {}
        return [_row(kind, name, one) for (kind, name), one in sums.items()]


def store_run(kind: Kind, name: str, seconds: float, error: str = "", **about: int) -> None:
    """Store one run by itself, with what else is known of it; an unreachable database is no error of it."""
    one = _Sum()
    one.add(seconds, error)
    row = _row(kind, name, one)
    row.metadata |= about
    _try_to_store([row])


def forget_old() -> bool:
    """Delete a batch of durations older than KEPT; True if there may be more. Other rows stay."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, [list(get_args(Kind)), f"{_SWEPT.days} days", f"{KEPT.days} days"])
        found: int = cursor.rowcount
    return found == _FORGOTTEN_AT_ONCE


def part_of(seconds: float) -> int:
    """Return the part of a histogram that a duration falls into, from 0 on."""
    milliseconds = seconds * 1000
    return min(PARTS - 1, ceil(log2(milliseconds) / log2(FACTOR))) if milliseconds > 1 else 0


def middle_of(part: int) -> float:
    """Return the duration, in seconds, that stands for a part: the geometric middle of its edges."""
    return FACTOR**part / sqrt(FACTOR) / 1000 if part else 0.001


def _row(kind: Kind, name: str, one: _Sum) -> PerformanceMetric:
    count = sum(one.parts.values())
    return PerformanceMetric(
        metric_type=kind,
        endpoint=name[:255],
        duration_ms=min(round(1000 * one.seconds / count), 2**31 - 1),
        success=not one.failed,
        error_message=one.error or None,
        metadata={
            "count": count,
            "failed": one.failed,
            "longest_ms": round(1000 * one.longest),
            "parts": {str(part): times for part, times in sorted(one.parts.items())},
        },
    )


def _store_and_close(rows: list[PerformanceMetric]) -> None:
    try:
        _try_to_store(rows)
    finally:
        connection.close()


def _try_to_store(rows: list[PerformanceMetric]) -> None:
    """Store rows; a database that takes none costs these figures and nothing else."""
    try:
        PerformanceMetric.objects.bulk_create(rows)
    except Error as error:
        log.info("durations of %s names are lost: %s", len(rows), str(error).partition("\n")[0])
