"""The tests' servers are in memory where there is room for them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support import memory_folder
from tests.support.memory_folder import has_room, temporary_folder


@pytest.fixture
def memory(tmp_path, monkeypatch) -> Path:
    """A folder in place of the one in memory, with room for two workers."""
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "2")
    monkeypatch.setattr(memory_folder, "MEMORY", tmp_path)
    monkeypatch.setattr(memory_folder, "_free", lambda: 2 * memory_folder.NEEDED)
    monkeypatch.setattr(memory_folder, "_available", lambda: 2 * memory_folder.NEEDED)
    return tmp_path


def test_it_is_in_memory_where_there_is_room(memory):
    assert Path(temporary_folder("driftlock-test-")).parent == memory


def test_it_is_elsewhere_where_all_workers_do_not_fit(memory, monkeypatch):
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "3")
    folder = temporary_folder("driftlock-test-")
    assert Path(folder).parent != memory
    shutil.rmtree(folder)


@pytest.mark.parametrize("missing", ["_free", "_available"])
def test_neither_the_folder_nor_the_memory_may_be_too_small(memory, monkeypatch, missing):
    monkeypatch.setattr(memory_folder, missing, lambda: memory_folder.NEEDED - 1)
    assert not has_room(1)


def test_what_a_killed_run_left_is_deleted_and_nothing_else(memory):
    killed, running = memory / "driftlock-test-999999999-x", memory / f"driftlock-test-{os.getpid()}-x"
    for folder in (killed, running):
        folder.mkdir()
    temporary_folder("driftlock-test-")
    assert (killed.exists(), running.exists()) == (False, True)
