"""Host metrics that we recorded: each fault that was caused is among what is found."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from anomalies.detection import Finding, Parameters, detect

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
FAULTS = json.loads((SAMPLES / "host.faults.json").read_text())
AFTER = 60  # lines


@cache
def findings() -> tuple[Finding, ...]:
    lines = (SAMPLES / "host.csv").read_bytes().splitlines()
    return tuple(detect(lines, Parameters(), "metrics"))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["fault"])
def test_each_fault_is_found_while_it_lasts_or_in_the_minute_after(fault):
    reach = fault["first_line"], fault["last_line"] + AFTER
    assert any(one.first_line <= reach[1] and one.last_line >= reach[0] for one in findings())


def test_nothing_is_found_before_the_first_fault():
    window = 10
    assert min(one.first_line for one in findings()) + window >= FAULTS[0]["first_line"]


def test_the_disk_that_filled_up_is_named():
    first = findings()[0].explanation
    assert first.startswith("disk_used_percent 73.6%, rose by 40.5 in one step (line 603)")


def test_the_recorder_that_paused_is_named_with_what_is_usual():
    assert any("No value for 46 s (line 1,214); usual every 1 s" in one.explanation for one in findings())


def test_the_truth_is_in_the_file():
    rows = (SAMPLES / "host.csv").read_text().splitlines()
    for fault in FAULTS:
        first, last = rows[fault["first_line"] - 1], rows[fault["last_line"] - 1]
        assert first.split(",")[0] > fault["from"]
        assert last.split(",")[0] <= fault["until"] or fault["fault"] == "recorder_paused"
