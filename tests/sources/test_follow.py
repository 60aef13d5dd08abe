"""A growing file, read once and completely, whatever happens to it in between."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalies.sources.checkpoint import load
from anomalies.sources.follow import Gap, Position, Reached, Stop, follow
from anomalies.sources.lines import Line, ReadError, read_lines
from tests.support.processes import ROOT, wait_until
from tests.support.sizes import amount

EXAMPLES = amount("DRIFTLOCK_FOLLOWINGS")


class Log:
    """A log as its writer and logrotate treat it. Its files have times that differ, however fast the test."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "app.log"
        self._time = int(time.time()) - 100_000
        self._keep = 0

    def write(self, data: bytes, path: Path | None = None) -> None:
        with (path or self.path).open("ab") as file:
            file.write(data)
        self.touch(path or self.path)

    def touch(self, path: Path) -> None:
        self._time += 1
        os.utime(path, (self._time, self._time))

    def rotate(self, create: bool = True) -> None:
        """As logrotate with ``create`` does it; the writer makes the file itself without."""
        self._shift()
        if self.path.exists():
            self.path.rename(self.rotated(1))
        if create:
            self.write(b"")

    def copytruncate(self) -> None:
        self._shift()
        shutil.copy2(self.path, self.rotated(1))
        os.truncate(self.path, 0)
        self.touch(self.path)

    def pack(self, number: int) -> None:
        """As gzip does it: the archive has the file's time, then the file goes."""
        file = self.rotated(number)
        if file.exists():
            archive = file.with_name(f"{file.name}.gz")
            archive.write_bytes(gzip.compress(file.read_bytes()))
            os.utime(archive, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
            file.unlink()

    def rotated(self, number: int) -> Path:
        return self.path.with_name(f"app.log.{number}")

    def _shift(self) -> None:
        for number in range(30, 0, -1):
            for suffix in ("", ".gz"):
                file = self.path.with_name(f"app.log.{number}{suffix}")
                if file.exists():
                    file.rename(self.path.with_name(f"app.log.{number + 1}{suffix}"))


class Reader:
    """A run of ``follow`` that goes on where the test lets it, and can be ended and begun again anywhere."""

    def __init__(self, path: Path, max_bytes: int = 100, **options) -> None:
        self._path, self._max_bytes = path, max_bytes
        self._options = {"poll": 0.0, "linger": 0.0} | options
        self.lines: list[Line] = []  # those before the position that was reached
        self.gaps: list[Gap] = []
        self.position: Position | None = None
        self._open()

    def _open(self) -> None:
        self._stop = Stop()
        self._items = follow(
            str(self._path), self._max_bytes, stop=self._stop, start=self.position, **self._options
        )

    def read(self, at_most: int = 1_000_000) -> list[bytes]:
        """Until nothing comes, or so many items came; what is complete by then is kept."""
        handled: list[Line] = []
        for _, item in zip(range(at_most), self._items, strict=False):
            if isinstance(item, Line):
                handled.append(item)
            elif isinstance(item, Gap):
                self.gaps.append(item)
            else:
                self.lines, handled = self.lines + handled, []
                self.position = item.position
                if item.idle:
                    break
        if handled:
            self.restart()
        return self.texts

    def restart(self) -> None:
        self.close()
        if self.position:
            self.position = Position.from_json(json.loads(json.dumps(self.position.as_json())))
        self._open()

    def close(self) -> None:
        self._items.close()
        self._stop.close()

    @property
    def texts(self) -> list[bytes]:
        return [line.data for line in self.lines]


@pytest.fixture
def log(tmp_path) -> Log:
    return Log(tmp_path)


@pytest.fixture
def reader(log) -> Iterator[Reader]:
    reader = Reader(log.path)
    yield reader
    reader.close()


# --- lines ----------------------------------------------------------------------------------------------


def test_lines_come_when_they_are_written(log, reader):
    log.write(b"one\ntwo\r\n")
    assert reader.read() == [b"one", b"two"]
    log.write(b"three\n")
    assert reader.read() == [b"one", b"two", b"three"]
    assert [line.number for line in reader.lines] == [1, 2, 3]


def test_a_line_comes_when_its_end_does(log, reader):
    log.write(b"on")
    assert reader.read() == []
    log.write(b"e\n")
    assert reader.read() == [b"one"]


def test_a_run_without_waiting_hands_over_the_unfinished_line_too(log):
    log.write(b"one\ntw")
    with Stop() as stop:
        items = list(follow(str(log.path), 100, stop=stop, once=True))
    assert [item.data for item in items if isinstance(item, Line)] == [b"one", b"tw"]
    assert items[-1].position.cut


def test_the_end_of_a_line_that_was_handed_over_is_no_line(log):
    reader = Reader(log.path, once=True)
    log.write(b"on")
    assert reader.read() == [b"on"]
    log.write(b"\nnext\n")
    reader.restart()
    assert reader.read() == [b"on", b"next"]
    assert [line.number for line in reader.lines] == [1, 2]


line_ends = st.sampled_from([b"\n", b"\r\n", b"\r", b"", b"\n\n", b"\xef\xbb\xbf"])


@given(st.lists(st.tuples(st.binary(max_size=12), line_ends)), st.data())
@settings(max_examples=EXAMPLES, deadline=None)
def test_lines_are_those_that_reading_the_whole_gives(pieces, data):
    text = b"x" + b"".join(piece + end for piece, end in pieces)  # no archive by chance
    text = data.draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + text
    with TemporaryDirectory() as folder:
        log = Log(Path(folder))
        reader = Reader(log.path, max_bytes=5)
        for end in [*sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=5))), len(text)]:
            log.write(text[log.path.stat().st_size if log.path.exists() else 0 : end])
            reader.read()
        reader._options["once"] = True
        reader.restart()
        reader.read()
        reader.close()
        assert reader.lines == list(read_lines(str(log.path), 5))


