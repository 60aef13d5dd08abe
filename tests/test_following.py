"""A file that grows, is rotated and truncated: every line once, in order, wherever one begins."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalies.following import Follower, Position
from anomalies.reading import ReadError

MAX = 1000


@pytest.fixture
def log(tmp_path) -> Path:
    return tmp_path / "app.log"


def follower(log: Path, start: Position | None = None, **over) -> Follower:
    return Follower(str(log), MAX, start, **{"grace": 0.0, **over})


def add(log: Path, *lines: str) -> None:
    with log.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def drained(one: Follower) -> list[str]:
    found = []
    for _ in range(20):
        found += [line.data.decode() for line in one.read()]
    return found


def again(position: Position | None) -> Position | None:
    """The position as it comes out of a saved state."""
    return position and Position(**json.loads(json.dumps(asdict(position))))


def rotate(log: Path, to: str = ".1") -> None:
    log.rename(f"{log}{to}")


def test_a_file_that_is_not_there_yet_is_waited_for(log):
    one = follower(log)
    assert one.read() == []
    add(log, "a")
    assert drained(one) == ["a"]


def test_what_is_added_is_read(log):
    add(log, "a", "b")
    one = follower(log)
    assert drained(one) == ["a", "b"]
    add(log, "c")
    assert drained(one) == ["c"]


def test_lines_are_numbered_through(log):
    add(log, "a", "b")
    one = follower(log)
    numbers = [line.number for line in one.read()]
    rotate(log)
    add(log, "c")
    assert numbers + [line.number for _ in range(5) for line in one.read()] == [1, 2, 3]


def test_a_line_without_its_end_is_waited_for(log):
    log.write_text("half")
    one = follower(log)
    assert drained(one) == []
    with log.open("a") as file:
        file.write(" and half\r\nnext")
    assert drained(one) == ["half and half"]
    assert [line.data for line in one.finish()] == [b"next"]


def test_a_file_that_was_rotated_is_read_to_its_end_before_the_next_one(log):
    add(log, "a")
    one = follower(log)
    drained(one)
    with log.open("a") as writer:
        rotate(log)
        writer.write("b\n")
        writer.flush()
        log.touch()
        assert drained(one) == ["b"]  # the new file is empty: its writer has not moved on
        writer.write("c\n")
        writer.flush()
        add(log, "d")
        assert drained(one) == ["c", "d"]


def test_a_file_that_was_rotated_is_watched_for_a_while(log):
    add(log, "a")
    one = follower(log, grace=0.2)
    drained(one)
    rotate(log)
    add(log, "c")
    assert drained(one) == []
    add(Path(f"{log}.1"), "b")
    assert drained(one) == ["b"]
    time.sleep(0.25)
    assert drained(one) == ["c"]


def test_files_that_were_rotated_in_between_are_read_too(log):
    add(log, "a")
    one = follower(log)
    drained(one)
    for line in ("b", "c"):
        for number in (2, 1):
            if Path(f"{log}.{number}").exists():
                Path(f"{log}.{number}").rename(f"{log}.{number + 1}")
        rotate(log)
        time.sleep(0.02)
        add(log, line)
    assert drained(one) == ["b", "c"]


def test_truncation_in_place_begins_anew_and_says_so(log):
    add(log, "a", "b")
    one = follower(log)
    drained(one)
    log.write_text("")
    drained(one)
    add(log, "c")
    assert drained(one) == ["c"]
    assert "was truncated after line 2" in one.notices[0]


def test_a_file_written_anew_that_grew_longer_is_noticed_too(log):
    add(log, "a")
    one = follower(log)
    drained(one)
    log.write_text("other\nlines\n")
    assert drained(one) == ["other", "lines"]
    assert one.notices


def test_it_goes_on_where_the_last_one_stopped(log):
    add(log, "a", "b")
    first = follower(log)
    drained(first)
    add(log, "c")
    second = follower(log, again(first.position))
    assert drained(second) == ["c"]


def test_it_goes_on_in_a_file_that_was_rotated_meanwhile(log):
    add(log, "a")
    first = follower(log)
    drained(first)
    add(log, "b")
    rotate(log)
    time.sleep(0.02)
    add(log, "c")
    assert drained(follower(log, again(first.position))) == ["b", "c"]


def test_it_goes_on_in_a_file_that_was_packed_meanwhile(log):
    add(log, "a")
    first = follower(log)
    drained(first)
    add(log, "b")
    Path(f"{log}.2.gz").write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()
    add(log, "c")
    second = follower(log, again(first.position))
    assert drained(second) == ["b", "c"]
    assert second.notices == []


def test_lines_that_are_lost_are_told(log):
    add(log, "a")
    first = follower(log)
    drained(first)
    log.unlink()
    add(log, "of another file")
    second = follower(log, again(first.position))
    assert drained(second) == ["of another file"]
    assert "up to line 1 (byte 2) is gone" in second.notices[0]


def test_a_file_number_that_is_used_again_is_not_taken_for_the_same_file(log):
    add(log, "a", "b")
    first = follower(log)
    drained(first)
    position = first.position
    log.write_text("zz\nyy\nxx\n")  # the same number on the same device, another content
    assert drained(follower(log, again(position))) == ["zz", "yy", "xx"]


def test_of_a_long_line_the_beginning_is_kept_and_its_length_told(log):
    with log.open("w") as file:
        file.write("x" * 5_000_000 + "\nnext\n")
    one = follower(log)
    lines = [line for _ in range(20) for line in one.read()]
    assert [(len(line.data), line.full_length) for line in lines] == [(MAX, 5_000_000), (4, 4)]


def test_a_folder_in_its_place_is_one_clear_line(log):
    log.mkdir()
    with pytest.raises(ReadError, match=r"can't read .*app\.log"):
        drained(follower(log))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(["add", "add", "half", "rotate", "read", "restart"]), max_size=25))
def test_every_line_is_read_once_whatever_happens_to_the_file(steps):
    folder = Path(tempfile.mkdtemp())
    try:
        log, wrote, read, rotations = folder / "app.log", [], [], 0
        one = follower(log)
        log.touch()
        stamp = 10**9
        for step in ["add", "read", *steps, "add", "read", "read"]:
            stamp += 1
            if step == "add":
                wrote.append(f"line {len(wrote)}")
                with log.open("a") as file:
                    file.write(wrote[-1] + "\n")
            elif step == "half":
                wrote.append(f"line {len(wrote)} in two pieces")
                with log.open("a") as file:
                    file.write(wrote[-1][:6])
                    file.flush()
                    read += drained(one)
                    file.write(wrote[-1][6:] + "\n")
            elif step == "rotate" and log.stat().st_size:
                rotations += 1
                log.rename(f"{log}.{rotations}")
                log.touch()
            elif step == "restart":
                position = again(one.position)
                one.close()
                one = follower(log, position)
            else:
                read += drained(one)
            os.utime(log, (stamp, stamp))
        assert read + drained(one) == wrote
    finally:
        shutil.rmtree(folder)
