"""``python -m tests.torture`` in small, and that it finds what it looks for."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from django.db import connection

from tests.support.factories import make_anomaly
from tests.support.processes import ROOT
from tests.support.sizes import size

from . import checks
from .checks import Entry

SCALE = size("DRIFTLOCK_TORTURE")  # of what `make torture` runs


@pytest.mark.slow
def test_nothing_is_half_done_unrecorded_or_lost():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_URL")}
    command = [sys.executable, "-m", "tests.torture", "--scale", str(SCALE)]
    command += ["--full-disks", "1", "--fuzz-seconds", "0"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stdout + done.stderr
    faults = re.findall(r"^\w.*?(\d+) +\d+ +0 +0 +0 +0$", done.stdout, re.MULTILINE)
    assert [int(times) for times in faults[:3]] == [round(n * SCALE) for n in (500, 500, 20)]
    assert len(faults) == 4, done.stdout


# --- it finds what it looks for -------------------------------------------------------------------------

PENDING = {
    "status": "pending",
    "dismissal_reason": None,
    **{
        f"{each}_{what}": None
        for each in ("acknowledged", "dismissed", "investigating")
        for what in ("by", "at")
    },
}
SEEN = {"status": "investigating", "investigating_by": "ana", "investigating_at": "2026-11-23T12:00:00+00:00"}
BEFORE = {pk: dict(PENDING) for pk in ("a", "b")}


def entry(number: int, anomaly: str, transaction: str = "7") -> Entry:
    return Entry(number, anomaly, {name: PENDING[name] for name in SEEN}, dict(SEEN), "t", transaction)


def bulk(done: bool = True, decided: tuple[str, ...] = ("a", "b")) -> list[dict]:
    begin = {"event": "begin", "tag": "t", "action": "investigate", "ids": ["a", "b"], "shared": True}
    return [begin, {"event": "done", "tag": "t", "decided": list(decided)}][: 1 + done]


def both(**over: object) -> dict[str, dict]:
    return {pk: {**PENDING, **SEEN, **over} for pk in ("a", "b")}


def one() -> dict[str, dict]:
    return {"a": PENDING | SEEN, "b": PENDING}


def test_a_whole_bulk_is_no_fault():
    assert checks.check_decisions(BEFORE, [entry(1, "a"), entry(2, "b")], both(), bulk()).faults == []


def test_neither_is_one_that_was_never_confirmed_and_is_not_there():
    assert checks.check_decisions(BEFORE, [], BEFORE, bulk(done=False)).faults == []


def test_a_decision_that_was_confirmed_and_is_not_there_is_lost():
    assert len(checks.check_decisions(BEFORE, [], BEFORE, bulk()).lost) == 2


def test_half_of_a_bulk_is_found():
    found = checks.check_decisions(BEFORE, [entry(1, "a")], one(), bulk(done=False))
    assert found.half_done == ["bulk t: anomaly b was pending and was left out"]


def test_a_bulk_in_two_transactions_is_found():
    entries = [entry(1, "a", "7"), entry(2, "b", "8")]
    assert len(checks.check_decisions(BEFORE, entries, both(), bulk()).half_done) == 1


def test_a_status_without_who_or_when_is_found():
    entries = [entry(1, "a"), entry(2, "b")]
    for each in entries:
        each.new["investigating_at"] = None
    found = checks.check_decisions(BEFORE, entries, both(investigating_at=None), bulk())
    assert len(found.half_done) == 2 and found.unrecorded == []


def test_a_deadlock_is_not_passed_over():
    failed = {"event": "failed", "tag": "", "why": "40P01: deadlock detected"}
    assert checks.check_decisions(BEFORE, [], BEFORE, [failed]).unexpected == ["40P01: deadlock detected"]


def unrecorded(statements: str) -> list[str]:
    """The problems found after a real change of a real row."""
    pk = str(make_anomaly().pk)
    mark, before = checks.last_entry(), checks.states([pk])
    with connection.cursor() as cursor:
        cursor.execute(statements)
    now = checks.states([pk])
    return checks.check_decisions(before, checks.entries_since(mark, [pk]), now, []).unrecorded


@pytest.mark.django_db
def test_a_recorded_change_is_no_fault():
    assert unrecorded("UPDATE anomalies SET notes = 'seen'") == []


@pytest.mark.django_db
@pytest.mark.parametrize("later", ["", "; UPDATE anomalies SET notes = 'recorded'"])
def test_a_change_without_a_record_is_found(later):
    secretly = "ALTER TABLE anomalies {} TRIGGER audit_anomalies_update; "
    change = secretly.format("DISABLE") + "UPDATE anomalies SET notes = 'x'; " + secretly.format("ENABLE")
    assert len(unrecorded(change + later)) == 1


@pytest.mark.django_db
def test_a_batch_of_an_ingest_that_is_not_whole_is_found():
    make_anomaly(metadata={"file": "f", "line": 1})
    found = checks.check_file("f", 100, finished=False)
    assert found.half_done == ["f: 1 of 100 lines from 1"] and len(found.unrecorded) == 1