def test_a_line_of_many_megabytes_takes_the_memory_of_a_short_one(log, reader):
    piece = b"x" * 1_000_000
    tracemalloc.start()
    for _ in range(40):
        log.write(piece)
        reader.read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    log.write(b"\r\nnext\n")
    reader.read()
    assert peak < 2_000_000
    assert reader.lines == [Line(1, b"x" * 100, 40_000_000), Line(2, b"next", 4)]


def test_a_restart_within_a_long_line_tells_its_true_length(log, reader):
    log.write(b"first\n" + b"x" * 1_000_000)
    reader.read()
    reader.restart()
    log.write(b"y\n")
    reader.read()
    assert reader.lines[1:] == [Line(2, b"x" * 100, 1_000_001)]


# --- rotation -------------------------------------------------------------------------------------------


def test_the_old_file_is_read_to_its_end_and_then_the_new_one(log, reader):
    log.write(b"one\ntw")
    reader.read()
    log.write(b"o\nthr")
    log.rotate()
    log.write(b"four\n")
    assert reader.read() == [b"one", b"two", b"thr", b"four"]
    assert reader.gaps == []


def test_a_writer_that_moves_on_late_loses_nothing(log):
    reader = Reader(log.path, linger=0.2)
    log.write(b"one\n")
    reader.read()
    log.rotate()
    reader.read()
    log.write(b"two\n", log.rotated(1))
    log.write(b"three\n")
    wait_until(lambda: reader.read()[-1] == b"three")
    assert reader.texts == [b"one", b"two", b"three"]
    reader.close()


def test_what_comes_to_a_file_that_was_left_is_reported(log, reader):
    log.write(b"one\n")
    reader.read()
    log.rotate()
    reader.read()
    log.write(b"late\n", log.rotated(1))
    reader.read()
    assert [gap.lost for gap in reader.gaps] == [5]
    assert "5 bytes were written to the rotated file" in reader.gaps[0].words


def test_a_file_that_is_gone_is_waited_for(log, reader):
    assert reader.read() == []
    log.write(b"one\n")
    assert reader.read() == [b"one"]
    log.rotate(create=False)
    assert reader.read() == [b"one"]
    log.write(b"two\n")
    assert reader.read() == [b"one", b"two"]


def test_a_file_that_was_deleted_is_read_to_its_end(log, reader):
    log.write(b"one\n")
    reader.read()
    log.write(b"two\n")
    log.path.unlink()
    log.write(b"three\n")
    assert reader.read() == [b"one", b"two", b"three"]


