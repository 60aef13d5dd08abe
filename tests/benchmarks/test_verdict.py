"""`make bench` runs every benchmark, and its verdicts can fail."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(HERE))

from verdict import verdict  # noqa: E402

from benchmarks.__main__ import parts, run  # noqa: E402

NO_BENCHMARKS = {"__main__", "verdict"}
ON_DATA_OF_ITS_OWN = {"sessions", "detect"}  # which is named on the command line


def test_every_benchmark_is_run_by_make_bench():
    files, folders = HERE.glob("*.py"), HERE.glob("*/__main__.py")
    there = {file.stem for file in files} | {main.parent.name for main in folders}
    assert set(parts(1000)) == there - NO_BENCHMARKS - ON_DATA_OF_ITS_OWN


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (verdict(1.6, most=1.6), "≤ 1.6 reached"),
        (verdict(1.61, most=1.6), "≤ 1.6 MISSED"),
        (verdict(0.65, least=0.65), "≥ 0.65 reached"),
        (verdict(0.64, least=0.65), "≥ 0.65 MISSED"),
        (verdict(float("inf"), most=300), "≤ 300 MISSED"),
        (verdict(3), ""),
    ],
)
def test_a_figure_is_compared_with_its_target(given, words):
    assert given == words


@pytest.mark.slow
def test_what_a_benchmark_says_is_shown_and_kept(capfd):
    said = run("triage", ["--rows", "600", "--rounds", "1"])
    assert [line.split()[0] for line in said if "≤" in line] == ["bulk", "after", "undo"]
    assert "--- triage" in capfd.readouterr().out
