"""Measurements as monitoring systems export them."""

import json
from datetime import UTC, datetime

import pytest

from anomalies.detection import Skipped

from ..support import events, read

T = 1793527200
LABELS = {"__name__": "up", "instance": "a", "job": "node"}
NAME = 'up{instance="a",job="node"}'
VALUES = [0.5, 0.25, 2.0]
OTLP_LABELS = [{"key": "instance", "value": {"stringValue": "a"}}]
PAIRS = [[T + n, str(value)] for n, value in enumerate(VALUES)]
POINTS = [
    {
        "timeUnixNano": str((T + n) * 10**9),
        "asDouble": value,
        "attributes": [{"key": "job", "value": {"stringValue": "node"}}],
    }
    for n, value in enumerate(VALUES)
]
SHAPES = {
    "Prometheus matrix": {
        "status": "success",
        "data": {"resultType": "matrix", "result": [{"metric": LABELS, "values": PAIRS}]},
    },
    "a bare matrix": {"resultType": "matrix", "result": [{"metric": LABELS, "values": PAIRS}]},
    "Prometheus series": {"metric": LABELS, "values": PAIRS},
    "VictoriaMetrics": {"metric": LABELS, "values": VALUES, "timestamps": [(T + n) * 1000 for n in range(3)]},
    "OTLP": {
        "resourceMetrics": [
            {
                "resource": {"attributes": OTLP_LABELS},
                "scopeMetrics": [{"metrics": [{"name": "up", "gauge": {"dataPoints": POINTS}}]}],
            }
        ]
    },
    "Datadog": {
        "series": [
            {
                "metric": "up",
                "tags": ["instance:a", "job:node"],
                "points": [[T + n, v] for n, v in enumerate(VALUES)],
            }
        ]
    },
    "OpenTSDB": {
        "metric": "up",
        "tags": {"instance": "a", "job": "node"},
        "dps": {str(T + n): v for n, v in enumerate(VALUES)},
    },
    "Graphite": {"target": NAME, "datapoints": [[v, T + n] for n, v in enumerate(VALUES)]},
    "InfluxDB": {
        "results": [
            {
                "series": [
                    {
                        "name": "",
                        "tags": {},
                        "columns": ["time", NAME],
                        "values": [[T + n, v] for n, v in enumerate(VALUES)],
                    }
                ]
            }
        ]
    },
    "CloudWatch": {
        "MetricDataResults": [
            {
                "Id": "m1",
                "Label": NAME,
                "Timestamps": [f"2026-11-01T10:00:0{n}Z" for n in range(3)],
                "Values": VALUES,
            }
        ]
    },
}


@pytest.mark.parametrize("value", SHAPES.values(), ids=SHAPES)
def test_a_series_is_its_points_under_the_name_with_its_labels(value):
    found = events(json.dumps(value))
    assert [event.values for event in found] == [((NAME, value),) for value in VALUES]
    assert [event.timestamp for event in found] == [
        datetime(2026, 11, 1, 10, 0, n, tzinfo=UTC) for n in range(3)
    ]


def test_telegrafs_metrics_are_series_by_name_tags_and_field():
    lines = [
        {"name": "cpu", "tags": {"host": "a"}, "fields": {"idle": n}, "timestamp": T + n} for n in range(3)
    ]
    assert [event.values for event in events(lines)] == [
        (('cpu.idle{host="a"}', float(n)),) for n in range(3)
    ]


def test_a_metric_of_vector_is_a_series_by_namespace_name_and_tags():
    metric = {"name": "cpu", "namespace": "host", "tags": {"core": "0"}, "timestamp": T, "kind": "absolute"}
    found = events([{**metric, "counter": {"value": 5}}, {**metric, "gauge": {"value": 6.0}}])
    assert [event.values for event in found] == [(('host.cpu{core="0"}', n),) for n in (5.0, 6.0)]


def test_a_vector_is_one_point_of_each_series():
    result = [{"metric": {"__name__": "up", "instance": name}, "value": [T, "1"]} for name in "ab"]
    text = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})
    assert [event.values for event in events(text)] == [
        (('up{instance="a"}', 1.0), ('up{instance="b"}', 1.0))
    ]


def test_series_in_one_value_are_put_in_the_order_of_time():
    result = [{"metric": {"__name__": name}, "values": PAIRS} for name in ("up", "down")]
    text = json.dumps({"data": {"resultType": "matrix", "result": result}})
    assert [[name for name, _ in event.values] for event in events(text)] == [["up", "down"]] * 3


def test_the_text_of_a_point_holds_the_value_as_it_is_written():
    text = json.dumps({"metric": LABELS, "values": [[T, "0.052070557566324616"]]})
    assert "0.052070557566324616" in events(text)[0].text


def test_a_value_that_is_no_number_is_named_and_the_others_are_read():
    values = [[T, "1"], [T + 1, "many"], [T + 2, "NaN"]]
    first, skipped, third = read(json.dumps({"metric": LABELS, "values": values}))
    assert isinstance(skipped, Skipped)
    assert skipped.reason.startswith('line 1, series "up{instance="a",job="node"}": "many" is no number; ')
    assert (first.values[0][1], third.values[0][1] != third.values[0][1]) == (1.0, True)


def test_a_long_form_with_labels_is_a_series_for_each_set_of_them():
    records = [{"time": T, "metric": "cpu", "labels": {"host": host}, "value": 1} for host in "ab"]
    assert [event.values[0][0] for event in events(records)] == ['cpu{host="a"}', 'cpu{host="b"}']


@pytest.mark.parametrize("as_csv", [True, False])
def test_rows_of_the_same_times_are_series_by_the_text_that_tells_them_apart(as_csv):
    rows = [(f"2026-11-01T10:00:0{n}Z", host, "ok", n) for n in range(3) for host in "ab"]
    if as_csv:
        text = "\n".join(["time,host,state,cpu", *(",".join(map(str, row)) for row in rows)])
    else:
        text = "\n".join(
            json.dumps(dict(zip(("time", "host", "state", "cpu"), row, strict=True))) for row in rows
        )
    assert [event.values[0][0] for event in events(text)] == ['cpu{host="a"}', 'cpu{host="b"}'] * 3


def test_rows_in_an_array_are_measurements():
    rows = [[f"2026-11-01T10:00:0{n}Z", n, 7] for n in range(3)]
    found = [event.values for event in events(json.dumps(rows))]
    assert found == [(("column 2", float(n)), ("column 3", 7.0)) for n in range(3)]
