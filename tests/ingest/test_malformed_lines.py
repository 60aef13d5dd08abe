"""10,000 malformed lines among good ones: each rejected by line, column and reason, no good one is lost."""

from __future__ import annotations

import random
import re
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from anomalies.audit import Actor
from anomalies.ingest import ingest, json_lines
from anomalies.models import Anomaly
from anomalies.sources.lines import read_lines
from tests.support.malformed_lines import KINDS, MAX_JSON_BYTES, MAX_LINE_BYTES, good, malformed
from tests.support.processes import manage
from tests.support.sizes import amount
from tests.torture.fuzz import mutated

pytestmark = pytest.mark.django_db

MALFORMED = 10_000
GOOD = 3_000


@pytest.fixture(autouse=True)
def limits(settings):
    settings.INGEST_MAX_LINE_BYTES = MAX_LINE_BYTES
    settings.INGEST_MAX_JSON_BYTES = MAX_JSON_BYTES


def feed(path, lines, **options):
    """Ingest these lines as a file; the summary, and the rejects by line number."""
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    rejects = []
    read = read_lines(str(path), MAX_LINE_BYTES)
    summary = ingest(read, Actor("ana", via="ingest"), rejects.append, source="test", **options)
    return summary, {reject.line: reject for reject in rejects}


def test_there_are_at_least_60_kinds():
    assert len(KINDS) >= 60


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_rejected_with_its_column_and_reason(name, tmp_path):
    dice = random.Random(name)
    lines = [good(dice), *(KINDS[name].make(dice) for _ in range(3)), good(dice)]
    summary, rejects = feed(tmp_path / "in", lines)
    assert (summary.new, sorted(rejects)) == (2, [2, 3, 4])
    assert {reject.field for reject in rejects.values()} == {KINDS[name].field}
    assert all(KINDS[name].words in reject.reason for reject in rejects.values()), rejects


def test_of_10_000_malformed_lines_each_is_rejected_and_no_good_one_is_lost(tmp_path):
    dice = random.Random(2026)
    lines = [*malformed(MALFORMED, dice), *((None, good(dice, p_value=n / GOOD)) for n in range(GOOD))]
    dice.shuffle(lines)
    summary, rejects = feed(tmp_path / "in", [line for _, line in lines])
    expected = {number: KINDS[name] for number, (name, _) in enumerate(lines, 1) if name}
    wrong = [
        (number, rejects.get(number))
        for number, kind in expected.items()
        if number not in rejects
        or rejects[number].field != kind.field
        or kind.words not in rejects[number].reason
    ]
    assert wrong == []
    assert rejects.keys() == expected.keys()
    assert (summary.read, summary.new, summary.rejected) == (MALFORMED + GOOD, GOOD, MALFORMED)
    assert {round(p * GOOD) for p in Anomaly.objects.values_list("p_value", flat=True)} == set(range(GOOD))
    assert Counter(name for name, _ in lines if name).keys() == KINDS.keys()


@pytest.mark.parametrize(
    "line",
    [
        b'{"ncd_score":"x",}',
        b'{"ncd_score": "x", "p_val',
        b'{"id": 7, "tags": [1,]}',
        b'{"timestamp": 5, "status": nul}',
        b'{"p_value": 2, "p_value": }',
    ],
)
def test_a_wrong_value_before_broken_json_is_rejected_as_no_json(line, tmp_path):
    dice = random.Random(1)
    summary, rejects = feed(tmp_path / "in", [good(dice), line, good(dice)])
    assert (summary.new, [(reject.line, reject.field) for reject in rejects.values()]) == (2, [(2, None)])
    assert rejects[2].reason.startswith("is no JSON: ")


def test_a_line_cut_anywhere_is_rejected_and_costs_no_other(tmp_path):
    dice = random.Random(1)
    whole = good(dice)
    cuts = [whole[:length] for length in range(1, len(whole))]
    summary, rejects = feed(tmp_path / "in", [good(dice), *cuts, good(dice)])
    assert (summary.new, summary.rejected) == (2, len(cuts))
    assert [
        str(each) for each in rejects.values() if each.field or not re.search("JSON|UTF-8", each.reason)
    ] == []


def test_a_mutated_line_costs_no_other_line(tmp_path):
    dice = random.Random(7)
    seeds = [kind.make(dice) for kind in KINDS.values() if not kind.heavy]
    lines = [mutated(dice.choice(seeds), dice).replace(b"\n", b" ") for _ in range(3_000)]
    summary, rejects = feed(tmp_path / "in", [good(dice), *lines, good(dice)])
    assert summary.new + summary.known + summary.rejected == summary.read
    assert not {1, len(lines) + 2} & rejects.keys()
    assert not [reject for reject in rejects.values() if "please report" in reject.reason]


def test_a_fault_in_reading_one_line_costs_no_other(tmp_path, monkeypatch):
    dice = random.Random(1)
    read_row = json_lines.read_row

    def faulty(data):
        return 1 / 0 if b"boom" in data else read_row(data)

    monkeypatch.setattr(json_lines, "read_row", faulty)
    summary, rejects = feed(tmp_path / "in", [good(dice), b'{"boom": 1}', good(dice)])
    assert (summary.new, list(rejects)) == (2, [2])
    assert "ZeroDivisionError" in rejects[2].reason and "report this line" in rejects[2].reason


# --- A line of a gigabyte -----------------------------------------------------------------------------

LINE = amount("DRIFTLOCK_LONG_LINE_BYTES")
MOST = 200 * 1024  # KiB of memory, of the whole process


def watch(process: subprocess.Popen, seen: list[int]) -> None:
    """The most memory that a process has had, in KiB, again and again until it ends.

    What wait4 tells is no use here: there a process begins with the size of the one that started it.
    """
    status = Path(f"/proc/{process.pid}/status")
    while process.returncode is None:
        with suppress(OSError):
            seen += [int(line.split()[1]) for line in status.read_text().splitlines() if "VmHWM" in line]
        time.sleep(0.02)


def fed_with_a_long_line(*command: str, then: bytes) -> tuple[int, str, int]:
    """The result of one line of LINE bytes and the lines after it: exit status, output, KiB of memory."""
    process = manage(*command)
    seen: list[int] = []
    watcher = Thread(target=watch, args=(process, seen), daemon=True)
    watcher.start()
    piece = b"[" * 1024**2
    for _ in range(LINE // len(piece)):
        process.stdin.write(piece)
    process.stdin.write(b"\n" + then)
    process.stdin.close()
    said = process.stderr.read().decode()
    process.stdout.close()
    process.stderr.close()
    process.wait()
    watcher.join()
    return process.returncode, said, max(seen)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_line_of_a_gigabyte_takes_no_more_memory_than_a_short_one():
    status, said, memory = fed_with_a_long_line("ingest", "-", then=good(random.Random(1)) + b"\n")
    assert f"line 1: is {LINE:,} bytes long" in said
    assert "read 2, new 1, already there 0, rejected 1" in said
    assert (status, Anomaly.objects.count()) == (1, 1)
    assert memory < MOST


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_log_with_a_line_of_a_gigabyte_is_read_in_as_little():
    log = b"".join(b"2026-11-23T12:00:%02dZ checkpoint complete\n" % n for n in range(60))
    status, said, memory = fed_with_a_long_line("detect", "-", then=log)
    assert "events 61," in said
    assert status == 0, said
    assert memory < MOST
