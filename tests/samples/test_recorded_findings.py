"""The findings in the samples are the recorded ones to the ninth digit: a change for speed changes none.

A change of the method records them again, and its commit shows what else it changes:
`python -m tests.samples.test_recorded_findings > tests/samples/recorded_findings.json`.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from anomalies.detection import Finding, Parameters
from anomalies.sources.scan import Found, Job, scan

SAMPLES = Path(__file__).parents[2] / "samples"
NAMES = ("host.csv", "nginx.log", "postgresql.log")
RECORDED = Path(__file__).with_name("recorded_findings.json")


def findings(name: str) -> list[list[Any]]:
    parameters = dict.fromkeys(("logs", "metrics"), Parameters(review_per_day=3))
    messages = scan(Job(str(SAMPLES / name), parameters, datetime(2026, 11, 29, tzinfo=UTC)), lambda _: None)
    return [figures(one) for message in messages if isinstance(message, Found) for one in message.findings]


def figures(one: Finding) -> list[Any]:
    """The parts of a finding that are compared; nine digits, since Python 3.12 adds floats more exactly."""
    bits = [f"{evidence.bits:.9g}" for evidence in one.window]
    texts = [one.explanation, one.pattern, str(one.timestamp), *bits, *(line.text for line in one.window)]
    digest = sha256("\0".join(texts).encode()).hexdigest()[:16]
    numbers = [f"{number:.9g}" for number in (one.p_value, one.novelty, one.ncd_score, one.window_novelty)]
    return [
        one.first_line,
        one.last_line,
        one.oddest_line,
        one.windows,
        "+".join(one.views),
        *numbers,
        digest,
    ]


@pytest.mark.parametrize("name", NAMES)
def test_the_findings_in_a_sample_are_the_recorded_ones(name):
    assert findings(name) == json.loads(RECORDED.read_text())[name]


if __name__ == "__main__":
    found = {name: [json.dumps(one) for one in findings(name)] for name in NAMES}
    parts = [f'"{name}": [\n  ' + ",\n  ".join(lines) + "\n]" for name, lines in found.items()]
    print("{" + ",\n".join(parts) + "}")
