"""A log in, its anomalies on the desk."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from anomalies.models import Anomaly, AuditLog, DetectionConfig, PerformanceMetric
from tests.support.processes import manage, wait_until

pytestmark = pytest.mark.django_db

FOREIGN = [
    "kernel panic: unable to handle page fault at address",
    "call trace: asm_exc_page_fault do_user_addr_fault",
    "watchdog: hard lockup detected on every processor",
    "rebooting in thirty seconds after oops counter limit",
    "raid array degraded, member disk failed checksum",
    "out of memory: killing process mysqld total-vm",
    "segfault in libcrypto while verifying certificate chain",
    "filesystem remounted read-only due to journal abort",
    "network unreachable: gateway lost, bonding failover",
    "power supply redundancy lost, chassis intrusion switch",
]


def usual(number: int) -> str:
    what = ("GET /orders", "POST /orders", "GET /stock", "GET /health")[number % 4]
    return f"2026-11-23T10:{number // 60 % 60:02}:{number % 60:02}Z web: {what} 200 in {number % 7} ms"


def log_with_fault(at: int = 300, lines: int = 600) -> list[str]:
    log = [usual(number) for number in range(lines)]
    log[at:at] = [f"2026-11-23T10:05:00Z {text}" for text in FOREIGN]
    return log


@pytest.fixture
def log(tmp_path) -> Path:
    path = tmp_path / "web.log"
    path.write_text("\n".join(log_with_fault()) + "\n")
    return path


def detect(*arguments: object) -> str:
    err = io.StringIO()
    call_command("detect", *map(str, arguments), "--by", "op", "--host", "web1", "--review", "0", stderr=err)
    return err.getvalue()


def test_the_fault_in_a_log_becomes_an_anomaly_that_names_it(log):
    detect(log)
    found = Anomaly.objects.get()
    assert any(text in found.glass_box_explanation for text in FOREIGN)


def test_an_anomaly_says_where_it_is_from_and_what_it_was_found_with(log):
    detect(log, "--tag", "web", "--tag", "demo")
    found = Anomaly.objects.get()
    kept = ("file", "host", "config_id")
    assert [found.metadata[key] for key in kept] == ["web.log", "web1", DetectionConfig.objects.get().pk]
    assert found.metadata["thresholds"]["ncd_threshold"] == 0.5
    assert (found.tags, found.stream_type, found.status) == (["web", "demo"], "logs", "pending")


def test_evidence_holds_baseline_and_window_with_the_odd_lines_marked(log):
    detect(log)
    found = Anomaly.objects.get()
    odd = [line["text"] for line in found.window_data if line["odd"]]
    assert len(found.baseline_data) == 100
    assert any(FOREIGN[0] in text for text in odd)


def test_evidence_of_metrics_holds_the_values_of_the_series_that_departs_with_their_times(tmp_path):
    rows = [f"2026-11-23T{n // 60:02}:{n % 60:02}:00Z,{40 + n % 5},{7 + n % 3}" for n in range(600)]
    rows[500] = "2026-11-23T08:20:00Z,95,8"
    (tmp_path / "host.csv").write_text("\n".join(["time,disk,load", *rows]) + "\n")
    detect(tmp_path / "host.csv")
    found = Anomaly.objects.get()
    odd = next(line for line in found.window_data if line["odd"])
    assert (odd["values"], odd["at"]) == ({"disk": 95.0}, "2026-11-23T08:20:00Z")
    assert all(set(line["values"]) == {"disk"} for line in found.baseline_data)


def test_evidence_of_logs_holds_no_values(log):
    detect(log)
    assert all(set(line) == {"line", "text"} for line in Anomaly.objects.get().baseline_data)


def test_its_time_is_that_of_the_odd_lines(log):
    detect(log)
    assert f"{Anomaly.objects.get().timestamp:%Y-%m-%dT%H:%M:%S%z}" == "2026-11-23T10:05:00+0000"


def test_running_it_twice_over_the_same_file_adds_nothing(log):
    detect(log)
    before = (Anomaly.objects.count(), AuditLog.objects.count(), PerformanceMetric.objects.count())
    assert "new 0, already there 1" in detect(log)
    assert (Anomaly.objects.count(), AuditLog.objects.count(), PerformanceMetric.objects.count()) == before


def test_a_file_that_grew_adds_what_is_new(log):
    detect(log)
    log.write_text("\n".join(log_with_fault() + log_with_fault(at=200)))
    detect(log)
    assert PerformanceMetric.objects.filter(metric_type="detection").count() == 2
    assert Anomaly.objects.filter(metadata__contains={"first_line": 300}).count() <= 1


def test_how_many_windows_were_tested_is_recorded(log):
    detect(log)
    metric = PerformanceMetric.objects.get(metric_type="detection")
    assert metric.metadata["windows_tested"] == 610 - 110 + 1
    assert (metric.endpoint, metric.success) == ("web.log", True)


def test_a_detection_is_recorded_with_who_ran_it(log):
    detect(log)
    entry = AuditLog.objects.get(action="create")
    assert (entry.username, entry.metadata["via"], entry.metadata["source"]) == ("op", "detect", "web.log")


def test_the_active_config_decides(log):
    DetectionConfig.objects.update(ncd_threshold=1.0, p_value_threshold=0.0)
    detect(log)
    assert not Anomaly.objects.exists()


def test_a_stream_override_decides_over_it(log):
    DetectionConfig.objects.update(stream_overrides={"logs": {"baseline_size": 50, "window_size": 5}})
    detect(log)
    metric = PerformanceMetric.objects.get(metric_type="detection")
    assert metric.metadata["windows_tested"] == 610 - 55 + 1


def test_archives_are_read_as_they_are(log):
    packed = log.with_suffix(".gz")
    packed.write_bytes(gzip.compress(log.read_bytes()))
    detect(packed)
    assert Anomaly.objects.count() == 1


def test_standard_input_is_a_log_too(log, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(log.read_bytes())))
    detect("-", "--name", "journal")
    assert Anomaly.objects.get().metadata["file"] == "journal"


def test_a_log_too_short_to_test_says_so(tmp_path):
    path = tmp_path / "short.log"
    path.write_text("one\ntwo\n\nthree\n")
    assert "nothing was tested: 3 events, but 110 are required" in detect(path)


def test_a_log_without_times_takes_the_time_it_is_given(log):
    log.write_text("\n".join(line.partition(" ")[2] for line in log_with_fault()))
    detect(log, "--time", "2026-01-02T03:04:05Z")
    assert f"{Anomaly.objects.get().timestamp:%Y-%m-%d %H:%M:%S}" == "2026-01-02 03:04:05"


def test_a_log_without_times_is_recognised_again_whenever_it_was_written(log):
    log.write_text("\n".join(line.partition(" ")[2] for line in log_with_fault()))
    detect(log)
    os.utime(log, (0, 0))
    assert "new 0, already there 1" in detect(log)


def test_stamps_without_a_zone_are_taken_in_the_zone_given(log):
    log.write_text(log.read_text().replace("Z ", " "))
    detect(log, "--timezone", "Europe/Berlin")
    assert f"{Anomaly.objects.get().timestamp:%H:%M}" == "09:05"


HOSTILE = [
    b"<script>alert(1)</script> <b>bold</b> {{ 7 * 7 }}",
    b"\x1b[2J\x1b[31mred alert\x1b[0m \x07 bell",
    b"nul \x00 byte and \xff\xfe broken \xed\xa0\x80 surrogate",
    "right to left \u202e override".encode(),
    b"x" * 2_000_000,
]


def test_hostile_lines_neither_stop_it_nor_reach_the_table_as_they_are(log):
    lines = [line.encode() for line in log_with_fault()]
    lines[302:302] = HOSTILE
    log.write_bytes(b"\n".join(lines))
    detect(log)
    stored = json.dumps(
        list(Anomaly.objects.values("glass_box_explanation", "window_data")), ensure_ascii=False
    )
    assert "<script>alert(1)</script>" in stored
    assert not {"\x00", "\x1b", "\u202e"} & set(stored)
    assert len(stored) < 200_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--timezone", "Mars/Base"], "no zone Mars/Base"),
        (["--time", "yesterday"], "yesterday is not an ISO time"),
        (["--time", "2026-13-45T00:00"], "is not an ISO time"),
    ],
)
def test_a_wrong_option_is_named(log, arguments, words):
    with pytest.raises(CommandError, match=words) as caught:
        detect(log, *arguments)
    assert caught.value.returncode == 2


def test_a_missing_file_is_one_clear_line_and_no_run(tmp_path):
    with pytest.raises(CommandError, match=r"nowhere\.log"):
        detect(tmp_path / "nowhere.log")
    assert not PerformanceMetric.objects.exists()


def test_a_damaged_archive_keeps_what_was_found_before_the_damage(log):
    packed = log.with_suffix(".gz")
    packed.write_bytes(gzip.compress("\n".join(log_with_fault() * 3).encode())[:-2000])
    with pytest.raises(CommandError):
        detect(packed)
    metric = PerformanceMetric.objects.get(metric_type="detection")
    assert not metric.success


def test_without_an_active_config_nothing_starts(log):
    DetectionConfig.objects.update(is_active=False)
    with pytest.raises(CommandError, match="activate one"):
        detect(log)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stream_that_is_interrupted_keeps_what_it_found_and_says_so(stop):
    with manage("detect", "-", "--host", "web1", "--review", "0") as process:
        process.stdin.write("\n".join([*log_with_fault(), ""]).encode())
        process.stdin.flush()
        wait_until(Anomaly.objects.exists)
        process.send_signal(stop)
        said = process.communicate()[1].decode()
    assert process.returncode == 130, said
    assert "stopped after line " in said
    assert not PerformanceMetric.objects.get(metric_type="detection").success


def test_an_interrupt_while_findings_are_stored_is_recorded_too(log):
    def interrupt(execute, sql, params, many, context):
        if sql.startswith("SELECT id FROM anomalies"):  # the first statement of storing
            signal.raise_signal(signal.SIGINT)
        return execute(sql, params, many, context)

    said = io.StringIO()
    with pytest.raises(SystemExit) as ended, connection.execute_wrapper(interrupt):
        call_command("detect", str(log), review=0, stderr=said)
    metric = PerformanceMetric.objects.get(metric_type="detection")
    assert (ended.value.code, metric.success, metric.error_message) == (130, False, "interrupted")
    assert "stopped after line 0" not in said.getvalue()


def test_a_baseline_is_learnt_first_and_nothing_of_it_is_stored(log, tmp_path):
    good = tmp_path / "good.log"
    good.write_text(log.read_text())
    assert f"trained on {good}: 610 events" in detect(log, "--since-baseline", good)
    assert not Anomaly.objects.exists()


def test_a_baseline_in_the_folder_that_is_read_is_left_out(log):
    good = log.with_name("good.log")
    good.write_text("\n".join(log_with_fault(at=400)) + "\n")
    assert f"skipped: {good} is the baseline." in detect(log.parent, "--since-baseline", good, "--workers", 1)
    assert not Anomaly.objects.filter(metadata__file="good.log").exists()


def test_a_baseline_that_is_missing_or_the_source_itself_is_refused_at_once(log):
    for baseline, said in (
        (log, "web.log is its own baseline; name another file."),
        (
            "-",
            "standard input can't be the baseline, which is read twice; name a file that is known to be good",
        ),
        (log.with_name("no.log"), "no.log: No such file or directory; name a file that is known to be good"),
    ):
        with pytest.raises(CommandError, match=re.escape(said)):
            detect(log, "--since-baseline", baseline)
    assert not PerformanceMetric.objects.exists()
