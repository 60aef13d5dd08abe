"""Figures by stream, and the command that prints them."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from anomalies.models import Anomaly, PerformanceMetric
from anomalies.queries.stats import Span, figures_by_stream
from tests.support.factories import NOON, make_anomaly

pytestmark = pytest.mark.django_db

WHOLE = Span()
UNTIMED = {
    "run": "z",
    "stream_type": "logs",
    "windows_tested": 9,
    "windows_flagged": 9,
    "p_value_threshold": 0.05,
    "first_timestamp": NOON.isoformat(),
}


def make_run(**over):
    about = {
        "run": "a",
        "stream_type": "logs",
        "windows_tested": 1000,
        "windows_flagged": 80,
        "p_value_threshold": 0.05,
        "first_timestamp": NOON.isoformat(),
        "last_timestamp": (NOON + timedelta(hours=1)).isoformat(),
        **over,
    }
    success = over.pop("success", True)
    return PerformanceMetric.objects.create(
        metric_type="detection", endpoint="x.log", duration_ms=1, success=success, metadata=about
    )


def figures(stream="logs", span: Span | None = WHOLE):
    return {row.stream_type: row for row in figures_by_stream(Anomaly.objects.all(), span)}.get(stream)


def stats(*arguments: str) -> str:
    out = io.StringIO()
    call_command("stats", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_the_figures_are_those_of_the_view():
    for status in ("pending", "dismissed", "acknowledged", "acknowledged", "investigating"):
        make_anomaly(status=status, is_statistically_significant=status == "pending", ncd_score=0.25)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM anomaly_stats_by_stream")
        names = [column.name for column in cursor.description]
        view = dict(zip(names, cursor.fetchone(), strict=True))
    assert {name: getattr(figures(), name) for name in names} == pytest.approx(view)


def test_no_anomalies_give_no_figures():
    assert figures_by_stream(Anomaly.objects.all(), WHOLE) == []


def test_the_time_to_decision_runs_from_arrival():
    for minutes in range(1, 12):
        decided = NOON + timedelta(minutes=minutes)
        make_anomaly(status="dismissed", created_at=NOON, dismissed_at=decided)
    assert figures().median_time_to_decision == timedelta(minutes=6)
    assert figures().p90_time_to_decision == timedelta(minutes=10)


def test_undecided_anomalies_have_no_time_to_decision():
    make_anomaly()
    assert figures().median_time_to_decision is None


def test_what_chance_explains_comes_from_the_windows_tested():
    make_run()
    row = figures()
    assert (row.windows_tested, row.windows_flagged, row.expected_by_chance) == (1000, 80, 50.0)


def test_a_stream_that_was_tested_and_held_nothing_is_listed():
    make_run(windows_flagged=0)
    assert (figures().total_anomalies, figures().expected_by_chance) == (0, 50.0)


def test_runs_over_different_sources_add_up():
    make_run()
    make_run(run="b", p_value_threshold=0.01)
    assert figures().expected_by_chance == 60.0


def test_of_two_runs_over_a_file_that_grew_the_longer_counts():
    make_run(windows_tested=2000)
    make_run(windows_tested=1000)
    assert figures().windows_tested == 2000


def test_an_interrupted_run_does_not_count():
    make_anomaly()
    make_run(success=False)
    assert figures().expected_by_chance is None


def test_a_span_counts_the_runs_that_lie_within_it():
    make_run()
    make_run(run="b", last_timestamp=(NOON + timedelta(hours=3)).isoformat())
    assert figures(span=Span(until=NOON + timedelta(hours=2))).windows_tested == 1000


def test_nothing_is_said_about_chance_where_runs_are_cut():
    make_anomaly()
    make_run()
    assert figures(span=None).expected_by_chance is None


@pytest.mark.parametrize("broken", [{}, [], "x", None, {"run": "z"}, UNTIMED])
def test_a_metric_that_others_wrote_in_another_form_is_passed_over(broken):
    make_run()
    PerformanceMetric.objects.create(metric_type="detection", duration_ms=1, metadata=broken)
    assert figures().windows_tested == 1000


def test_the_table_has_a_row_per_stream():
    make_anomaly()
    make_anomaly(stream_type="llm")
    assert [line.split()[0] for line in stats().splitlines()] == ["stream", "llm", "logs"]


def test_json_holds_numbers_and_seconds():
    make_anomaly(status="acknowledged", created_at=NOON, acknowledged_at=NOON + timedelta(seconds=90))
    [row] = json.loads(stats("--format", "json"))
    assert (row["acknowledged_count"], row["median_time_to_decision"]) == (1, 90.0)


def test_csv_has_a_header_and_can_be_read_back():
    make_anomaly()
    [row] = csv.DictReader(io.StringIO(stats("--format", "csv")))
    assert (row["stream_type"], row["total_anomalies"], row["expected_by_chance"]) == ("logs", "1", "")


def test_every_filter_of_the_desk_narrows_the_figures():
    make_anomaly(tags=["db"])
    make_anomaly(tags=["web"])
    [row] = json.loads(stats("--format", "json", "--tags-any", "web", "--status", "pending"))
    assert row["total_anomalies"] == 1


def test_a_filter_by_stream_keeps_what_is_said_about_chance():
    make_run()
    make_run(run="b", stream_type="llm")
    [row] = json.loads(stats("--format", "json", "--stream", "logs"))
    assert row["expected_by_chance"] == 50.0


def test_a_filter_that_cuts_runs_leaves_chance_out():
    make_anomaly()
    make_run()
    [row] = json.loads(stats("--format", "json", "--ncd-min", "0.1"))
    assert row["expected_by_chance"] is None


def test_a_wrong_filter_is_named_with_its_option():
    with pytest.raises(CommandError, match=r"--ncd-min: .*less than or equal to 1") as caught:
        stats("--ncd-min", "7")
    assert caught.value.returncode == 2
