"""``detect --follow``: a growing file's anomalies on the desk, through kills and rotations."""

from __future__ import annotations

import os
import shutil
import signal
from datetime import UTC, datetime
from pathlib import Path
from threading import Timer

import pytest

from anomalies.audit import Actor
from anomalies.detection import Parameters
from anomalies.ingest import Detection, Origin, Stream, followed_file
from anomalies.models import Anomaly, PerformanceMetric
from anomalies.sources.checkpoint import SavedStateError, load
from anomalies.sources.follow import Stop
from anomalies.sources.lines import Line
from anomalies.sources.scan import Job, Scan
from anomalies.thresholds import Thresholds
from tests.support.processes import manage, wait_until

from .test_detect import FOREIGN, log_with_fault, usual

THRESHOLDS = Thresholds(0.5, 0.05, 100, 10, 1)

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.slow]


@pytest.fixture
def log(tmp_path) -> Path:
    return tmp_path / "web.log"


def following(log: Path, *more: str):
    state = str(log.with_suffix(".state"))
    return manage("detect", str(log), "--follow", "--state", state, "--host", "web1", "--review", "0", *more)


def add(log: Path, lines: list[str]) -> None:
    with log.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def stop(process, how: signal.Signals = signal.SIGTERM) -> str:
    process.send_signal(how)
    return process.communicate(timeout=600)[1].decode()


def offset(log: Path) -> int:
    """The position in the file according to the saved state."""
    state = load(log.with_suffix(".state"))
    return state["position"]["offset"] if state else 0


