"""A file that is known to be good is learnt first: nothing in it is found, and the source begins as usual."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from anomalies.detection import Finding, Parameters
from anomalies.sources.lines import LINE_BYTES, read_records
from anomalies.sources.scan import Counts, Ended, Found, Job, Scan, scan

KINDS = ("logs", "metrics", "traces", "llm")
STARTS = datetime(2026, 11, 20, 10, tzinfo=UTC)
FAULT = "db: checkpoint refused by replica, journal truncated beyond repair"
ONCE = "cron: vacuum of catalogue tables finished without remarks"


def log_lines(count: int, since: datetime = STARTS) -> list[str]:
    """Requests, one a second, and a heartbeat each ten of them."""
    said = ["GET /orders 200", "POST /orders 201", "GET /stock 200"]
    return [
        f"{since + timedelta(seconds=n):%Y-%m-%dT%H:%M:%SZ} "
        + ("agent: alive, all queues drained" if n % 10 == 4 else f"web: {said[n * n % 3]} in {n % 7} ms")
        for n in range(count)
    ]


def stamped(text: str, at: int = 0) -> str:
    return f"{STARTS + timedelta(seconds=at):%Y-%m-%dT%H:%M:%SZ} {text}"


@pytest.fixture
def write(tmp_path) -> Callable[[str, Sequence[str]], Path]:
    def write(name: str, lines: Sequence[str]) -> Path:
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
        return tmp_path / name

    return write


@pytest.fixture
def good(write) -> Path:
    lines = log_lines(1500)
    lines[20] = stamped(ONCE, 20)
    return write("good.log", lines)


def job(path: Path, baseline: Path | str = "") -> Job:
    parameters = dict.fromkeys(KINDS, Parameters())
    return Job(str(path), parameters, STARTS + timedelta(days=3), baseline=str(baseline))


def run(path: Path, baseline: Path | str = "") -> tuple[list[Finding], Ended]:
    *found, ended = scan(job(path, baseline), lambda _: None)
    assert isinstance(ended, Ended)
    return [one for message in found if isinstance(message, Found) for one in message.findings], ended


def failure(path: Path, baseline: Path | str) -> str:
    findings, ended = run(path, baseline)
    assert not findings
    return ended.failure or ""


def test_a_fault_in_the_first_lines_is_found_and_nothing_of_the_baseline_is(write, good):
    lines = log_lines(300)
    lines[3] = stamped(FAULT, 3)
    (found,), ended = run(write("app.log", lines), good)
    assert (found.first_line, found.oddest_line, "(line 4)" in found.explanation) == (1, 4, True)
    assert [line.line for line in found.baseline][-1] == 0
    counts = ended.counts
    assert (counts.events, counts.last_line, counts.windows_tested) == (300, 300, 300)


def test_without_a_baseline_nothing_is_tested_there(write):
    lines = log_lines(300)
    lines[3] = stamped(FAULT, 3)
    findings, ended = run(write("app.log", lines))
    assert (findings, ended.counts.windows_tested) == ([], 191)


def test_a_line_that_came_once_in_the_baseline_is_no_news_however_long_ago(write, good):
    lines = log_lines(300)
    lines[200] = stamped(ONCE, 200)
    app = write("app.log", lines)
    assert run(app, good)[0] == []
    assert [found.oddest_line for found in run(app)[0]] == [201]


def test_what_came_in_the_baseline_and_does_not_come_is_quoted_with_its_line_there(write, good):
    app = write("app.log", [line for line in log_lines(400) if "alive" not in line])
    (found,), _ = run(app, good)
    assert found.explanation.startswith("no “")
    assert "(line 1,495 of the baseline)" in found.explanation.splitlines()[0]
    assert (found.oddest_line, found.baseline[-6].line, found.baseline[-6].text) == (
        -5,
        -5,
        log_lines(1495)[-1],
    )
    assert found.first_line > 0


@pytest.mark.parametrize("days", [-40, -1, 1, 40])
def test_the_time_between_the_baseline_and_the_source_is_no_silence(days, write, good):
    app = write("app.log", log_lines(400, STARTS + timedelta(days=days, minutes=17)))
    assert run(app, good)[0] == []


@pytest.mark.parametrize("days", [-30, 1, 30])
def test_nor_is_it_a_gap_of_a_metric(days, write):
    def rows(since: datetime) -> list[str]:
        points = [f"{since + timedelta(minutes=n)},{20 + n * n % 7}" for n in range(600)]
        return ["time,load", *points]

    app = write("app.csv", rows(STARTS + timedelta(days=days)))
    assert run(app, write("good.csv", rows(STARTS)))[0] == []


def test_hours_of_the_baseline_count_as_those_before_the_source(write):
    """A busy night is found in the first night of the source, and its beginning at half past nine is not."""

    def days(since: datetime, hours: int, night: int) -> Iterator[str]:
        for hour in range(hours):
            at = since + timedelta(hours=hour)
            count = 60 if 8 <= at.hour < 20 else night
            for n in range(count):
                time = at + timedelta(seconds=n * 3600 / count)
                yield f"{time:%Y-%m-%dT%H:%M:%SZ} web: GET /{'abc'[n * n % 3]} 200 in {n % 7} ms"

    good = write("good.log", [*days(datetime(2026, 11, 2, 0, tzinfo=UTC), 24 * 9, 20)][:-11])
    begin = datetime(2026, 12, 5, 9, 30, tzinfo=UTC)
    assert run(write("calm.log", [*days(begin, 20, 20)]), good)[0] == []
    busy = run(write("busy.log", [*days(begin, 20, 140)]), good)[0]
    assert busy[0].explanation.startswith(
        "100 lines from 20:00 to 21:00 UTC (line 730); usual at that hour 20\n"
    )


def records(count: int, odd: str = "") -> dict[str, list[str]]:
    """The records of each kind; the third one is odd where `odd` is given."""
    time = [f"{STARTS + timedelta(minutes=n):%Y-%m-%dT%H:%M:%SZ}" for n in range(count)]
    texts = ["summarise the weekly report", "translate the greeting", "list open orders"]
    rows = {
        "logs": [json.dumps({"time": time[n], "message": texts[n * n % 3]}) for n in range(count)],
        "metrics": ["time,load", *(f"{time[n]},{20 + n * n % 7}" for n in range(count))],
        "traces": [
            json.dumps({"trace_id": f"t{n}", "events": ["open", "read", "close"]}) for n in range(count)
        ],
        "llm": [json.dumps({"prompt": texts[n * n % 3], "response": "done"}) for n in range(count)],
    }
    if odd:
        rows["logs"][2] = json.dumps({"time": time[2], "message": odd})
        rows["metrics"][3] = f"{time[2]},950"
        rows["traces"][2] = json.dumps({"trace_id": "t2", "events": ["open", "drop", "shred", "close"]})
        rows["llm"][2] = json.dumps({"prompt": odd, "response": odd})
    return rows


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_stream_can_be_trained(kind, write):
    name = "app.csv" if kind == "metrics" else "app.json"
    odd = write(f"odd-{name}", records(200, FAULT)[kind])
    good = write(f"good-{name}", records(900)[kind])
    assert [found.first_line <= 4 for found in run(odd, good)[0]] == [True]
    assert run(write(name, records(200)[kind]), good)[0] == []


def test_an_archive_can_be_the_baseline(write, good, tmp_path):
    packed = tmp_path / "good.log.gz"
    packed.write_bytes(gzip.compress(good.read_bytes()))
    lines = log_lines(300)
    lines[3] = stamped(FAULT, 3)
    app = write("app.log", lines)
    assert run(app, packed)[0] == run(app, good)[0]


def test_cut_and_saved_anywhere_it_finds_the_same_and_is_trained_once(write, good):
    lines = log_lines(300)
    lines[3] = lines[240] = stamped(FAULT, 3)
    app = write("app.log", lines)
    whole = run(app, good)[0]
    read = list(read_records(str(app), LINE_BYTES))
    one = Scan.of(job(app, good), [line.data for line in read[:100]])
    good.unlink()
    pieces: list[Finding] = []
    for at in range(0, len(read), 29):
        pieces += one.feed(read[at : at + 29])
        one = Scan.resumed(job(app, good), json.loads(json.dumps(one.state())))
    assert [*pieces, *one.finish()] == whole
    assert [found.oddest_line for found in whole] == [4]


def test_a_run_with_a_baseline_is_another_run(write, good):
    app = write("app.log", log_lines(300))
    counts: list[Counts] = [run(app, one)[1].counts for one in ("", good, good)]
    assert counts[0].key != counts[1].key == counts[2].key
    assert counts[1].notes[-1] == f"trained on {good}: 1,500 events"


def test_a_baseline_of_other_lines_is_learnt_with_a_remark(write, good):
    notes = run(write("app.log", [stamped(f"ntp: offset {n} us", n) for n in range(300)]), good)[
        1
    ].counts.notes
    assert f"nothing in the first 100 lines is like {good}; check that" in notes[-1]


@pytest.mark.parametrize(
    ("name", "lines", "said"),
    [
        ("none.log", None, "No such file or directory; name a file that is known to be good"),
        ("empty.log", [], "is empty; name a file that is known to be good"),
        ("blank.log", ["", " "], "is empty; name a file that is known to be good"),
        (".", None, "is not a regular file, and it is read twice"),
        (
            "table.csv",
            ["time,load", *(f"2026-11-20 10:{n:02},{n * 3 % 7}" for n in range(60))],
            "holds metrics",
        ),
        (
            "app.json",
            ['{"message": "up"}'] * 60,
            "holds logs (JSON), and the source holds logs (plain lines)",
        ),
    ],
)
def test_a_baseline_that_is_none_is_refused_with_what_to_do(name, lines, said, write, tmp_path):
    app = write("app.log", log_lines(300))
    baseline = tmp_path / name
    if lines is not None:
        write(name, lines)
    assert said in failure(app, baseline)
    assert str(baseline) in failure(app, baseline)


def test_a_baseline_that_is_no_text_is_refused(write, tmp_path):
    (tmp_path / "wide.log").write_bytes("täglich\n".encode("utf-16") * 9)
    said = failure(write("app.log", log_lines(300)), tmp_path / "wide.log")
    assert said.startswith(f"can't read the baseline {tmp_path / 'wide.log'}: line 1: this is UTF-16")
