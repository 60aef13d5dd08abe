"""Saved state: whole or not at all, known again, one process at a time."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalies.sources.checkpoint import SavedStateError, load, locked, save
from tests.support.processes import ROOT, wait_until

STATE = {"number": 7, "bits": 0.1 + 0.2, "words": ["é", "\x00", "\n"], "nothing": None}
BIG = {"text": "x" * 3_000_000}


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "state"


def test_what_a_killed_process_left_unfinished_is_gone_after_the_next_save(file):
    left = file.with_name(".state.unfinished")
    left.write_text("half")
    save(file, STATE)
    assert (load(file), left.exists()) == (STATE, False)


def python(program: str, *args: object, **over) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", program, *map(str, args)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **over)


def refusal(doing, *args: object) -> str:
    with pytest.raises(SavedStateError) as caught:
        doing(*args)
    return str(caught.value)


# --- saved and loaded -----------------------------------------------------------------------------------

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(state=st.dictionaries(st.text(), plain))
def test_what_is_loaded_is_what_was_saved(state, tmp_path_factory):
    file = tmp_path_factory.getbasetemp() / "any state"
    save(file, state)
    assert load(file) == state


def test_it_is_on_the_disk_before_it_has_its_name_and_the_name_too_before_saving_ends(file, monkeypatch):
    done, fsync = [], os.fsync

    def synced(handle: int) -> None:
        found = os.fstat(handle)
        what = "its folder" if stat.S_ISDIR(found.st_mode) else f"{found.st_size} bytes"
        done.append((what, file.exists()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", synced)
    save(file, STATE)
    assert done == [(f"{file.stat().st_size} bytes", False), ("its folder", True)]


def test_there_is_no_state_before_the_first(file):
    assert load(file) is None


def test_the_file_is_its_owners_alone_and_nothing_else_is_left(file):
    file.write_text("somebody made it readable")
    file.chmod(0o666)
    save(file, STATE)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_a_link_stays_a_link(file, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(file)
    save(link, STATE)
    assert (link.is_symlink(), load(file)) == (True, STATE)


def test_a_state_that_is_no_json_is_a_mistake_of_the_program(file):
    save(file, STATE)
    with pytest.raises(ValueError, match="JSON compliant"):
        save(file, {"bits": float("nan")})
    assert load(file) == STATE


# --- refused --------------------------------------------------------------------------------------------


def test_every_damaged_byte_is_noticed(file):
    save(file, {"number": 7})
    sound = file.read_bytes()
    for at in range(len(sound)):
        file.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        assert str(file) in refusal(load, file)


def test_every_file_cut_short_is_noticed(file):
    save(file, {"number": 7})
    sound = file.read_bytes()
    for length in range(len(sound)):
        file.write_bytes(sound[:length])
        assert str(file) in refusal(load, file)


@pytest.mark.parametrize("data", [b"", b"[]\n", b"\xff\xfe", b"x" * 5000, b'{"format": "other"}\n{}\n'])
def test_a_file_of_somebody_else_is_no_state(file, data):
    file.write_bytes(data)
    assert f"{file} is no saved state" in refusal(load, file)


def test_a_newer_version_says_so(file):
    save(file, STATE)
    head, body = file.read_bytes().splitlines(keepends=True)
    newer = json.dumps(json.loads(head) | {"version": 2}).encode()
    file.write_bytes(newer + b"\n" + body)
    assert "written by a newer Driftlock (version 2, this one reads up to 1)" in refusal(load, file)


def test_a_folder_is_no_state(tmp_path):
    assert "Is a directory" in refusal(load, tmp_path)
    assert "Is a directory" in refusal(save, tmp_path, STATE)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    assert f"there is no folder {tmp_path}/no; make it first" in refusal(
        save, tmp_path / "no" / "state", STATE
    )


# --- a full disk, a process that is killed --------------------------------------------------------------

SAVE_BIG = """
import sys
from anomalies.sources.checkpoint import SavedStateError, save
try:
    save(sys.argv[1], {"text": "x" * 3_000_000})
except SavedStateError as error:
    sys.exit(str(error))
"""


def test_a_file_that_may_not_grow_leaves_the_former_state(file):
    save(file, STATE)
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))  # noqa: E731
    _, said = python(SAVE_BIG, file, preexec_fn=limit).communicate(timeout=600)
    assert said.decode().startswith(f"no room left to save the state in {file} (File too large)")
    assert (load(file), list(file.parent.iterdir())) == (STATE, [file])


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("the system lets us mount nothing")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_leaves_the_former_state(small_disk):
    file = small_disk / "state"
    save(file, STATE)
    assert "No space left on device" in refusal(save, file, BIG)
    assert (load(file), list(small_disk.iterdir())) == (STATE, [file])


SAVE_FOR_EVER = """
import itertools, sys
from anomalies.sources.checkpoint import save
for number in itertools.count():
    save(sys.argv[1], {"number": number, "text": str(number % 10) * 200_000})
"""


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_a_whole_state(file):
    for _ in range(10):
        process = python(SAVE_FOR_EVER, file)
        before = file.stat().st_ino if file.exists() else None
        wait_until(lambda before=before: file.exists() and file.stat().st_ino != before)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=600)
        state = load(file)
        assert state["text"] == str(state["number"] % 10) * 200_000


# --- one process at a time ------------------------------------------------------------------------------

HOLD = """
import sys
from anomalies.sources.checkpoint import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_with_the_id_of_the_first(file):
    with python(HOLD, file, stdin=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        assert refusal(locked(file).__enter__).startswith(f"process {process.pid} works with the saved state")
        process.stdin.close()
    with locked(file):
        save(file, STATE)


def test_the_lock_of_a_process_that_was_killed_is_free(file):
    with python(HOLD, file, stdin=subprocess.PIPE) as process:
        process.stdout.readline()
        process.kill()
    with locked(file):
        assert load(file) is None


def test_a_link_and_its_file_have_one_lock(file, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(file)
    with locked(file):
        assert f"process {os.getpid()} works with" in refusal(locked(link).__enter__)


def test_the_lock_is_its_owners_alone_names_its_process_and_is_free_afterwards(file):
    lock = file.with_name("state.lock")
    former = os.umask(0)
    with locked(file):
        assert (stat.S_IMODE(lock.stat().st_mode), lock.read_text()) == (0o600, f"{os.getpid()}\n")
    os.umask(former)
    with locked(file):
        assert lock.exists()


def test_the_number_of_a_former_process_is_gone(file):
    lock = file.with_name("state.lock")
    lock.write_text("123456789012345\n")
    with locked(file):
        assert lock.read_text() == f"{os.getpid()}\n"


def test_a_lock_that_is_a_link_is_refused(file, tmp_path):
    file.with_name("state.lock").symlink_to(tmp_path / "elsewhere")
    assert f"can't lock the saved state {file}: {file}.lock: " in refusal(locked(file).__enter__)
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_system_without_locks_is_named(file, monkeypatch):
    def without(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", without)
    assert f"can't lock the saved state {file}: No locks available" in refusal(locked(file).__enter__)
