"""The recorded access log of nginx: its ground truth is true; detection finds the faults and little else."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path

import pytest

from anomalies.detection import Finding, Parameters, detect

SAMPLES = Path(__file__).parents[2] / "samples"
LINES = (SAMPLES / "nginx.log").read_bytes().splitlines()
FAULTS = json.loads((SAMPLES / "nginx.faults.json").read_text())
LATE = 60  # lines

each_fault = pytest.mark.parametrize("fault", FAULTS, ids=[fault["fault"] for fault in FAULTS])


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    return [finding for finding in detect(LINES, Parameters()) if finding.is_significant]


def moment_of(number: int) -> datetime:
    stamp = re.search(rb"\[(.*?)\]", LINES[number - 1])
    return datetime.strptime(stamp[1].decode(), "%d/%b/%Y:%H:%M:%S %z")


def touches(finding: Finding, fault: dict) -> bool:
    return finding.first_line <= fault["last_line"] + LATE and finding.last_line >= fault["first_line"]


@each_fault
def test_a_faults_lines_were_written_while_it_was_caused(fault):
    since, until = datetime.fromisoformat(fault["from"]), datetime.fromisoformat(fault["until"])
    first, last = moment_of(fault["first_line"]), moment_of(fault["last_line"])
    assert since.replace(microsecond=0) <= first <= last
    assert (last - until).total_seconds() <= 3


@each_fault
def test_each_fault_is_found(fault, findings):
    assert any(touches(finding, fault) for finding in findings)


def test_little_else_is_found(findings):
    assert sum(not any(touches(finding, fault) for fault in FAULTS) for finding in findings) <= 2


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("upstream_down", r"status “502” in \d+ of \d+ lines of its kind .*; usual “200”"),
        ("slow_upstream", r".* [12]\.\d+ and \d+ like it .*; usual 0 to 0.0"),
        ("monitor_stopped", r"no “\"GET /health HTTP/1.1\" 200 .*; usual every 2 s, at most 3 s apart"),
        ("flood", r".*python-requests.* and lines like it: \d+ of 60"),
        ("broken_release", r"status is “500” for the first time .*; usual “200”"),
    ],
)
def test_its_first_sentence_says_what_happened(kind, sentence, findings):
    fault = next(one for one in FAULTS if one["fault"] == kind)
    said = [finding.explanation.splitlines()[0] for finding in findings if touches(finding, fault)]
    assert any(re.match(sentence, one) for one in said), said
