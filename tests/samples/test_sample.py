"""The recorded sample: its ground truth is true, and detection finds the faults in it and little else."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from anomalies.detection import Detector, Finding, Parameters, TimestampReader, event_from_line

SAMPLES = Path(__file__).parents[2] / "samples"
LOG = (SAMPLES / "postgresql.log").read_bytes()
LINES = LOG.splitlines()
FAULTS = json.loads((SAMPLES / "postgresql.faults.json").read_text())
PARAMETERS = Parameters(
    ncd_threshold=0.5, p_value_threshold=0.05, baseline_size=100, window_size=10, hop_size=1
)

# A slash that begins a name and does not follow one: "/home", but neither "shop/shop-web" nor "MB/s".
ABSOLUTE_PATH = re.compile(rb"(?<![\w\]/])/\w")

each_fault = pytest.mark.parametrize("fault", FAULTS, ids=[fault["fault"] for fault in FAULTS])


@dataclass(frozen=True)
class Result:
    findings: list[Finding]
    windows_tested: int


@pytest.fixture(scope="module")
def result() -> Result:
    clock = TimestampReader(datetime.fromisoformat(FAULTS[-1]["until"]))
    events = (event_from_line(number, line, len(line), clock) for number, line in enumerate(LINES, 1))
    detector = Detector(PARAMETERS)
    return Result([*detector.feed(events), *detector.finish()], detector.windows_tested)


def moment_of(number: int) -> datetime:
    """The time of a line, or where it continues another, of the line that it continues."""
    while LINES[number - 1].startswith(b"\t"):
        number -= 1
    return datetime.fromisoformat(LINES[number - 1][:23].decode()).replace(tzinfo=UTC)


def touches(finding: Finding, fault: dict, margin: int = 0) -> bool:
    return (
        finding.first_line <= fault["last_line"] + margin
        and finding.last_line >= fault["first_line"] - margin
    )


@each_fault
def test_a_faults_lines_were_written_while_it_was_caused(fault):
    since, until = datetime.fromisoformat(fault["from"]), datetime.fromisoformat(fault["until"])
    assert since <= moment_of(fault["first_line"]) <= moment_of(fault["last_line"]) <= until


@each_fault
def test_a_faults_own_lines_fit_between_its_first_and_its_last(fault):
    assert 0 < fault["lines"] <= fault["last_line"] - fault["first_line"] + 1


def test_the_faults_follow_each_other_with_quiet_between_them():
    ends = [0, *(fault["last_line"] for fault in FAULTS), len(LINES) + 1]
    begins = [*(fault["first_line"] for fault in FAULTS), len(LINES) + 1]
    quiet = [begin - end - 1 for end, begin in zip(ends[:-1], begins, strict=True)]
    assert quiet[0] >= 500
    assert min(quiet) >= 200


def test_no_path_of_the_recording_machine_is_in_the_log():
    assert not [line for line in LINES if ABSOLUTE_PATH.search(line)]


@each_fault
def test_every_fault_is_among_the_findings(fault, result):
    assert any(touches(finding, fault) for finding in result.findings)


def test_quiet_stretches_are_flagged_no_more_often_than_the_p_threshold_allows(result):
    margin = PARAMETERS.window_size
    flagged = sum(
        finding.windows
        for finding in result.findings
        if not any(touches(finding, fault, margin) for fault in FAULTS)
    )
    # A window is quiet when it ends before or begins after every fault and the margin around it.
    loud = sum(fault["last_line"] - fault["first_line"] + 3 * margin for fault in FAULTS)
    assert flagged / (result.windows_tested - loud) <= PARAMETERS.p_value_threshold