def test_what_is_added_becomes_anomalies_while_it_runs(log):
    add(log, log_with_fault()[:250])
    with following(log) as process:
        add(log, log_with_fault()[250:])
        wait_until(Anomaly.objects.exists)
        said = stop(process)
    assert process.returncode == 0, said
    assert "stopped after line 610; with --state" in said
    assert PerformanceMetric.objects.get(metric_type="detection").metadata["windows_tested"] == 501
    reports = PerformanceMetric.objects.filter(metric_type="heartbeat", endpoint="web.log").order_by("id")
    assert [report.metadata["state"] for report in reports] == ["running", "stopped"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_stopped_anywhere_it_goes_on_and_finds_what_one_run_finds(log, how):
    lines = [*log_with_fault(), *map(usual, range(600, 900)), *FOREIGN, *map(usual, range(900, 1000))]
    done = 0
    for place in (150, 305, 308, 700):
        add(log, lines[done:place])
        done = place
        with following(log) as process:
            wait_until(lambda: offset(log) == log.stat().st_size, seconds=20)
            stop(process, how)
    add(log, lines[done:])
    with following(log) as process:
        wait_until(lambda: offset(log) == log.stat().st_size, seconds=20)
        stop(process)
    in_pieces = set(Anomaly.objects.values_list("id", "p_value", "glass_box_explanation"))
    with manage("detect", str(log), "--host", "web1", "--review", "0") as whole:
        said = whole.communicate()[1].decode()
    assert "new 0" in said
    assert in_pieces == set(Anomaly.objects.values_list("id", "p_value", "glass_box_explanation"))


def test_the_kind_does_not_depend_on_how_slowly_the_first_lines_come(log):
    """A comment alone is a log; followed by rows it is a comment of a CSV."""
    rows = [f"2026-11-23T{n // 60:02}:{n % 60:02}:00Z,{20 + n * n % 7}" for n in range(200)]
    done = 0
    for text in (["# exported by hand"], ["time,latency", *rows[:5]], rows[5:]):
        add(log, text)
        done += len(text)
        with following(log) as process:
            wait_until(lambda: offset(log) == log.stat().st_size, seconds=20)
            said = stop(process)
        assert f"stopped after line {done}; with --state" in said
        assert ("nothing was tested: " in said) == (done < 100)
    assert "metrics: events 200, windows tested 91" in said


def test_a_followed_file_of_few_lines_that_is_no_text_is_refused_at_once(log):
    log.write_bytes("täglich\n".encode("utf-16") * 5)
    with following(log) as process:
        said = process.communicate(timeout=600)[1].decode()
    assert process.returncode == 1
    assert f"can't read {log}: line 1: this is UTF-16" in said


def test_a_metric_that_is_no_number_is_followed_like_others(log):
    values = [(20 + n % 7, "nan", "inf", "-1e999")[n % 4] for n in range(300)]
    rows = ["time,v", *(f"2026-11-23T{n // 60:02}:{n % 60:02}:00Z,{value}" for n, value in enumerate(values))]
    for part in (rows[:150], rows[150:]):
        add(log, part)
        with following(log) as process:
            wait_until(lambda: offset(log) == log.stat().st_size, seconds=20)
            said = stop(process)
        assert process.returncode == 0, said
    assert "metrics: events 151, windows tested 191" in said


def test_rotation_loses_nothing(log):
    lines = log_with_fault()
    add(log, lines[:305])
    with following(log) as process:
        wait_until(lambda: offset(log) == log.stat().st_size, seconds=20)
        log.rename(f"{log}.1")
        add(log, lines[305:])
        wait_until(Anomaly.objects.exists, seconds=20)
        said = stop(process)
    assert "stopped after line 610" in said
    assert Anomaly.objects.get().metadata["first_line"] < 305


def test_what_was_copied_away_before_a_truncation_is_read_from_the_copy(log):
    lines = log_with_fault()
    add(log, lines[:150])
    with following(log) as process:
        wait_until(lambda: offset(log) == log.stat().st_size, seconds=20)
        stop(process)
    add(log, lines[150:400])
    shutil.copy2(log, f"{log}.1")
    os.truncate(log, 0)
    add(log, lines[400:])
    with following(log) as process:
        wait_until(lambda: offset(log) == log.stat().st_size, seconds=20)
        said = stop(process)
    assert "stopped after line 610" in said
    assert Anomaly.objects.get().metadata["first_line"] < 305


def test_two_cannot_follow_with_one_state(log):
    add(log, log_with_fault()[:200])
    with following(log) as process:
        wait_until(lambda: offset(log) > 0, seconds=20)
        with following(log) as second:
            said = second.communicate(timeout=600)[1].decode()
        stop(process)
    assert second.returncode == 1
    assert f"process {process.pid} works with the saved state" in said


def test_a_damaged_state_stops_it_with_one_clear_line(log):
    add(log, log_with_fault())
    log.with_suffix(".state").write_text("{}")
    with following(log) as process:
        said = process.communicate(timeout=600)[1].decode()
    assert process.returncode == 1
    assert "is no saved state, or its first line is damaged" in said
    assert len(said.splitlines()) == 1


def test_the_open_episode_of_a_silent_stream_is_reported(log, monkeypatch):
    add(log, log_with_fault()[:308])
    monkeypatch.setattr(followed_file, "SILENT", 0.2)
    monkeypatch.setattr(followed_file, "POLL", 0.05)
    with Stop() as stop:
        stream(log, lambda words: stop.set()).run(stop)  # it says what it finds
    assert Anomaly.objects.get().metadata["last_line"] <= 308


def stream(log: Path, say, state: Path | None = None, baseline: Path | str = "") -> Stream:
    origin = Origin("web.log", "logs", 1, THRESHOLDS, "web1")
    job = Job(str(log), {"logs": Parameters()}, datetime.now(UTC), kind="logs", baseline=str(baseline))
    return Stream(job, Detection({"logs": origin}, Actor("op", via="detect"), datetime.now(UTC)), state, say)


def test_it_says_once_that_it_waits_for_a_file_that_does_not_exist(log, monkeypatch):
    monkeypatch.setattr(followed_file, "POLL", 0.02)
    said: list[str] = []

    def say(words: str) -> None:
        said.append(words)
        if "waiting" in words:
            Timer(0.2, add, (log, log_with_fault())).start()
        elif words.startswith("line "):
            stop.set()

    monkeypatch.setattr(followed_file, "SILENT", 0.2)
    with Stop() as stop:
        stream(log, say).run(stop)
    assert said[:2] == [f"{log} does not exist yet; waiting for it.", f"{log} exists now."]
    assert [words.startswith("line ") for words in said[2:]] == [True]
    reports = PerformanceMetric.objects.filter(metric_type="heartbeat").order_by("id")
    assert [(one.metadata["state"], one.error_message) for one in reports] == [
        ("silent", f"waiting: {log} does not exist"), ("running", None), ("stopped", None),
    ]  # fmt: skip


def test_a_state_remembers_its_baseline_and_is_trained_once(log, tmp_path, monkeypatch):
    monkeypatch.setattr(followed_file, "POLL", 0.02)
    good, state, said = tmp_path / "good.log", log.with_suffix(".state"), []
    good.write_text("".join(f"{usual(number)}\n" for number in range(300)))

    def follow(baseline: Path | str) -> None:
        with Stop() as stop:
            Timer(0.3, stop.set).start()
            stream(log, said.append, state, baseline).run(stop)

    add(log, log_with_fault(at=3)[:120])
    follow(good)
    good.unlink()
    follow(good)
    follow("")
    assert said[0] == f"trained on {good}: 300 events"
    with pytest.raises(SavedStateError, match=f"was trained on {good}, and a baseline is learned before the"):
        follow(tmp_path / "other.log")


def test_a_state_without_a_baseline_takes_none_later(log, tmp_path, monkeypatch):
    add(log, log_with_fault()[:120])
    with Stop() as stop:
        Timer(0.3, stop.set).start()
        stream(log, str, log.with_suffix(".state")).run(stop)
    with pytest.raises(SavedStateError, match="was made without a baseline"), Stop() as stop:
        stream(log, str, log.with_suffix(".state"), tmp_path / "good.log").run(stop)


def test_a_stamp_without_a_year_is_of_the_year_that_it_is_read_in(log):
    """Whenever the file began: it may be followed for years."""
    job = Job(str(log), {"logs": Parameters()}, datetime(2020, 1, 1, tzinfo=UTC), is_live=True)
    head = [f"Jan  1 00:00:{second:02} web: up".encode() for second in range(50)]
    one = Scan.of(job, head)
    list(one.feed(Line(number, line, len(line)) for number, line in enumerate(head, 1)))
    assert one.counts.last.year == datetime.now(UTC).year
