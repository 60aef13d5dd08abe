"""Each line is read once, whatever happens to the file, the writer and the reader."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalies.sources.checkpoint import load
from anomalies.sources.follow import Reached, Stop, follow
from anomalies.sources.lines import Line
from tests.support.processes import ROOT
from tests.support.sizes import amount

from .growing_log import Log, Reader

EXAMPLES = amount("DRIFTLOCK_FOLLOWINGS")


# --- whatever happens: each line once -------------------------------------------------------------------

steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 9)),
        st.tuples(st.just("half a line"), st.just(0)),
        st.tuples(st.just("much"), st.integers(0, 9)),
        st.tuples(st.just("rotate"), st.booleans()),
        st.tuples(st.just("pack"), st.integers(1, 3)),
        st.tuples(st.just("read"), st.just(1_000_000)),
        st.tuples(st.just("read"), st.integers(0, 5_000)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=25,
)


class Everything(Log):
    """A log that knows which lines a reader should have."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.wanted = [b""]
        self._numbers = count()

    def add(self, data: bytes) -> None:
        self.write(data)
        first, *more = data.split(b"\n")
        self.wanted[-1] += first
        self.wanted += more

    def end(self) -> None:
        """The file is over: an open line is a line."""
        if self.wanted[-1]:
            self.wanted.append(b"")

    def step(self, what: str, value: int) -> None:
        if what == "write":
            self.add(b"".join(b"%d\n" % next(self._numbers) for _ in range(value)))
        elif what == "half a line":
            self.add(b"%d and " % next(self._numbers))
        elif what == "much":
            self.add(b"".join(b"%d %s\n" % (next(self._numbers), b"x" * 90) for _ in range(value * 1000)))
        elif what == "rotate":
            self.rotate(bool(value))
            self.end()
        elif what == "pack":
            self.pack(value)
        elif what == "copytruncate" and self.path.exists():
            self.copytruncate()
            self.end()


@given(steps)
@settings(max_examples=EXAMPLES, deadline=None)
def test_every_line_is_read_once_whatever_happens(plan):
    with carried_out(plan) as (log, reader):
        assert reader.texts == log.wanted[:-1]
        assert reader.gaps == []
        assert [line.number for line in reader.lines] == [*range(1, len(reader.lines) + 1)]


@contextmanager
def carried_out(plan: list[tuple[str, int]]) -> Iterator[tuple[Everything, Reader]]:
    """A log to which all of this happened, and the reader that followed it to its end."""
    with TemporaryDirectory() as folder:
        log = Everything(Path(folder))
        log.write(b"")
        reader = Reader(log.path, max_bytes=1000)
        reader.read()
        for what, value in plan:
            if what == "read":
                reader.read(value)
            elif what == "restart":
                reader.restart()
            else:
                log.step(what, value)
        log.rotate()
        log.end()
        reader.read()
        reader.close()
        yield log, reader


copies = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 9)),
        st.tuples(st.just("copytruncate"), st.just(0)),
        st.tuples(st.just("read"), st.just(1_000_000)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=25,
)


@given(copies)
@settings(max_examples=EXAMPLES, deadline=None)
def test_copies_of_a_truncated_file_lose_nothing_silently_and_repeat_nothing(plan):
    with carried_out(plan) as (log, reader):
        assert len(set(reader.texts)) == len(reader.texts)
        assert reader.texts == log.wanted[:-1] or None in [gap.lost for gap in reader.gaps]


def test_a_restart_from_every_position_gives_the_rest(log, reader):
    log.write(b"".join(b"%d\n" % number for number in range(100_000)))
    log.rotate()
    log.write(b"last\n")
    log.path, here = log.rotated(1), log.path
    with Stop() as stop:
        items = list(follow(str(here), 100, stop=stop, once=True))
    assert [item.data for item in items if isinstance(item, Line)] == [b"last"]
    places = [item.position for item in positions(log.path)]
    assert len(places) > 2
    for place in places:
        with Stop() as stop:
            rest = [
                x for x in follow(str(here), 100, stop=stop, start=place, once=True) if isinstance(x, Line)
            ]
        assert [line.number for line in rest] == [*range(place.number + 1, 100_002)]


def positions(path: Path) -> Iterator[Reached]:
    with Stop() as stop:
        yield from (x for x in follow(str(path), 100, stop=stop, once=True) if isinstance(x, Reached))


# --- real processes -------------------------------------------------------------------------------------


