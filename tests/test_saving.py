"""A stream's state on disk: whole, recognised, and one process's at a time."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from anomalies.saving import SavedStateError, kept_by_one, load, save

STATE = {"position": {"offset": 3, "line": 1}, "scan": {"words": ["ä", None, 1.5]}}


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "web.state"


def test_what_was_saved_is_loaded(path):
    save(path, STATE)
    assert load(path) == STATE


def test_without_a_file_there_is_no_state(path):
    assert load(path) is None


def test_only_its_owner_may_read_it(path):
    save(path, STATE)
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_is_left_beside_it(path):
    save(path, STATE)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1, 2]", b"\xff\x00", b'{"form": 1, "sha256": 3, "state": "{}"}']
)
def test_a_damaged_file_is_refused_and_says_what_to_do(path, content):
    path.write_bytes(content)
    with pytest.raises(SavedStateError, match=r"web\.state .* move it away to begin anew"):
        load(path)


def test_a_changed_byte_is_noticed(path):
    save(path, STATE)
    path.write_text(path.read_text().replace("offset", "0ffset"))
    with pytest.raises(SavedStateError, match="its checksum is another"):
        load(path)


def test_a_state_of_a_newer_version_says_so(path):
    path.write_text(json.dumps({"form": 99, "sha256": "", "state": "{}"}))
    with pytest.raises(SavedStateError, match="newer version"):
        load(path)


def test_a_full_disk_leaves_the_former_state_whole(path):
    save(path, STATE)
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from anomalies.saving import save\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: save(Path(sys.argv[1]), {'long': 'x' * 100_000})\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    command = [sys.executable, "-c", script, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], check=True)
    assert run.stdout.startswith("SavedStateError can't save the state to")
    assert load(path) == STATE
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_folder_is_one_clear_line(tmp_path):
    with pytest.raises(SavedStateError, match=r"can't save the state to .*nowhere"):
        save(tmp_path / "nowhere" / "state", STATE)


def test_two_cannot_hold_one_state_and_the_second_is_told_who_does(path):
    script = (
        "import sys; from pathlib import Path; from anomalies.saving import kept_by_one\n"
        "try:\n    with kept_by_one(Path(sys.argv[1])): print('held')\n"
        "except Exception as error: print(error)"
    )
    with kept_by_one(path):
        command = [sys.executable, "-c", script, str(path)]
        second = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert f"is in use by process {os.getpid()}" in second.stdout
    with kept_by_one(path):
        pass


def test_the_limit_of_this_process_was_not_touched():
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
