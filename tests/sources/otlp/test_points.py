"""Data points as gauges: counters become rates, histograms a rate and a mean, whatever their temporality."""

from __future__ import annotations

import json

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from anomalies.sources.otlp import Rates, lines_of
from tests.ingest.otlp.exports import BEGIN, SECOND, attributes, metrics

CUMULATIVE, DELTA = 2, 1


def counter(
    *values: float, since: int = 0, begin: int = 0, temporality: int = CUMULATIVE, **labels: str
) -> Metric:
    """A counter with a point every ten seconds, that began to count at ``since``."""
    metric = Metric(name="requests")
    metric.sum.aggregation_temporality, metric.sum.is_monotonic = temporality, True
    for number, value in enumerate(values, 1):
        time = BEGIN + begin + 10 * number
        start = time - 10 if temporality == DELTA else BEGIN + since
        point = metric.sum.data_points.add(
            time_unix_nano=time * SECOND, start_time_unix_nano=start * SECOND, as_double=value
        )
        point.attributes.extend(attributes(labels))
    return metric


def histogram(temporality: int, *points: tuple[int, float]) -> Metric:
    metric = Metric(name="duration")
    metric.histogram.aggregation_temporality = temporality
    for number, (count, total) in enumerate(points, 1):
        time = BEGIN + 10 * number
        start = time - 10 if temporality == DELTA else BEGIN
        metric.histogram.data_points.add(
            time_unix_nano=time * SECOND, start_time_unix_nano=start * SECOND, count=count, sum=total, max=9.0
        )
    return metric


def read(metric: Metric, rates: Rates | None = None, instance: str = "") -> list[tuple[str, float]]:
    return [(name, value) for name, _, value in (rates or Rates()).values(metric, instance)]


def test_a_counter_is_its_increase_per_second_from_the_second_point_on():
    assert read(counter(100, 150, 150, 450)) == [
        ("requests.rate", 5),
        ("requests.rate", 0),
        ("requests.rate", 30),
    ]
    assert read(counter(100, 50, temporality=DELTA)) == [("requests.rate", 10), ("requests.rate", 5)]


def test_a_counter_that_begins_again_has_no_increase_at_that_point():
    assert read(counter(100, 150, 20, 40)) == [("requests.rate", 5), ("requests.rate", 2)]
    rates = Rates()
    read(counter(100, 150), rates)
    assert read(counter(160, 170, since=15, begin=20), rates) == [("requests.rate", 1)]


def test_series_instances_and_saved_states_are_kept_apart():
    rates = Rates()
    read(counter(100, 150, path="/a"), rates, "web-1")
    assert read(counter(9, begin=20, path="/b"), rates, "web-1") == []
    assert read(counter(9, begin=20, path="/a"), rates, "web-2") == []
    again = Rates()
    again.restore(json.loads(json.dumps(rates.state())))
    assert read(counter(250, begin=20, path="/a"), again, "web-1") == [("requests.rate", 10)]


def test_a_point_that_comes_twice_or_too_late_counts_once():
    rates = Rates()
    read(counter(100, 150), rates)
    assert read(counter(100, 150), rates) == []
    assert read(counter(250, begin=20), rates) == [("requests.rate", 10)]


@pytest.mark.parametrize(
    ("metric", "values"),
    [
        (histogram(CUMULATIVE, (10, 20.0), (30, 120.0)), [("duration.rate", 2), ("duration.mean", 5)]),
        (
            histogram(DELTA, (20, 100.0)),
            [("duration.rate", 2), ("duration.mean", 5), ("duration.max", 9)],
        ),
        (histogram(DELTA, (0, 0.0)), [("duration.rate", 0), ("duration.max", 9)]),
    ],
)
def test_a_histogram_is_a_rate_and_a_mean(metric, values):
    assert read(metric) == values


def test_a_gauge_is_its_value_and_what_has_none_is_left_out():
    request = metrics([1.5, float("nan"), float("inf"), 2.5])
    metric = request.resource_metrics[0].scope_metrics[0].metrics[0]
    metric.gauge.data_points[3].flags = 1
    assert read(metric) == [("queue.depth", 1.5)]
    metric.gauge.data_points[0].ClearField("as_double")
    assert read(metric) == []


def test_a_series_is_named_by_one_attribute_of_the_resource_that_lasts():
    body = metrics([1.0], service_version="1.2", service_instance_id="8f3e").SerializeToString()
    (line,) = lines_of(body, "metrics")
    (resource,) = json.loads(line.data)["resourceMetrics"]
    assert [one["key"] for one in resource["resource"]["attributes"]] == ["host.name"]
    assert set(line.resource) == {"service.name", "host.name", "service.version", "service.instance.id"}
