"""Spans as tracing systems export them: a trace's id, a name, a start.

Each shape is read to the same thing. A value that holds a trace as a whole says so; of others the spans may
come in any order, mixed with those of other traces (`assembly`).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from ....events import safe
from ..fields import value_at
from ..opening import otlp_items
from ..parsing import JsonParser, Record

MAX_STEP = 200  # characters
_TRACE_IDS = (
    "traceId",
    "trace_id",
    "traceID",
    "TraceId",
    "dd.trace_id",
    "context.trace_id",
    "traceid",
    "trace.id",
)
_SPAN_IDS = ("spanId", "span_id", "spanID", "SpanId", "id", "context.span_id", "spanid", "span.id")
_NAMES = (
    "name",
    "span.name",
    "transaction.name",
    "endpointName",
    "operationName",
    "operation_name",
    "operation",
    "resource",
    "span_name",
    "spanName",
    "Name",
)
_STARTS = (
    "startTimeUnixNano", "startTime", "start_time", "start", "timestamp", "start_timestamp", "StartTime",
    "ts", "startTimeMillis", "start_time_unix_nano", "@timestamp", "time",
)  # fmt: skip
_LENGTHS = (
    "endTimeUnixNano", "endTime", "end_time", "end", "duration", "duration_ns", "duration_ms", "durationMs",
    "duration_us", "Duration", "end_time_unix_nano", "elapsed", "finish", "parentId", "parent_id",
    "parentSpanId", "parent_span_id", "annotations", "span.duration.us", "transaction.duration.us",
)  # fmt: skip
_LOGS = {"message", "msg", "level", "severity", "log"}  # a log record may name its trace too
_PARSER = JsonParser()


class Span(NamedTuple):
    """A step of a trace: the trace's id, the step's name, its start as it is written."""

    trace: str
    name: str
    start: Any


class Spans(NamedTuple):
    """The spans of a value; `whole` where they are all that their traces have."""

    spans: list[Span]
    whole: bool


def spans_of(value: Any) -> Spans | None:
    """Return the spans that a value holds; None for what holds none."""
    if isinstance(value, list):
        return _of_list(value)
    if not isinstance(value, dict):
        return None
    for shape in (_otlp, _jaeger, _xray, _single):
        found = shape(value)
        if found is not None:
            return found
    return None


def _otlp(value: Record) -> Spans | None:
    if isinstance(value.get("trace"), dict):  # of Tempo's second interface
        value = value["trace"]
    resources = value.get("resourceSpans", value.get("batches"))
    if not isinstance(resources, list):
        return None
    scopes = ("scopeSpans", "instrumentationLibrarySpans")
    spans = [span for _, _, item in otlp_items(resources, scopes, "spans") if (span := _span(item))]
    return Spans(spans, whole=False) if spans or "resourceSpans" in value else None


def _jaeger(value: Record) -> Spans | None:
    """A trace of Jaeger's (its spans have processes beside them), or the answer with several."""
    traces = value["data"] if isinstance(value.get("data"), list) else [value]
    found = [one for one in traces if isinstance(one, dict) and isinstance(one.get("spans"), list)]
    items = [(item, one) for one in found for item in one["spans"]]
    spans = [span for item, one in items if (span := _span(item, one))]
    is_whole = bool(spans) and len(found) == len(traces) and len(spans) == len(items)
    return Spans(spans, whole=True) if is_whole else None


def _of_list(value: list[Any]) -> Spans | None:
    """Zipkin's trace or Datadog's: a list of spans; or a list of such lists."""
    if value and all(isinstance(one, list) for one in value):
        traces = [trace for one in value if (trace := _of_list(one))]
        return Spans([span for trace in traces for span in trace.spans], whole=True) if traces else None
    single = [found.spans[0] for one in value if isinstance(one, dict) and (found := _single(one))]
    return Spans(single, whole=len({span.trace for span in single}) == 1) if single else None


def _xray(value: Record) -> Spans | None:
    """X-Ray's segments, within each other, alone or as text in the answer of BatchGetTraces."""
    traces = value["Traces"] if isinstance(value.get("Traces"), list) else [value]
    documents = [
        _PARSER.value_of(str(segment.get("Document", "")))
        for trace in traces
        if isinstance(trace, dict) and isinstance(trace.get("Segments"), list)
        for segment in trace["Segments"]
        if isinstance(segment, dict)
    ]
    documents = documents or ([value] if "subsegments" in value else [])
    spans = [
        span for one in documents if isinstance(one, dict) for span in _segments(one, one.get("trace_id"), 8)
    ]
    return Spans(spans, whole="Segments" in value or "Traces" in value) if spans else None


def _segments(segment: Record, trace: Any, depth: int) -> Iterator[Span]:
    if isinstance(trace, str) and isinstance(segment.get("name"), str):
        yield Span(_shown(trace), _shown(segment["name"]), segment.get("start_time"))
    inner = segment.get("subsegments")
    for one in inner if depth and isinstance(inner, list) else ():
        if isinstance(one, dict):
            yield from _segments(one, trace, depth - 1)


def _single(value: Record) -> Spans | None:
    """One span: it has a trace, a name, a start, and an end, a length or a parent, and is no log record."""
    span = _span(value)
    if span is None or span.start is None or not _LOGS.isdisjoint(value):
        return None
    is_span = (
        any(value_at(value, name) is not None for name in _LENGTHS)
        or "parentId" in value
        or value.get("kind") in ("CLIENT", "SERVER")
    )
    return Spans([span], whole=False) if is_span else None


def _span(item: Any, trace: Record | None = None) -> Span | None:
    if not isinstance(item, dict):
        return None
    identity = _first(item, _TRACE_IDS) or _first(trace or {}, _TRACE_IDS)
    name = _first(item, _NAMES)
    if identity is None or not isinstance(name, str | int) or name == "":
        return None
    return Span(_shown(str(identity)), _shown(str(name)), _start(item))


def _start(item: Record) -> Any:
    """The start of a span; in Zipkin's first format that of its first annotation."""
    start = _first(item, _STARTS)
    notes = item.get("annotations")
    if start is None and isinstance(notes, list):
        times = [
            one["timestamp"] for one in notes if isinstance(one, dict) and _is_epoch(one.get("timestamp"))
        ]
        start = min(times, default=None)
    return start


def _is_epoch(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _first(item: Record, names: tuple[str, ...]) -> Any:
    for name in names:
        found = item.get(name) if "." not in name else value_at(item, name)
        if isinstance(found, str | int | float) and found != "":
            return found
    return None


def _shown(text: str) -> str:
    return safe(text, MAX_STEP)
