"""Export requests as senders make them, by opentelemetry-proto's own messages."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

BEGIN = 1_795_000_000  # seconds since 1970: 2026-11-18
SECOND = 10**9
PANIC = "panic: runtime error: invalid memory address or nil pointer dereference"


def normal(number: int) -> str:
    """The text of a line of a quiet service."""
    dice = random.Random(number)
    return f"order {number} accepted for customer {dice.randrange(1000)} in {dice.randrange(10, 90)} ms"


def attributes(values: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=str(value))) for key, value in values.items()]


def logs(
    texts: Iterable[str], first: int = 0, scope: str = "app.orders", **resource: str
) -> ExportLogsServiceRequest:
    """A request with a record a second; names of the resource's attributes are written with underscores."""
    request = ExportLogsServiceRequest()
    holder = request.resource_logs.add()
    holder.resource.attributes.extend(attributes(_named(resource)))
    inner = holder.scope_logs.add()
    inner.scope.name = scope
    for number, text in enumerate(texts, first):
        time = (BEGIN + number) * SECOND
        inner.log_records.add(
            time_unix_nano=time, severity_number=9, severity_text="INFO", body=AnyValue(string_value=text)
        )
    return request


def _named(resource: dict[str, str]) -> dict[str, str]:
    """The attributes of a resource, with those that every one has here."""
    named = {"service_name": "checkout", "host_name": "web-1", **resource}
    return {name.replace("_", "."): value for name, value in named.items()}


def normal_lines(count: int, first: int = 0) -> list[str]:
    return [normal(number) for number in range(first, first + count)]


def metrics(
    values: Iterable[float], first: int = 0, name: str = "queue.depth", **resource: str
) -> ExportMetricsServiceRequest:
    """A request with a point of one gauge a minute."""
    request = ExportMetricsServiceRequest()
    holder = request.resource_metrics.add()
    holder.resource.attributes.extend(attributes(_named(resource)))
    inner = holder.scope_metrics.add()
    inner.scope.name = "app.meter"
    metric = inner.metrics.add(name=name)
    for number, value in enumerate(values, first):
        metric.gauge.data_points.add(time_unix_nano=(BEGIN + 60 * number) * SECOND, as_double=value)
    return request


def spans(
    traces: Iterable[tuple[int, Iterable[str]]], first: int = 0, **resource: str
) -> ExportTraceServiceRequest:
    """A request with the spans of traces, each given by its number and the names of its spans."""
    request = ExportTraceServiceRequest()
    holder = request.resource_spans.add()
    holder.resource.attributes.extend(attributes(_named(resource)))
    for number, names in traces:
        for place, name in enumerate(names, first):
            start = (BEGIN + number) * SECOND + place
            holder.scope_spans.add().spans.add(
                trace_id=number.to_bytes(16, "big"),
                span_id=(number * 100 + place).to_bytes(8, "big"),
                name=name,
                start_time_unix_nano=start,
                end_time_unix_nano=start + 1,
            )
    return request
