"""A followed file that is rotated, deleted, replaced or truncated: nothing is lost or read twice."""

from __future__ import annotations

import gzip
import shutil

import pytest
import zstandard

from tests.support.processes import wait_until

from .growing_log import Reader

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
