"""Reports of detectors that follow a source, and how one that needs attention is found."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from anomalies.ingest.heartbeats import INTERVAL, Heartbeat, detectors, store_report
from anomalies.models import PerformanceMetric


class Reports(list):
    """A heartbeat of a source whose lines come every 10 s from second 0, 30 of them, and its reports."""

    def __init__(self) -> None:
        self.heartbeat = Heartbeat(lambda state, message: self.append((state, message)), 0.0)
        for second in range(0, 300, 10):
            self.heartbeat.lines_came(second)
            self.heartbeat.report(second)


@pytest.fixture
def reports() -> Reports:
    return Reports()


def test_a_detector_reports_as_soon_as_it_runs(reports):
    assert reports == [("running", "")]


def test_it_reports_at_once_that_there_is_no_such_file_and_that_there_is_one_again(reports):
    reports.heartbeat.missing = "/var/log/web.log does not exist"
    reports.heartbeat.report(300)
    reports.heartbeat.missing = ""
    reports.heartbeat.report(301)
    assert reports[1:] == [("silent", "waiting: /var/log/web.log does not exist"), ("running", "")]


def test_it_reports_again_after_the_interval(reports):
    reports.heartbeat.lines_came(INTERVAL)
    reports.heartbeat.report(INTERVAL)
    assert reports == [("running", "")] * 2


def test_a_source_that_falls_silent_is_reported_once_with_its_longest_pause(reports):
    for second in range(290, 290 + 800):
        reports.heartbeat.report(second)
    assert reports[1:] == [("silent", "no lines for 5 min; the longest earlier pause was 10 s")]


def test_lines_that_arrive_again_end_the_silence(reports):
    reports.heartbeat.report(600)
    reports.heartbeat.lines_came(601)
    reports.heartbeat.report(601)
    assert [state for state, _ in reports] == ["running", "silent", "running"]


def test_a_pause_as_long_as_a_former_one_is_no_silence(reports):
    reports.heartbeat.lines_came(900)  # after 610 s
    reports.heartbeat.report(900)
    reports.heartbeat.report(900 + 3 * 610)
    assert {state for state, _ in reports} == {"running"}


def test_of_a_source_that_is_not_known_yet_only_an_hour_is_silence():
    reports: list[tuple[str, str]] = []
    heartbeat = Heartbeat(lambda state, message: reports.append((state, message)), 0.0)
    heartbeat.report(3600)
    heartbeat.report(3601)
    assert reports == [("running", ""), ("silent", "no lines for 60 min")]


# --- what is read from the reports ------------------------------------------------------------------------


def reported(state: str, ago: timedelta = timedelta(0), source: str = "web.log", message: str = "") -> None:
    store_report(source, "web1", state, message)
    newest = PerformanceMetric.objects.latest("id")
    PerformanceMetric.objects.filter(pk=newest.pk).update(timestamp=timezone.now() - ago)


def states() -> list[tuple[str, str]]:
    return [(one.name, one.state) for one in detectors()]


@pytest.mark.django_db
def test_the_newest_report_of_each_source_counts():
    reported("silent", timedelta(minutes=9), message="no lines for 5 min")
    reported("running", timedelta(minutes=2))
    reported("running", source="db.log")
    assert states() == [("db.log on web1", "running"), ("web.log on web1", "running")]


@pytest.mark.django_db
def test_a_detector_that_does_not_report_any_more_is_overdue():
    reported("running", timedelta(minutes=46))
    (one,) = detectors()
    assert (one.state, one.message) == ("overdue", "no report for 46 min; it reports every 15 min")


@pytest.mark.django_db
def test_one_that_was_stopped_is_not():
    reported("stopped", timedelta(days=2))
    assert [(one.state, one.message) for one in detectors()] == [("stopped", "")]


@pytest.mark.django_db
def test_those_that_need_attention_come_first():
    reported("running", source="a.log")
    reported("silent", source="b.log", message="no lines for 12 min")
    assert states() == [("b.log on web1", "silent"), ("a.log on web1", "running")]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "metadata", [None, [], "text", {"state": 7, "host": ["x"], "interval_s": -1}, {"interval_s": "9" * 400}]
)
def test_a_row_of_this_type_by_another_program_is_shown_too(metadata):
    PerformanceMetric.objects.create(metric_type="heartbeat", duration_ms=0, metadata=metadata)
    assert len(detectors()) == 1


@pytest.mark.django_db
def test_the_command_names_what_is_wrong_and_ends_with_1(capsys):
    reported("silent", source="b\x1b.log", message="no lines for 12 min")
    with pytest.raises(SystemExit) as ended:
        call_command("detectors")
    assert ended.value.code == 1
    assert capsys.readouterr().out == "silent   b\\x1b.log on web1: no lines for 12 min\n"


@pytest.mark.django_db
def test_the_command_prints_json(capsys):
    reported("running")
    call_command("detectors", "--json")
    assert json.loads(capsys.readouterr().out)["state"] == "running"


@pytest.mark.django_db
def test_the_start_page_shows_a_detector_that_needs_attention(client, viewer):
    reported("running", timedelta(hours=3), source="<b>.log")
    client.force_login(viewer)
    page = client.get("/admin/").content.decode()
    assert "&lt;b&gt;.log on web1</bdi>: no report for 3 h; it reports every 15 min" in page
