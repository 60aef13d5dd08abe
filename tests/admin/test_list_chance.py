"""The number of findings in the list that is expected by chance, shown where it is known."""

from __future__ import annotations

import pytest

from anomalies.models import PerformanceMetric
from tests.support.factories import make_anomaly
from tests.support.forms import LIST

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(admin_client):
    make_anomaly()
    return admin_client


def run(stream: str = "logs", **about) -> None:
    known = {
        "run": f"{stream} {PerformanceMetric.objects.count()}",
        "stream_type": stream,
        "windows_tested": 10_000,
        "windows_flagged": 523,
        "p_value_threshold": 0.05,
        "first_timestamp": "2026-11-23T10:00:00+00:00",
        "last_timestamp": "2026-11-23T11:00:00+00:00",
    }
    PerformanceMetric.objects.create(metric_type="detection", duration_ms=1, metadata={**known, **about})


def said(client, query: str = "") -> str:
    page = client.get(LIST + query).content.decode()
    return page.partition('<span class="chance">')[2].partition("</span>")[0]


def test_the_list_says_how_many_windows_were_flagged_and_how_many_chance_explains(desk):
    run()
    words = "Detectors flagged 523 of 10,000 windows here; up to 500 are expected by chance."
    assert said(desk) == words


def test_a_filter_by_stream_asks_for_the_runs_over_it(desk):
    run()
    run("metrics", windows_tested=200, windows_flagged=1)
    assert "1 of 200 windows here; up to 10 are" in said(desk, "?stream=metrics")


def test_a_filter_by_time_asks_for_the_runs_within_it(desk):
    run()
    assert said(desk, "?since=2026-11-24T00:00:00") == ""


@pytest.mark.parametrize("query", ["?status=pending", "?ncd_min=0.5", "?tags_any=web", "?review=true"])
def test_of_a_part_of_a_run_nothing_is_said(desk, query):
    run()
    assert said(desk, query) == ""


def test_without_a_known_run_nothing_is_said(desk):
    assert said(desk) == ""


def test_runs_are_read_once_and_not_for_every_page(desk, django_assert_max_num_queries):
    run()
    said(desk)
    with django_assert_max_num_queries(6):
        assert said(desk)


def test_a_newer_run_is_shown_at_once(desk):
    run()
    said(desk)
    run(windows_tested=20_000, windows_flagged=600)
    assert "1,123 of 30,000" in said(desk)
