"""Requests that go on while something happens to the replica: who decides and looks, and who only reads.

Each answer is checked: its status, that who decided sees it at once, and that nobody is shown less than what
was committed longer ago than a replica may be behind.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import connections
from django.test import Client

from tests.api.programs import Program
from tests.support.factories import make_anomaly, make_user
from tests.support.forms import LIST, page_of, send
from tests.support.processes import wait_until

PAGES = [
    LIST,
    "/admin/?overview",
    "/admin/anomalies/streamstatistics/",
    "/admin/anomalies/auditlog/shift/",
    "/admin/anomalies/auditlog/",
    f"{LIST}export/csv/",
]
_CLOCKS = 0.1  # seconds by which times of two clocks may be apart in a test


class Traffic:
    """The people and programs, what they wrote, and what was wrong."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.rounds: dict[str, int] = {}
        self._decided: list[tuple[str, float]] = []  # ids, and when the decision was known to be stored
        self._ends = threading.Event()
        analyst, lead = make_user("analyst", "decider"), make_user("lead", "reader")
        self._decider, self._reader = Client(), Client()
        self._decider.force_login(analyst)
        self._reader.force_login(lead)
        self._program = Program(lead, ("read",))

    def decide(self) -> None:
        """Store an anomaly, decide about it at the desk, and look at the list at once."""
        anomaly = make_anomaly(timestamp=datetime.now(UTC))
        answer = send(self._decider, page_of(anomaly), action="acknowledge")
        self._expect(answer.status_code == 302, f"deciding: {answer.status_code}")
        self._decided.append((str(anomaly.pk), time.monotonic()))
        page = self._decider.get(LIST, {"status": "acknowledged", "single": "1"})
        self._expect(str(anomaly.pk) in page.content.decode(), "an own decision is not shown")

    def read_by_program(self) -> None:
        """List the newest anomalies by the API."""
        due = time.monotonic() - settings.REPLICA_MAX_LAG - _CLOCKS
        expected = {key for key, stored in list(self._decided) if stored < due}
        answer = self._program.get("/api/v1/anomalies", {"limit": 500, "fields": "id,status"})
        self._expect(answer.status_code == 200, f"the API: {answer.status_code}")
        rows = answer.json().get("anomalies", [])
        missing = expected - {row["id"] for row in rows if row["status"] == "acknowledged"}
        self._expect(len(rows) < 500 and not missing, f"{len(missing)} older decisions are not shown")

    def read_at_the_desk(self) -> None:
        """Open every page that may be read from the replica."""
        for path in PAGES:
            answer = self._reader.get(path)
            size = len(b"".join(answer))
            self._expect((answer.status_code, size > 100) == (200, True), f"{path}: {answer.status_code}")

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.wrong.append(otherwise)

    def go_on(self, rounds: int = 3) -> None:
        """Wait until everybody has done so many more rounds."""
        former = dict(self.rounds)
        wait_until(lambda: self.wrong or all(self.rounds[who] >= former[who] + rounds for who in former), 120)
        assert self.wrong == []

    @contextmanager
    def running(self) -> Iterator[Traffic]:
        """Inside, all of them go on, each in a thread; an exception is a wrong answer."""
        works = [self.decide, self.read_by_program, self.read_by_program, self.read_at_the_desk]
        names = [f"{work.__name__} {number}" for number, work in enumerate(works)]
        self.rounds = dict.fromkeys(names, 0)
        with ThreadPoolExecutor(len(works)) as threads:
            done: list[Any] = [threads.submit(self._repeat, *each) for each in zip(names, works, strict=True)]
            try:
                yield self
            finally:
                self._ends.set()
        assert [each.exception() for each in done] == [None] * len(works)

    def _repeat(self, name: str, work: Callable[[], None]) -> None:
        try:
            while not self._ends.is_set():
                try:
                    work()
                except Exception as error:
                    self.wrong.append(f"{name}: {error!r}")
                    raise
                self.rounds[name] += 1
        finally:
            connections.close_all()
