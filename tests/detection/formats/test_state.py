"""A format saved and loaded between any two lines goes on as if nothing had been."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .lines.test_envelopes import LINES, PARTS
from .points.test_points import EXPOSITION
from .records.envelopes import ENVELOPES
from .records.test_spans import STEPS, otlp, spans
from .support import made_for, records
from .tables.test_declared_fields import DAY, IIS
from .tables.test_log_table import POWERSHELL, VIEWER

INPUTS = {
    "plain lines": [b"2026-11-23 04:22:01 ready", b"    at com.example", b"2026-11-23 04:22:02 done"] * 3,
    "syslog": [LINES["syslog"][0].encode()] * 8,
    "CRI": [part.encode() for part in PARTS] * 2,
    "JSON": records(*(envelope for envelope in list(ENVELOPES.values())[:8])),
    "batches": records(
        *([ENVELOPES["CloudWatch subscription"], {"logEvents": [{"message": "a"}, {"message": "b"}]}] * 4)
    ),
    "spans": records(*(span for trace in "abc" for span in spans(trace, otlp))),
    "a table of spans": [
        b"trace_id,name,start",
        *(f"{n % 3},s{n},{1793527200 - n}".encode() for n in range(8)),
    ],
    "sessions": records(*({"trace_id": f"t{n}", "steps": STEPS} for n in range(8))),
    "prompts": records(*({"prompt": f"ask {n}", "response": "say"} for n in range(8))),
    "measurements": records(*({"time": 1793527200 + n, "cpu": n} for n in range(8))),
    "series": records(
        *({"metric": {"__name__": "up"}, "values": [[n, "1"], [n + 1, "2"]]} for n in range(8))
    ),
    "scrapes": f"# 1793491200\n{EXPOSITION}broken {{\n".encode().splitlines(),
    "a table": [b"time,cpu", *(f"2026-11-23T04:22:0{n}Z,{n}".encode() for n in range(8))],
    "a log as a table": VIEWER.encode().splitlines(),
    "a log that declares its fields twice": f"{IIS}{DAY}".encode().splitlines(),
    "a log with cells over lines": POWERSHELL.encode().splitlines(),
}


@pytest.mark.parametrize("lines", INPUTS.values(), ids=INPUTS)
@settings(max_examples=20, deadline=None)
@given(cuts=st.sets(st.integers(0, 9)))
def test_a_format_that_is_saved_and_loaded_reads_the_same(lines, cuts):
    whole, pieces = made_for(lines), made_for(lines)
    for number, line in enumerate(lines, 1):
        if number in cuts:
            state = json.loads(json.dumps(pieces.state()))
            pieces = made_for(lines)
            pieces.restore(state)
        assert pieces.read(number, line, len(line)) == whole.read(number, line, len(line))
    assert pieces.finish() == whole.finish()
