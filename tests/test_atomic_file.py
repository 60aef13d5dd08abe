"""anomalies.atomic_file: a file that is there whole, or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from anomalies.atomic_file import AtomicFile, write_atomically


@pytest.fixture(params=[True, False], ids=["nameless files", "none"], autouse=True)
def system(request, monkeypatch, tmp_path) -> bool:
    """True on a system with files that have no name."""
    if not request.param:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
        return False
    try:
        os.close(os.open(tmp_path, os.O_TMPFILE | os.O_RDWR))
    except (AttributeError, OSError):
        pytest.skip("this system has no nameless files")
    return True


def names(folder) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_what_is_published_is_there_whole_and_for_its_owner_alone(tmp_path):
    with AtomicFile(tmp_path / "new") as file:
        file.write(b"all of it")
        file.publish()
    assert (names(tmp_path), (tmp_path / "new").read_bytes()) == (["new"], b"all of it")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


@pytest.mark.parametrize("replace", [False, True])
def test_what_is_published_is_on_the_disk_and_its_name_too(replace, tmp_path, monkeypatch):
    done, fsync = [], os.fsync

    def synced(handle: int) -> None:
        found = os.fstat(handle)
        what = "its folder" if stat.S_ISDIR(found.st_mode) else f"{found.st_size} bytes"
        done.append((what, "new" in names(tmp_path)))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", synced)
    with AtomicFile(tmp_path / "new") as file:
        file.write(b"all of it")
        file.publish(replace)
    assert done == [("9 bytes", False), ("its folder", True)]


def test_before_that_it_has_no_name_or_a_hidden_one(tmp_path, system):
    with AtomicFile(tmp_path / "new") as file:
        file.write(b"half of it")
        assert [name.startswith(".new.") for name in names(tmp_path)] == ([] if system else [True])


def test_what_was_written_can_be_read_before_it_is_published(tmp_path):
    with AtomicFile(tmp_path / "new") as file:
        file.write(b"all of it")
        assert os.pread(file.readable(), 100, 0) == b"all of it"


def test_what_is_not_published_is_gone(tmp_path):
    with pytest.raises(KeyboardInterrupt), AtomicFile(tmp_path / "new") as file:
        file.write(b"half of it")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_a_file_that_appeared_since_is_kept(tmp_path):
    with pytest.raises(FileExistsError), AtomicFile(tmp_path / "new") as file:
        (tmp_path / "new").write_text("another's")
        file.publish()
    assert (names(tmp_path), (tmp_path / "new").read_text()) == (["new"], "another's")


def test_it_may_replace_one(tmp_path):
    (tmp_path / "new").write_text("old")
    with AtomicFile(tmp_path / "new") as file:
        file.write(b"new")
        file.publish(replace=True)
    assert (names(tmp_path), (tmp_path / "new").read_text()) == (["new"], "new")


def test_a_folder_that_can_not_be_written_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        AtomicFile(tmp_path / "no" / "new")


def test_the_umask_takes_from_the_mode(tmp_path):
    former = os.umask(0o027)
    write_atomically(tmp_path / "new", b"", mode=0o666)
    os.umask(former)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_what_a_killed_process_left_under_a_fixed_name_is_replaced(tmp_path):
    (tmp_path / ".left").write_text("half of it")
    write_atomically(tmp_path / "new", b"all of it", replace=True, waiting=tmp_path / ".left")
    assert (names(tmp_path), (tmp_path / "new").read_bytes()) == (["new"], b"all of it")


def test_without_being_asked_it_replaces_nothing(tmp_path):
    (tmp_path / "new").write_text("another's")
    with pytest.raises(FileExistsError):
        write_atomically(tmp_path / "new", b"ours")
    assert (names(tmp_path), (tmp_path / "new").read_text()) == (["new"], "another's")


def test_a_folder_in_its_place_is_an_error_and_nothing_is_left(tmp_path):
    (tmp_path / "new").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "new", b"all of it", replace=True)
    assert names(tmp_path) == ["new"]


def test_a_file_that_another_process_puts_under_the_waiting_name_is_left(tmp_path):
    with AtomicFile(tmp_path / "new", waiting=tmp_path / ".next") as file:
        file.publish(replace=True)
        (tmp_path / ".next").write_text("another's")
    assert names(tmp_path) == [".next", "new"]


def test_a_waiting_file_that_somebody_removed_is_no_error(tmp_path):
    with AtomicFile(tmp_path / "new", waiting=tmp_path / ".next"):
        (tmp_path / ".next").unlink(missing_ok=True)
    assert names(tmp_path) == []


def test_a_waiting_file_that_comes_at_the_same_moment_is_not_written_to(tmp_path, system, monkeypatch):
    (tmp_path / ".next").write_text("another's")
    monkeypatch.setattr(type(tmp_path), "unlink", lambda path, missing_ok=False: None)
    if not system:
        with pytest.raises(FileExistsError):
            AtomicFile(tmp_path / "new", waiting=tmp_path / ".next")
    assert (tmp_path / ".next").read_text() == "another's"


@pytest.mark.parametrize("replace", [False, True])
def test_no_descriptor_stays_open(replace, tmp_path):
    before = len(names(Path("/dev/fd")))
    with AtomicFile(tmp_path / "new") as file:
        file.publish(replace)
    assert len(names(Path("/dev/fd"))) == before
    assert file.path.exists()
