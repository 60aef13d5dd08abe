"""Measurements as monitoring systems export them: series with labels, and their points.

Each shape is read to the same thing: points of a series, whose name is that of the metric with its labels,
`up{instance="a"}`. The points of all series in one value are put in the order of their times.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from ...labels import series_name
from ..fields import attributes_of
from ..opening import otlp_items
from ..parsing import Record

MOST_POINTS = 2_000_000  # of one value
_OTLP_KINDS = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")
_AVERAGES = (
    "Average", "Sum", "Maximum", "Minimum", "SampleCount", "average", "total", "maximum", "minimum",
    "count",
)  # fmt: skip


class Point(NamedTuple):
    """One measurement: its time as it is written, the name of its series, the value as it is written."""

    time: Any
    name: str
    value: Any


def points_of(value: Any) -> list[Point] | None:
    """Return the points of a value that holds series; None for what holds none."""
    for shape in _SHAPES:
        points = shape(value)
        if points is not None:
            return list(points)
    return None


def _prometheus(value: Any) -> Iterator[Point] | None:
    """A matrix or a vector of a query, with the answer around it or without, or a series of one alone."""
    data = value.get("data", value) if isinstance(value, dict) else None
    found = data.get("result") if isinstance(data, dict) else None
    series = _series(found, "metric") or _series([value], "metric")
    if not series or not any(_pairs(one.get("values")) or _pair(one.get("value")) for one in series):
        return None
    return (
        Point(time, _labelled(one["metric"]), number)
        for one in series
        for time, number in [*_pairs(one.get("values")), *_pair(one.get("value"))]
    )


def _victoria(value: Any) -> Iterator[Point] | None:
    """A line of VictoriaMetrics' export: labels, values, and as many timestamps in milliseconds."""
    if not _series([value], "metric"):
        return None
    values, times = value.get("values"), value.get("timestamps")
    if not (isinstance(values, list) and isinstance(times, list) and len(values) == len(times)):
        return None
    name = _labelled(value["metric"])
    return (Point(time, name, number) for time, number in zip(times, values, strict=True))


def _graphite(value: Any) -> Iterator[Point] | None:
    """Graphite's render: a target, and pairs of value and time."""
    if not (isinstance(value, dict) and isinstance(value.get("target"), str)):
        return None
    pairs = _pairs(value.get("datapoints"))
    return (Point(time, value["target"], number) for number, time in pairs) if pairs else None


def _datadog(value: Any) -> Iterator[Point] | None:
    """Datadog's series: a metric, tags, and pairs (or objects) of time and value."""
    found = value.get("series") if isinstance(value, dict) else None
    series = [one for one in _dicts(found) if isinstance(one.get("metric"), str)]
    if not series:
        return None
    return (point for one in series for point in _datadog_points(one))


def _datadog_points(series: Record) -> Iterator[Point]:
    tags = series.get("tags") if isinstance(series.get("tags"), list) else []
    labels = dict(str(tag).partition(":")[::2] for tag in tags or ())
    name = series_name(series["metric"], labels)
    points = series.get("points") or series.get("pointlist")
    for point in _dicts(points):
        yield Point(point.get("timestamp"), name, point.get("value"))
    for time, number in _pairs(points):
        yield Point(time, name, number)


def _influx(value: Any) -> Iterator[Point] | None:
    """InfluxDB's query: columns of which one is the time, and rows of values."""
    found = [
        series
        for result in _dicts(value.get("results") if isinstance(value, dict) else None)
        for series in _dicts(result.get("series"))
        if isinstance(series.get("columns"), list) and isinstance(series.get("values"), list)
    ]
    return (point for series in found for point in _influx_points(series)) if found else None


def _influx_points(series: Record) -> Iterator[Point]:
    columns = [str(column) for column in series["columns"]]
    for row in series["values"]:
        cells = dict(zip(columns, row, strict=False)) if isinstance(row, list) else {}
        time = cells.pop("time", None)
        for column, cell in cells.items():
            name = f"{series.get('name', '')}.{column}".lstrip(".")
            yield Point(time, series_name(name, series.get("tags")), cell)


def _open_tsdb(value: Any) -> Iterator[Point] | None:
    """OpenTSDB's query: a metric, tags, and values by time."""
    points = value.get("dps") if isinstance(value, dict) else None
    if not isinstance(points, dict) or "metric" not in value:
        return None
    name = series_name(str(value["metric"]), value.get("tags"))
    return (Point(time, name, number) for time, number in points.items())


