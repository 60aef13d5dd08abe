"""The plugin of pytest that runs the tests once, and then for each mutant those that reach it.

The parent has imported everything and made the database, so a mutant costs a fork and the tests of its line,
the fastest first, until one fails. What a child leaves in the database (it may empty it) a copy puts right.
"""

from __future__ import annotations

import gc
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from django.db import connections

from .code_swap import changed_functions, empty_caches, functions, swap
from .cold import run_cold
from .measured_coverage import LinesByTest
from .mutants import Mutant
from .pristine import name_of_database, put_back

_MEMORY = 8 << 30  # bytes of addresses for a child: a mutant may not eat the machine


@dataclass
class Verdict:
    """The result for a mutant: ``killer`` is the test that failed, "time" one that took too long, "" none."""

    mutant: Mutant
    killer: str
    tests: int
    is_cold: bool = False


@dataclass
class Limits:
    """Seconds: of a test at most, of all tests of a mutant at most."""

    test: float
    mutant: float


@dataclass(eq=False)  # pytest keeps its plugins in sets, so they must have hashes
class WarmRunner:
    """A plugin: ``mutants`` in, ``verdicts`` out."""

    mutants: list[Mutant]
    lines: LinesByTest
    limits: Limits
    report: Callable[[Verdict], None]
    verdicts: list[Verdict] = field(default_factory=list)
    _failed: str = ""
    _seconds: dict[str, float] = field(default_factory=dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember a failure."""
        if report.failed:
            self._failed = report.nodeid

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests once, then the mutants."""
        self._run_once(session)
        items = {each.nodeid: each for each in session.items if each.nodeid in self._seconds}
        broken = self._in_child(list(items.values()), lambda: None, 10 * sum(self._seconds.values()) + 60)
        if broken:
            pytest.exit(f"{broken} fails without a mutant when it runs in a child", 2)
        for mutant in self.mutants:
            self.verdicts.append(self._verdict(mutant, items))
            self.report(self.verdicts[-1])
        return True

    def _run_once(self, session: pytest.Session) -> None:
        for item, following in _with_following(session.items):
            self._failed, started = "", time.monotonic()
            empty_caches()
            with self.lines.during(item.nodeid):
                item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            seconds = time.monotonic() - started
            if self._failed:
                pytest.exit(f"{item.nodeid} fails without a mutant", 2)
            if seconds <= self.limits.test:
                self._seconds[item.nodeid] = seconds
        self.lines.end()
        connections.close_all()
        for mutant in self.mutants:
            functions(mutant.path)
        gc.collect()
        gc.freeze()  # so that no child's collector writes to every page that it shares
        put_back()

    def _verdict(self, mutant: Mutant, items: dict[str, pytest.Item]) -> Verdict:
        changed = changed_functions(mutant.path, mutant.source)
        is_cold = changed is None or self.lines.runs_at_import(mutant.path, mutant.line)
        names = self._chosen(self.lines.tests_of(mutant.path, None if is_cold else mutant.line))
        limit = 20 + 10 * sum(self._seconds[name] for name in names)
        if not names:
            return Verdict(mutant, "", 0, is_cold)
        if is_cold or changed is None:
            return Verdict(mutant, run_cold(mutant, names, limit + 60, name_of_database()), len(names), True)
        todo = [items[name] for name in names]
        return Verdict(mutant, self._in_child(todo, lambda: swap(mutant.path, changed), limit), len(names))

    def _chosen(self, names: set[str]) -> list[str]:
        """Those that killed others and the fastest, as many as the time of a mutant allows."""
        killers = {each.killer for each in self.verdicts}
        measured = ((each, self._seconds[each]) for each in names & self._seconds.keys())
        known = sorted((name not in killers, seconds, name) for name, seconds in measured)
        chosen, total = [], 0.0
        for _, seconds, name in known:
            total += seconds
            if total > self.limits.mutant and chosen:
                break
            chosen.append(name)
        return chosen

    def _in_child(self, items: list[pytest.Item], begin: Callable[[], None], limit: float) -> str:
        """The first of these tests that fails after ``begin`` in a process of its own; "" if none does."""
        items = sorted(items, key=_flushes)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            self._be_child(items, begin, writing)
        os.close(writing)
        ready, _, _ = select.select([reading], [], [], limit)
        said = os.read(reading, 4096).decode() if ready else "time"
        os.close(reading)
        _end(child)
        if said == "time" or not said or any(map(_flushes, items)):
            put_back()
        return "" if said == "survived" else said or "the process ended"

    def _be_child(self, items: list[pytest.Item], begin: Callable[[], None], writing: int) -> None:
        said = "import"
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            items[0].config.get_terminal_writer()._file = os.fdopen(nowhere, "w")
            self._failed = ""
            begin()
            said = self._first_failure(items)
        finally:
            os.write(writing, said.encode()[:4096])
            os._exit(0)

    def _first_failure(self, items: list[pytest.Item]) -> str:
        for item, following in _with_following(items):
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._failed:
                return self._failed
        return "survived"


def _with_following(items: Sequence[pytest.Item]) -> zip[tuple[pytest.Item, pytest.Item]]:
    """Each test with what follows it, by which pytest knows which fixtures to end: none of the session's."""
    return zip(items, [*items[1:], items[0].session], strict=True)


def _end(child: int) -> None:
    """End a child with all that it started."""
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _flushes(item: pytest.Item) -> bool:
    """True for a test that empties the database behind it."""
    marker, fixtures = item.get_closest_marker("django_db"), getattr(item, "fixturenames", ())
    transaction = marker and marker.kwargs.get("transaction")
    return bool(transaction or {"transactional_db", "live_server"} & set(fixtures))