def test_a_link_that_points_elsewhere_is_a_rotation(log, tmp_path):
    for day in (21, 22, 23):
        log.write(b"%d\n" % day, tmp_path / f"log-2026-11-{day}")
    log.path.symlink_to("log-2026-11-21")
    reader = Reader(log.path)
    reader.read()
    log.path.unlink()
    log.path.symlink_to("log-2026-11-23")
    assert reader.read() == [b"21", b"22", b"23"]
    reader.close()


NAMES = {
    "numbers": ["app.log.12", "app.log.2", "app.log.1"],
    "dates": ["app.log-20261121", "app.log-20261122", "app.log-20261123"],
    "dates before the ending": ["app-2026-11-21.log", "app-2026-11-22.1.log", "app-2026-11-22.2.log"],
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES.keys())
@pytest.mark.parametrize("pack", [None, gzip.compress, zstandard.compress], ids=["plain", "gzip", "zstd"])
def test_rotations_while_nobody_read_are_read_in_their_order(names, pack, log, reader, tmp_path):
    log.write(b"0\n")
    reader.read()
    log.write(b"more\n")
    for number, name in enumerate(names, 1):
        log.path.rename(tmp_path / name)
        log.write(b"%d\n" % number)
    for name in names[:2] if pack else []:
        packed = tmp_path / (name + (".gz" if pack is gzip.compress else ".zst"))
        packed.write_bytes(pack((tmp_path / name).read_bytes()))
        shutil.copystat(tmp_path / name, packed)
        (tmp_path / name).unlink()
    reader.restart()
    assert reader.read() == [b"0", b"more", b"1", b"2", b"3"]
    assert reader.gaps == []


def test_files_that_were_rotated_before_we_began_are_not_read(log, reader):
    log.write(b"before\n")
    log.rotate()
    log.write(b"one\n")
    assert reader.read() == [b"one"]
    log.rotate()
    log.write(b"two\n")
    assert reader.read() == [b"one", b"two"]


def test_a_file_that_is_gone_after_a_restart_is_reported_and_the_later_ones_read(log, reader):
    log.write(b"one\ntwo\n")
    reader.read()
    log.rotate()
    log.write(b"three\n")
    log.rotate()
    log.write(b"four\n")
    log.rotated(2).unlink()
    reader.restart()
    assert reader.read() == [b"one", b"two", b"three", b"four"]
    assert [gap.lost for gap in reader.gaps] == [None]
    assert "what it had after line 2 (byte 8) is lost" in reader.gaps[0].words


def test_an_archive_that_was_made_late_is_not_read_again(log, reader):
    log.write(b"one\n")
    reader.read()
    log.rotate()
    reader.read()
    log.pack(1)
    log.touch(log.path.with_name("app.log.1.gz"))
    log.write(b"two\n")
    assert (reader.read(), reader.gaps) == ([b"one", b"two"], [])


def test_lines_that_came_to_the_old_file_while_nobody_read_are_reported(log, reader):
    log.write(b"one\n")
    reader.read()
    log.rotate()
    reader.read()
    reader.restart()
    log.write(b"late\n", log.rotated(1))
    log.write(b"two\n")
    assert reader.read() == [b"one", b"two"]
    assert ["was written or packed after it was left" in gap.words for gap in reader.gaps] == [True]


def test_a_damaged_archive_is_read_as_far_as_it_is_sound(log, reader):
    lines = [b"%d" % number for number in range(200_000)]
    log.write(b"\n".join(lines[:5]) + b"\n")
    reader.read()
    log.write(b"\n".join(lines[5:]) + b"\n")
    log.rotate()
    log.pack(1)
    archive = log.path.with_name("app.log.1.gz")
    archive.write_bytes(archive.read_bytes()[:-50_000])
    reader.restart()
    reader.read()
    assert len(reader.lines) > 50_000
    assert [line.data for line in reader.lines[:-1]] == lines[: len(reader.lines) - 1]
    assert "damaged" in reader.gaps[0].words


# --- truncation -----------------------------------------------------------------------------------------


