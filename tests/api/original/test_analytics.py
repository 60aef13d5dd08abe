"""Analytics of the original server: its shapes, from the roll-up and from the newest anomalies."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.api.programs import Program, program
from tests.support.factories import NOON, make_anomaly

pytestmark = pytest.mark.django_db
SUMMARY, TIMELINE, HEATMAP = (
    f"/v1/analytics/{name}" for name in ("summary", "compression-timeline", "ncd-heatmap")
)


@pytest.fixture
def client(db) -> Program:
    return program("viewer", "read")


def test_a_summary_has_the_original_shape_and_exact_figures(client):
    make_anomaly(ncd_score=0.2, p_value=0.01, compression_ratio_change=100)
    make_anomaly(ncd_score=0.4, p_value=0.03, compression_ratio_change=float("inf"), stream_type="llm")
    late = NOON + timedelta(days=1)
    make_anomaly(timestamp=late, ncd_score=0.6, p_value=0.02, is_statistically_significant=False)
    found = client.get(SUMMARY).json()
    means = {name: found.pop(f"average_{name}") for name in ("ncd_score", "p_value", "compression_change")}
    assert means == pytest.approx({"ncd_score": 0.4, "p_value": 0.02, "compression_change": 125})
    assert found == {
        "total_anomalies": 3,
        "anomalies_by_stream_type": {"logs": 2, "llm": 1},
        "anomalies_by_status": {"pending": 3},
        "significant_anomalies": 2,
        "time_range": {"start": "2026-11-23T12:00:00Z", "end": "2026-11-24T12:00:00Z"},
    }
    assert client.get(SUMMARY, {"start_time": late.isoformat()}).json()["total_anomalies"] == 1


def test_a_summary_of_nothing_is_zeros(client):
    found = client.get(SUMMARY).json()
    assert (found["total_anomalies"], found["average_ncd_score"], found["time_range"]) == (0, 0, {})


def test_a_timeline_is_the_newest_anomalies_with_their_compression(client):
    make_anomaly(timestamp=NOON - timedelta(hours=1), compression_ratio_change=float("nan"))
    make_anomaly()
    make_anomaly(stream_type="llm")
    found = client.get(TIMELINE, {"stream_type": "logs"}).json()
    assert found["total"] == 2
    assert found["timeline"][0] == {
        "timestamp": "2026-11-23T12:00:00Z",
        "baseline_ratio": 0.2,
        "window_ratio": 0.5,
        "compression_change": 150,
    }
    assert "compression_change" not in found["timeline"][1]


def test_a_heatmap_has_the_mean_ncd_by_stream_and_hour_of_the_last_day(client):
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    for ncd in (0.2, 0.4):
        make_anomaly(timestamp=now, ncd_score=ncd)
    make_anomaly(timestamp=now - timedelta(hours=30))
    found = client.get(HEATMAP).json()
    (cell,) = found["heatmap"]
    assert cell.pop("average_ncd") == pytest.approx(0.3)
    assert cell == {"stream_type": "logs", "hour": now.hour, "count": 2}
    assert found["start_time"] < found["end_time"]
    assert len(client.get(HEATMAP, {"hours": 48}).json()["heatmap"]) == 2


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (SUMMARY, {"start_time": "x"}),
        (SUMMARY, {"stream_type": "logs"}),
        (TIMELINE, {"stream_type": "x"}),
        (TIMELINE, {"limit": "1"}),
        (HEATMAP, {"hours": "0"}),
        (HEATMAP, {"days": "1"}),
    ],
)
def test_what_is_wrong_is_400(client, path, query):
    assert client.get(path, query).status_code == 400


@pytest.mark.parametrize("rows", [3, 30])
@pytest.mark.parametrize("path", [SUMMARY, TIMELINE, HEATMAP])
def test_figures_take_at_most_as_many_queries_for_any_number_of_rows(
    client, path, rows, django_assert_max_num_queries
):
    for _ in range(rows):
        make_anomaly()
    client.get(path)
    with django_assert_max_num_queries(8):
        client.get(path)