def _cloudwatch(value: Any) -> Iterator[Point] | None:
    """CloudWatch's GetMetricData (times and values by id) and GetMetricStatistics (points with averages)."""
    if not isinstance(value, dict):
        return None
    results = [
        one for one in _dicts(value.get("MetricDataResults")) if isinstance(one.get("Timestamps"), list)
    ]
    if results:
        return (
            Point(time, str(one.get("Label") or one.get("Id")), number)
            for one in results
            for time, number in zip(one["Timestamps"], _list(one.get("Values")), strict=False)
        )
    points = [one for one in _dicts(value.get("Datapoints")) if "Timestamp" in one]
    label = str(value.get("Label") or "value")
    return _statistics(points, label) if points else None


def _statistics(points: list[Record], label: str) -> Iterator[Point]:
    for point in points:
        for name in _AVERAGES:
            if name in point:
                yield Point(point["Timestamp"], f"{label}.{name}", point[name])


def _telegraf(value: Any) -> Iterator[Point] | None:
    """Telegraf's JSON: a name, tags, fields and a timestamp; one metric or a list of them."""
    found = value.get("metrics", [value]) if isinstance(value, dict) else None
    metrics = [one for one in _dicts(found) if isinstance(one.get("fields"), dict) and "timestamp" in one]
    metrics = [one for one in metrics if isinstance(one.get("name"), str)]
    if not metrics:
        return None
    return (
        Point(one["timestamp"], series_name(f"{one['name']}.{name}", one.get("tags")), number)
        for one in metrics
        for name, number in one["fields"].items()
    )


def _otlp(value: Any) -> Iterator[Point] | None:
    """OpenTelemetry's batches of metrics."""
    resources = value.get("resourceMetrics") if isinstance(value, dict) else None
    return _otlp_points(resources) if isinstance(resources, list) else None


def _otlp_points(resources: list[Any]) -> Iterator[Point]:
    scopes = ("scopeMetrics", "instrumentationLibraryMetrics")
    for resource, _, metric in otlp_items(resources, scopes, "metrics"):
        data: Record = next((metric[kind] for kind in _OTLP_KINDS if isinstance(metric.get(kind), dict)), {})
        for point in _dicts(data.get("dataPoints")):
            labels = {**resource, **attributes_of(point.get("attributes") or point.get("labels"))}
            for suffix, number in _otlp_numbers(point):
                name = series_name(f"{metric.get('name', '')}{suffix}", labels)
                yield Point(point.get("timeUnixNano"), name, number)


def _otlp_numbers(point: Record) -> Iterator[tuple[str, Any]]:
    for name in ("asDouble", "asInt"):
        if name in point:
            yield "", point[name]
    for name in ("count", "sum", "min", "max"):
        if name in point:
            yield f".{name}", point[name]
    for quantile in _dicts(point.get("quantileValues")):
        yield f".quantile{quantile.get('quantile', 0)}", quantile.get("value")


def _vector(value: Any) -> Iterator[Point] | None:
    """A metric of Vector's: a name, tags, and one value of its kind."""
    if not (isinstance(value, dict) and isinstance(value.get("name"), str)):
        return None
    kind = next((kind for kind in ("counter", "gauge") if isinstance(value.get(kind), dict)), "")
    if not kind or "value" not in value[kind]:
        return None
    name = ".".join(filter(None, [str(value.get("namespace") or ""), value["name"]]))
    return iter([Point(value.get("timestamp"), series_name(name, value.get("tags")), value[kind]["value"])])


_SHAPES = (
    _otlp, _victoria, _prometheus, _graphite, _datadog, _influx, _open_tsdb, _cloudwatch, _telegraf, _vector,
)  # fmt: skip


def _series(values: Any, labels: str) -> list[Record]:
    return [one for one in _dicts(values) if isinstance(one.get(labels), dict)]


def _labelled(labels: Record) -> str:
    return series_name(str(labels.get("__name__", "")), labels)


def _pairs(values: Any) -> list[tuple[Any, Any]]:
    pairs = values if isinstance(values, list) else ()
    return [(pair[0], pair[1]) for pair in pairs if isinstance(pair, list) and len(pair) == 2]


def _pair(value: Any) -> list[tuple[Any, Any]]:
    return _pairs([value])


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dicts(values: Any) -> list[Record]:
    return [one for one in values if isinstance(one, dict)] if isinstance(values, list) else []
