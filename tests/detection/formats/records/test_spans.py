"""Spans as tracing systems export them, assembled into traces."""

import json

import pytest

from ..support import events, fresh_clock, made_for, records

STEPS = ("GET /", "auth", "db.query")
T = 1793527200


def spans(trace, make):
    """The spans of a trace, the last one first."""
    return [make(trace, n, step) for n, step in reversed(list(enumerate(STEPS)))]


def otlp(trace, n, step):
    return {
        "traceId": trace,
        "spanId": str(n),
        "name": step,
        "startTimeUnixNano": str((T + n) * 10**9),
        "endTimeUnixNano": "0",
    }


def zipkin(trace, n, step):
    return {"traceId": trace, "id": str(n), "name": step, "timestamp": (T + n) * 10**6, "duration": 7}


def zipkin_1(trace, n, step):
    notes = [{"timestamp": (T + n) * 10**6 + after, "value": name} for after, name in ((7, "ss"), (0, "sr"))]
    return {"traceId": trace, "id": str(n), "name": step, "annotations": notes}


def elastic(trace, n, step):
    return {
        "@timestamp": f"2026-11-01T10:00:0{n}Z",
        "trace": {"id": trace},
        "span": {"id": str(n), "name": step, "duration": {"us": 7}},
    }


def skywalking(trace, n, step):
    return {"traceId": trace, "spanId": n, "endpointName": step, "startTime": (T + n) * 1000, "endTime": 0}


def jaeger(trace, n, step):
    return {
        "traceID": trace,
        "spanID": str(n),
        "operationName": step,
        "startTime": (T + n) * 10**6,
        "duration": 7,
    }


def datadog(trace, n, step):
    return {"trace_id": trace, "span_id": n, "name": step, "start": (T + n) * 10**9, "duration": 7}


def console(trace, n, step):
    return {
        "name": step,
        "context": {"trace_id": trace, "span_id": str(n)},
        "start_time": f"2026-11-01T10:00:0{n}Z",
        "end_time": "x",
    }


def batch(*found):
    return {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"spans": list(found)}]}]}


JAEGER = [{"traceID": trace, "spans": spans(trace, jaeger), "processes": {}} for trace in "ab"]
SUBSEGMENTS = [{"name": STEPS[n], "start_time": T + n} for n in (2, 1)]
SEGMENTS = [
    {"trace_id": trace, "id": "1", "name": STEPS[0], "start_time": T, "subsegments": SUBSEGMENTS}
    for trace in "ab"
]
WHOLE = {
    "OTLP": [batch(*spans(trace, otlp)) for trace in "ab"],
    "Jaeger": JAEGER,
    "Jaeger's answer": {"data": JAEGER},
    "Zipkin": [spans(trace, zipkin) for trace in "ab"],
    "Tempo": {"trace": batch(*spans("a", otlp), *spans("b", otlp))},
    "Zipkin's first format": [spans(trace, zipkin_1) for trace in "ab"],
    "Zipkin's list": [*spans("a", zipkin), *spans("b", zipkin)],
    "Datadog": [spans(trace, datadog) for trace in "ab"],
    "X-Ray": {
        "Traces": [{"Id": one["trace_id"], "Segments": [{"Document": json.dumps(one)}]} for one in SEGMENTS]
    },
}


@pytest.mark.parametrize("value", WHOLE.values(), ids=WHOLE)
def test_a_trace_is_a_session_of_its_spans_names_in_the_order_of_their_starts(value):
    found = events(json.dumps(value))
    assert [(event.session, event.steps) for event in found] == [("a", STEPS), ("b", STEPS)]
    assert all(event.timestamp.second == 0 for event in found)


def alone(span):
    return span


@pytest.mark.parametrize(
    ("make", "wrap"),
    [
        *((make, alone) for make in (otlp, zipkin, jaeger, datadog, console, zipkin_1, elastic, skywalking)),
        (otlp, batch),
    ],
)
def test_spans_that_interleave_are_put_together(make, wrap):
    mixed = [one for group in zip(*(spans(trace, make) for trace in "abc"), strict=True) for one in group]
    found = events(map(wrap, mixed))
    assert [(event.session, event.steps) for event in found] == [(trace, STEPS) for trace in "abc"]
    assert [event.place for event in found] == [f"record {n + 7} (line {n + 1})" for n in range(3)]
    assert "lines 1 to 7" in found[0].text and "auth" in found[0].text


@pytest.mark.parametrize("kind", [None, "traces"])
def test_spans_in_a_table_are_put_together(kind):
    rows = [f"{trace},{step},{T + n}" for n, step in reversed(list(enumerate(STEPS))) for trace in "ab"]
    found = events("\n".join(["trace_id,name,start", *rows]), kind)
    assert [(event.session, event.steps) for event in found] == [("a", STEPS), ("b", STEPS)]


def test_a_trace_is_complete_when_none_of_its_spans_came_for_long():
    made = made_for(records(otlp("a", 0, "x")), None, fresh_clock())
    closed = []
    for number in range(1, 5001):
        line = json.dumps(otlp("first" if number == 1 else f"t{number // 3}", number % 3, "step")).encode()
        closed += made.read(number, line, len(line))
    assert closed[0].session == "first"
    assert 900 < len(closed) < 1100


def test_open_traces_are_saved_and_loaded():
    lines = records(*spans("a", otlp), *spans("b", otlp))
    one, other = made_for(lines, None, fresh_clock()), made_for(lines, None, fresh_clock())
    for number, line in enumerate(lines[:4], 1):
        one.read(number, line, len(line))
    other.restore(json.loads(json.dumps(one.state())))
    for number, line in enumerate(lines[4:], 5):
        assert one.read(number, line, len(line)) == other.read(number, line, len(line))
    assert one.finish() == other.finish() != []


def test_a_log_record_that_names_its_trace_is_a_log():
    record = {"level": "info", "msg": "ready", "trace_id": "a", "span_id": "1", "time": T, "duration": 3}
    assert events([record] * 3)[0].message == "ready"