def collect(log: Log, until: Callable[[list[bytes]], bool]) -> list[bytes]:
    """The lines that a reader gets while others write, with real waiting; an idle minute is a failure."""
    lines: list[bytes] = []
    with Stop() as stop:
        end = time.monotonic() + 60
        for item in follow(str(log.path), 1000, stop=stop, poll=0.02, linger=0.5):
            assert time.monotonic() < end
            if isinstance(item, Line):
                lines.append(item.data)
            elif isinstance(item, Reached) and item.idle and until(lines):
                stop.set()
    return lines


WRITER = """
import logging.handlers, sys
handler = logging.handlers.RotatingFileHandler(sys.argv[1], maxBytes=200_000, backupCount=100)
logging.basicConfig(handlers=[handler], format="%(message)s", level=logging.INFO)
for number in range(*map(int, sys.argv[2:])):
    logging.info("%d %s", number, "x" * 50)
"""


@pytest.mark.slow
def test_a_program_that_rotates_its_own_log_is_read_whole(log):
    command = [sys.executable, "-c", WRITER, str(log.path), "30000"]
    with subprocess.Popen(command) as writer:
        lines = collect(log, lambda lines: writer.poll() is not None and len(lines) >= 30_000)
    assert [int(line.split()[0]) for line in lines] == [*range(30_000)]


KILLED = """
import os, signal, sys
with open(sys.argv[1], "ab", 0) as file:
    for number in range(1000):
        file.write(b"%d\\n" % number)
    file.write(b"half of ")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_line_whose_writer_was_killed_waits_for_the_next_writer(log, reader):
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", KILLED, str(log.path)]).returncode == -signal.SIGKILL
        reader.read()
    numbers = [b"%d" % number for number in range(1000)]
    assert reader.texts == [*numbers, b"half of 0", *numbers[1:]]


# Its results are in its state, as the rows of a detector would be in their table.
COUNTER = """
import hashlib, sys
from anomalies.sources.follow import Gap, Position, Reached, Stop, follow
from anomalies.sources.lines import Line
from anomalies.sources.checkpoint import load, locked, save
path, file = sys.argv[1:]
with locked(file), Stop() as stop:
    state = load(file) or {"position": None, "lines": 0, "digest": ""}
    start = state["position"] and Position.from_json(state["position"])
    for item in follow(path, 1000, stop=stop, start=start, poll=0.01, linger=0.3):
        if isinstance(item, Line):
            state["lines"] += 1
            state["digest"] = hashlib.sha256(state["digest"].encode() + item.data).hexdigest()
        elif isinstance(item, Gap):
            sys.exit(item.words)
        elif item.position:
            state["position"] = item.position.as_json()
            save(file, state)
"""


@pytest.mark.slow
def test_a_reader_that_is_killed_again_and_again_handles_every_line_once(log, tmp_path):
    state, lines = tmp_path / "state", 60_000
    reading = [sys.executable, "-c", COUNTER, str(log.path), str(state)]
    log.write(b"0 " + b"x" * 50 + b"\n")
    with subprocess.Popen(reading, cwd=ROOT) as first:  # before it has a position, a file may be rotated away
        while not (load(state) or {"lines": 0})["lines"]:
            assert first.poll() is None
            time.sleep(0.01)
        first.kill()
    with subprocess.Popen([sys.executable, "-c", WRITER, str(log.path), "1", str(lines)]) as writer:
        for attempt in count():
            if writer.poll() is not None and load(state)["lines"] >= lines:
                break
            assert attempt < 40, "lines are missing"
            reader = subprocess.Popen(reading, cwd=ROOT, stderr=subprocess.PIPE)
            time.sleep(0.4 + attempt / 20)
            reader.kill()
            assert reader.communicate()[1] == b""
    digest = ""
    for number in range(lines):
        digest = hashlib.sha256(f"{digest}{number} {'x' * 50}".encode()).hexdigest()
    assert (load(state)["lines"], load(state)["digest"]) == (lines, digest)


FOLLOWER = """
import signal, sys
from anomalies.sources.follow import Reached, Stop, follow
with Stop() as stop:
    signal.signal(signal.SIGTERM, stop.set)
    for item in follow(sys.argv[1], 100, stop=stop, poll=3600):
        if isinstance(item, Reached) and item.idle:
            print("idle", flush=True)
print("ended")
"""


@pytest.mark.slow
def test_a_signal_ends_the_waiting_at_once(log):
    log.write(b"one\n")
    command = [sys.executable, "-c", FOLLOWER, str(log.path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"idle\n"
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=600)[0] == b"ended\n"  # it polls once an hour
    assert process.returncode == 0


def test_another_thread_ends_the_waiting_at_once(log):
    log.write(b"one\n")
    with Stop() as stop:
        threading.Timer(0.1, stop.set).start()
        items = list(follow(str(log.path), 100, stop=stop, poll=3600))
    assert [type(item) for item in items] == [Line, Reached, Reached]
