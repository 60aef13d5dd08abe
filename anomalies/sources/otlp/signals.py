"""The three signals: the messages of their records, and what a record needs to be judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from anomalies.detection import Kind

TRACE_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of checking a record: how many items it counts as, why it is refused ('' where it is not),
    and whether every item says its time."""

    items: int
    refusal: str = ""
    is_timed: bool = True


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal: its kind of stream, its messages, the names of its fields in JSON, and its check.

    ``item`` is the word for what is counted, ``rejected`` the name of the count in an answer; the last two
    are the names of the fields of its messages in Python.
    """

    kind: Kind
    record: type[Message]
    data: type[Message]
    resources: str
    scopes: str
    records: str
    rejected: str
    item: str
    check: Callable[[Any], Verdict]
    scopes_field: str
    records_field: str


def _checked_log(record: LogRecord) -> Verdict:
    if not (record.HasField("body") or record.attributes or record.event_name):
        return Verdict(1, "has no body, attributes or event name; send one of them")
    return Verdict(1, is_timed=bool(record.time_unix_nano or record.observed_time_unix_nano))


def _checked_metric(metric: Metric) -> Verdict:
    points = list(points_of(metric))
    if points and not metric.name:
        return Verdict(len(points), "is a metric without a name; name it")
    return Verdict(len(points), is_timed=all(point.time_unix_nano for point in points))


def _checked_span(span: Span) -> Verdict:
    if len(span.trace_id) != TRACE_ID_BYTES or not any(span.trace_id):
        return Verdict(1, f"has no trace id of {TRACE_ID_BYTES} bytes that are not all 0; send the trace's")
    if not span.name:
        return Verdict(1, "has no name; name the operation")
    return Verdict(1, is_timed=bool(span.start_time_unix_nano))


def points_of(metric: Metric) -> Iterator[Any]:
    """Yield the data points of a metric, of whatever kind it is."""
    kind = metric.WhichOneof("data")
    if kind is not None:
        yield from getattr(metric, kind).data_points


SIGNALS = {
    "logs": Signal(
        "logs", LogRecord, LogsData, "resourceLogs", "scopeLogs", "logRecords",
        "rejectedLogRecords", "log record", _checked_log, "scope_logs", "log_records",
    ),
    "metrics": Signal(
        "metrics", Metric, MetricsData, "resourceMetrics", "scopeMetrics", "metrics",
        "rejectedDataPoints", "data point", _checked_metric, "scope_metrics", "metrics",
    ),
    "traces": Signal(
        "traces", Span, TracesData, "resourceSpans", "scopeSpans", "spans",
        "rejectedSpans", "span", _checked_span, "scope_spans", "spans",
    ),
}  # fmt: skip
