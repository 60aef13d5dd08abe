"""The yardsticks of `make bench-detect` measure what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.detect.figures import auc, best_f1, by_new_template
from benchmarks.detect.streams.data import logs_in, series_in, sessions_in

ROOT = Path(__file__).parents[2]


def test_auc_and_best_f1_counted_by_hand():
    assert auc([1, 2, 3, 4], [False, False, True, True]) == 1
    assert auc([1, 1, 1, 1], [False, True, False, True]) == 0.5
    assert best_f1([4, 3, 2, 1], [True, False, True, False]) == pytest.approx(0.8)
    assert best_f1([1, 1, 1, 1], [True, False, False, False]) == pytest.approx(0.4)


def test_a_template_is_new_until_it_was_learnt():
    assert by_new_template(["a", "a", "b", "b"], [True, True, False, True]) == [1, 0, 1, 1]


def test_a_folder_is_read_whatever_its_files_are_called(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "mainframe.log").write_text("- 1117838570 ok\nKERNDTLB 1117838571 bad\n")
    (tmp_path / "own" / "labels").mkdir(parents=True)
    (tmp_path / "own" / "data" / "web").mkdir(parents=True)
    (tmp_path / "own" / "labels" / "windows.json").write_text(
        '{"web/cpu.csv": [["2026-01-01 00:01:00", "2026-01-01 00:02:00"]]}'
    )
    rows = "".join(f"2026-01-01 00:0{minute}:00,{minute}\n" for minute in range(4))
    (tmp_path / "own" / "data" / "web" / "cpu.csv").write_text("timestamp,value\n" + rows)
    (tmp_path / "shop_normal.csv").write_text('1,"a b"\n')
    (tmp_path / "shop_abnormal.csv").write_text('2,"a c"\n')
    (log,) = logs_in(tmp_path)
    assert (log.raw, log.alerts) == ([b"1117838570 ok", b"1117838571 bad"], [False, True])
    assert [(one.values, one.windows) for one in series_in(tmp_path)] == [([0, 1, 2, 3], [(1, 2)])]
    assert [(one.name, one.abnormal) for one in sessions_in(tmp_path)] == [("shop", [["a", "c"]])]


def test_an_empty_folder_is_said_to_be_one(tmp_path):
    command = [sys.executable, "-m", "benchmarks.detect", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (2, "")
    assert "holds nothing to measure with" in run.stderr
