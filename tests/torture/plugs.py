"""The plugs that are pulled: workers, their backends, the server, the disk; and the rounds that they end."""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from anomalies.audit import Actor
from anomalies.models import Anomaly, Status
from anomalies.triage.decisions import decide

from . import checks
from .checks import Findings
from .ground import Ground
from .ledger import read
from .worker import FILE_ROWS, Task, run_ingest, start

WORKERS = 4
_IN_A_ROUND = 25
_SHARED, _OWN = 800, 60  # anomalies
_HUNG = 600  # seconds that a worker may take to end


@dataclass
class Part:
    """One line of the report: what was done how often, and what was found."""

    name: str
    times: int = 0
    in_transaction: int = 0
    said: list[str] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)


class Round:
    """Workers at work between two looks at the database."""

    def __init__(self, ground: Ground, ids: list[UUID], dice: random.Random) -> None:
        self.ground, self.dice = ground, dice
        self.folder = Path(tempfile.mkdtemp(prefix="round-", dir=ground.server.folder))
        self.ids = [str(pk) for pk in ids]
        shared, own = ids[:_SHARED], ids[_SHARED:]
        self.tasks = [
            Task(slot, slot == 0, shared, own[slot * _OWN : (slot + 1) * _OWN], self.folder)
            for slot in range(WORKERS)
        ]
        self.pids: dict[int, int] = {}
        self.findings = Findings()

    def begin(self) -> None:
        """Remember what is, and start the workers."""
        self.mark, self.before = checks.last_entry(), checks.states(self.ids)
        for slot in range(WORKERS):
            self.start(slot)

    def start(self, slot: int) -> None:
        """A new process in the slot."""
        self.pids[slot] = start(self.tasks[slot], self.dice.getrandbits(64))

    def kill(self, slot: int) -> bool:
        """kill -9; whether its backend was in a transaction then."""
        pid = self.pids.pop(slot)
        os.kill(pid, signal.SIGSTOP)  # so that what is asked next is still so when it dies
        _, busy = self.ground.backends().get(self.tasks[slot].name, (0, False))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            self.findings.unexpected.append(f"worker {slot} had ended before it was killed")
        return busy

    def end(self) -> Findings:
        """Let the workers end, look, and make everything pending again."""
        (self.folder / "stop").touch()
        for slot, pid in self.pids.items():
            self._wait(slot, pid)
        self._wait_for_backends()
        ledger = list(read(self.folder))
        entries, now = checks.entries_since(self.mark, self.ids), checks.states(self.ids)
        self.findings.add(checks.check_decisions(self.before, entries, now, ledger))
        self._check_files({line["tag"]: False for line in ledger if line["event"] == "ingesting"})
        self._check_files({line["tag"]: True for line in ledger if line["event"] == "ingested"})
        self._finish_files({line["tag"] for line in ledger if line["event"] == "ingesting"})
        _reopen_all(self.ids)
        shutil.rmtree(self.folder)
        return self.findings

    def _wait(self, slot: int, pid: int) -> None:
        until = time.monotonic() + _HUNG
        while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0) and time.monotonic() < until:
            time.sleep(0.01)
        if ended == (0, 0):
            os.kill(pid, signal.SIGKILL)
            ended = os.waitpid(pid, 0)
        if code := os.waitstatus_to_exitcode(ended[1]):
            self.findings.unexpected.append(f"worker {slot} ended with {code}, or not within {_HUNG} s")

    def _wait_for_backends(self) -> None:
        until = time.monotonic() + _HUNG
        while self.ground.backends():
            assert time.monotonic() < until, "a killed worker's backend does not end"
            time.sleep(0.01)

    def _check_files(self, files: dict[str, bool]) -> None:
        for name, finished in files.items():
            found = checks.check_file(name, FILE_ROWS, finished)
            found.ingested *= finished  # each row is counted once
            self.findings.add(found)

    def _finish_files(self, files: set[str]) -> None:
        """Feeding a file again completes it, and adds nothing to one that is complete."""
        for name in files:
            run_ingest(self.folder / "files" / name)
            found = checks.check_file(name, FILE_ROWS, True)
            found.ingested = 0
            self.findings.add(found)


def _reopen_all(ids: list[str]) -> None:
    decided = Anomaly.objects.filter(pk__in=ids).exclude(status=Status.PENDING).values_list("pk", flat=True)
    decide("reopen", list(decided), Actor("torture", via="torture"))


@contextmanager
def _round(ground: Ground, ids: list[UUID], dice: random.Random, part: Part) -> Iterator[Round]:
    each = Round(ground, ids, dice)
    each.begin()
    try:
        yield each
    except BaseException:
        for pid in each.pids.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        raise
    part.findings.add(each.end())


def rows_needed() -> int:
    """The number of anomalies of a round."""
    return _SHARED + WORKERS * _OWN


def kill_workers(ground: Ground, ids: list[UUID], count: int, dice: random.Random) -> Part:
    """kill -9 of workers at random moments; each is replaced by a new one."""
    part = Part("worker killed (kill -9)")
    while part.times < count:
        with _round(ground, ids, dice, part) as each:
            for _ in range(min(_IN_A_ROUND, count - part.times)):
                time.sleep(dice.uniform(0.01, 0.1))
                slot = dice.randrange(WORKERS)
                part.in_transaction += each.kill(slot)
                part.times += 1
                each.start(slot)
    return part


def terminate_backends(ground: Ground, ids: list[UUID], count: int, dice: random.Random) -> Part:
    """pg_terminate_backend of the workers' backends at random moments."""
    part = Part("backend terminated")
    while part.times < count:
        with _round(ground, ids, dice, part) as each:
            left = min(_IN_A_ROUND, count - part.times)
            while left:
                time.sleep(dice.uniform(0.005, 0.06))
                backends = sorted(ground.backends().values())
                if not backends:
                    continue
                pid, busy = dice.choice(backends)
                if ground.terminate(pid):
                    part.times, left = part.times + 1, left - 1
                    part.in_transaction += busy
            assert len(each.pids) == WORKERS
    return part


def crash_server(ground: Ground, ids: list[UUID], count: int, dice: random.Random) -> Part:
    """Immediate shutdowns and restarts under the workers, who connect again and go on."""
    part = Part("server shut down at once")
    for _ in range(count):
        with _round(ground, ids, dice, part):
            time.sleep(dice.uniform(0.3, 1.0))
            part.in_transaction += sum(busy for _, busy in ground.backends().values())
            ground.crash()
            part.times += 1
            time.sleep(dice.uniform(0.1, 0.4))
    return part
