"""The lines of a growing file: each when its end is written."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from anomalies.sources.follow import Stop, follow
from anomalies.sources.lines import Line, read_lines
from tests.support.sizes import amount

from .growing_log import Log, Reader

EXAMPLES = amount("DRIFTLOCK_FOLLOWINGS")


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
