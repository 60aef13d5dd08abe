"""anomalies.atomic_file: a file that is there whole, or not at all."""

from __future__ import annotations

import os
import stat

import pytest

from anomalies.atomic_file import AtomicFile, write_atomically


@pytest.fixture(params=["a system with nameless files", "one without"], autouse=True)
def system(request, monkeypatch):
    if request.param == "one without":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)


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
        is_folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        done.append(("its folder" if is_folder else "the file", "new" in names(tmp_path)))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", synced)
    with AtomicFile(tmp_path / "new") as file:
        file.write(b"all of it")
        file.publish(replace)
    assert done == [("the file", False), ("its folder", True)]


def test_before_that_it_has_no_name(tmp_path):
    with AtomicFile(tmp_path / "new") as file:
        file.write(b"half of it")
        assert not (tmp_path / "new").exists()


def test_what_is_not_published_is_gone(tmp_path):
    with pytest.raises(KeyboardInterrupt), AtomicFile(tmp_path / "new") as file:
        file.write(b"half of it")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_a_file_that_came_meanwhile_is_kept(tmp_path):
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