def test_a_file_that_was_copied_and_truncated_is_read_from_the_copy_first(log, reader):
    log.write(b"one\n")
    reader.read()
    log.write(b"two\n")
    log.copytruncate()
    log.write(b"three\n")
    assert reader.read() == [b"one", b"two", b"three"]
    assert [gap.lost for gap in reader.gaps] == [0]


@pytest.mark.parametrize("new", [b"", b"new\n", b"something longer than before\n"])
@pytest.mark.parametrize("restart", [False, True])
def test_a_file_that_was_truncated_is_read_from_its_beginning(new, restart, log, reader):
    log.write(b"one\ntw")
    reader.read()
    log.path.write_bytes(b"")
    log.write(new)
    if restart:
        reader.restart()
    reader.read()
    assert reader.texts == [b"one", *([] if restart else [b"tw"]), *new.splitlines()]
    assert [gap.lost for gap in reader.gaps] == [None]


def test_another_file_with_the_old_inode_is_distinguished(log, reader):
    log.write(b"one\n" * 1000)
    reader.read()
    inode = log.path.stat().st_ino
    log.path.write_bytes(b"two\n" * 2000)
    assert log.path.stat().st_ino == inode
    reader.restart()
    assert len(reader.read()) == 3000


# --- what can't be read ---------------------------------------------------------------------------------


def refusal(reader: Reader) -> str:
    with pytest.raises(ReadError) as caught:
        reader.read()
    return str(caught.value)


def test_a_folder_in_its_place_is_named(log, reader):
    log.write(b"one\n")
    reader.read()
    log.rotate(create=False)
    log.path.mkdir()
    assert refusal(reader) == f"can't follow {log.path} after line 1: it is a directory"


def test_a_pipe_is_no_file_to_follow(log, reader):
    os.mkfifo(log.path)
    assert "it is no regular file" in refusal(reader)


def test_an_archive_is_nothing_to_follow(log, reader):
    log.write(gzip.compress(b"one\n"))
    assert "it is an archive, and only plain text grows" in refusal(reader)


def test_a_run_without_waiting_names_a_file_that_is_not_there(log):
    assert "there is no such file" in refusal(Reader(log.path, once=True))


def test_what_the_old_file_has_comes_before_the_new_ones_trouble(log, reader):
    log.write(b"one\n")
    reader.read()
    log.write(b"two\n")
    log.rotate(create=False)
    log.path.mkdir()
    refusal(reader)
    assert reader.texts == [b"one", b"two"]


UNREADABLE = """
import os, sys
from anomalies.sources.follow import Stop, follow
os.setuid(65534)
with Stop() as stop:
    print(*[item.data.decode() for item in follow(sys.argv[1], 100, stop=stop, once=True)])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read")
def test_a_file_that_may_not_be_read_is_named():
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        log = Log(Path(folder))
        log.write(b"one\n")
        log.path.chmod(0o600)
        done = subprocess.run([sys.executable, "-c", UNREADABLE, log.path], cwd=ROOT, capture_output=True)
    assert f"ReadError: can't follow {log.path}: Permission denied" in done.stderr.decode()


@pytest.mark.parametrize("values", [{}, {"offset": 1}, {"offset": -1}, {"number": "1"}, {"head": None}])
def test_a_position_that_is_none_is_refused(values, log, reader):
    log.write(b"")
    reader.read()
    sound = reader.position.as_json()
    with pytest.raises(ValueError, match="no position in a stream"):
        Position.from_json(sound | values if values else {})


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
    with TemporaryDirectory() as folder:
        log = Everything(Path(folder))
        log.write(b"")
        reader = Reader(log.path, max_bytes=1000)
        reader.read()
        run(plan, log, reader)
        assert reader.texts == log.wanted[:-1]
        assert reader.gaps == []
        assert [line.number for line in reader.lines] == [*range(1, len(reader.lines) + 1)]


def run(plan: list[tuple[str, int]], log: Everything, reader: Reader) -> None:
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
    with TemporaryDirectory() as folder:
        log = Everything(Path(folder))
        log.write(b"")
        reader = Reader(log.path, max_bytes=1000)
        reader.read()
        run(plan, log, reader)
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
