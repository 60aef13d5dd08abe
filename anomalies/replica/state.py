"""The replica as this process knows it: whether a request may read from it, and if not, why.

After a failure the replica is not asked for PAUSE seconds, so that a dead one costs one request its time to
connect and not each of them. What is asked of the replica before each request takes the place of Django's
health check of a kept connection; the primary's position is asked for once a second.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, InterfaceError, connections

from .fitness import is_of_another_server, unapplied
from .lag import Lag, Replayed, Sample
from .timeout import socket_closed_after

log = logging.getLogger(__name__)

ALIAS = "replica"
PAUSE = 5.0
_SAMPLED_EVERY = 1.0
_VERIFIED_EVERY = 60.0
_ANSWERS_WITHIN = 1.0  # seconds; a server that is alive takes a millisecond
_CONNECTS_WITHIN = 3.0  # through a pooler too, which takes a client before it has a server

# What is flushed: what is not yet, a replica can't have.
_PRIMARY = """
    SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint, extract(epoch FROM clock_timestamp())::float8
"""
_REPLICA = """
    SELECT pg_is_in_recovery(), (pg_last_wal_replay_lsn() - '0/0')::bigint,
           extract(epoch FROM replayed)::float8,
           (extract(epoch FROM clock_timestamp() - replayed) * 1000)::bigint
    FROM pg_last_xact_replay_timestamp() AS replayed
"""


class Standing(StrEnum):
    """Reads go to the replica, or the reason why they don't."""

    UNASKED = "not asked yet"
    USED = "in use"
    BEHIND = "too far behind"
    UNREACHABLE = "unreachable"
    NO_STANDBY = "no standby: it was promoted, or never was one"
    OTHER_SERVER = "a standby of another server"
    OTHER_SCHEMA = "without the migrations of this version"
    UNKNOWN = "not compared: the primary does not give its position"


@dataclass(frozen=True, slots=True)
class Status:
    """The replica when it was last asked; ``age`` in seconds, None if unknown.

    ``since_commit`` are the milliseconds since its last transaction was committed, by its clock.
    """

    standing: Standing
    age: float | None = None
    position: int = 0
    since_commit: int | None = None


def is_configured() -> bool:
    """True if there is a replica in the settings."""
    return ALIAS in connections.settings


class Replica:
    """The replica of this process; threads share what is known, each has its own connection."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lag = Lag()
        self._not_asked_until = self._verified_until = 0.0
        self.last = self._failed = Status(Standing.UNASKED)

    def ask(self) -> Status:
        """Ask how it stands, unless it failed a moment ago."""
        now = time.monotonic()
        if now < self._not_asked_until:
            return self._failed  # not the last, which may be of a thread that asked just before
        try:
            status = self._asked() if self._has_sample(now) else Status(Standing.UNKNOWN)
        except Error as error:
            return self.failed(error)
        if status.standing != self.last.standing:
            log.log(
                logging.INFO if status.standing == Standing.USED else logging.WARNING,
                "the replica is %s",
                status.standing,
            )
        self.last = status
        if status.standing not in (Standing.USED, Standing.BEHIND):
            self._pause(status)
        return status

    def failed(self, error: Error) -> Status:
        """Ask it no more for a while: it can't be reached, or could not answer."""
        log.warning("the replica is not asked for %g s: %s", PAUSE, str(error).strip())
        self.last = Status(Standing.UNREACHABLE)
        self._pause(self.last)
        return self.last

    def _pause(self, status: Status) -> None:
        self._failed = status
        self._not_asked_until = time.monotonic() + PAUSE
        self._verified_until = 0.0
        connections[ALIAS].close()

    def _has_sample(self, now: float) -> bool:
        """True if the primary's position of the last second is known; a primary that recovers has none."""
        newest = self._lag.newest
        if newest and now - newest.at < _SAMPLED_EVERY:
            return True
        at = time.monotonic()  # before the answer: the position is of this time or a later one
        try:
            position, clock = _row(DEFAULT_DB_ALIAS, _PRIMARY)
        except Error as error:
            log.warning("the primary does not give its position: %s", str(error).strip())
            return False
        with self._lock:
            self._lag.add(Sample(at, position, clock))
        return True

    def _asked(self) -> Status:
        in_recovery, position, committed, since_commit = self._answer()
        if not in_recovery:
            return Status(Standing.NO_STANDBY)
        now = time.monotonic()
        if now >= self._verified_until:
            if unfit := self._unfit():
                return Status(unfit)
            self._verified_until = now + _VERIFIED_EVERY
        with self._lock:
            age = self._lag.age(Replayed(position, committed), now)
        fresh = age is not None and age <= settings.REPLICA_MAX_LAG
        return Status(Standing.USED if fresh else Standing.BEHIND, age, position, since_commit)

    def _unfit(self) -> Standing | None:
        wrapper = connections[ALIAS]
        with socket_closed_after(_CONNECTS_WITHIN, lambda: wrapper.connection):
            if is_of_another_server(wrapper):
                return Standing.OTHER_SERVER
            return Standing.OTHER_SCHEMA if unapplied(wrapper) else None

    def _answer(self) -> Any:
        """The replica's answer; a kept connection may have been lost, so a second one is tried."""
        wrapper = connections[ALIAS]  # of this thread; the time is kept in another
        if wrapper.connection is not None:
            with suppress(Error), socket_closed_after(_ANSWERS_WITHIN, lambda: wrapper.connection):
                return _row(ALIAS, _REPLICA)
            wrapper.close()
        with socket_closed_after(_CONNECTS_WITHIN, lambda: wrapper.connection):
            return _row(ALIAS, _REPLICA)


def _row(alias: str, statement: str) -> Any:
    """The row of a statement, asked for below Django, as a health check is: no page's statement."""
    connection = connections[alias]
    connection.ensure_connection()
    with connection.wrap_database_errors:
        return connection.connection.execute(statement).fetchone()


def close_quietly() -> None:
    """Close this thread's connection to the replica, in whatever state it is."""
    with suppress(Error, InterfaceError):
        connections[ALIAS].close()


replica = Replica()
