"""Traces as JSON: sessions of named steps, one a record, or spans that are assembled."""

from collections.abc import Iterator, Sequence
from typing import Any

from ....events import Event, safe
from ....scoring.scorers import Kind
from ...base import Result, Skipped
from ...times.timestamps import TimestampReader
from ..logs.json_logs import learn_times
from ..moments import moment_of, moment_of_value
from ..parsing import Record
from ..reader import RecordReader, records_in, text_of_line, text_of_record
from .assembly import MOST_STEPS, Assembler, Trace
from .spans import MAX_STEP, Span, spans_of

_IDS = ("trace_id", "traceId", "session", "session_id", "sessionId", "id", "block", "block_id", "BlockId")
_EVENTS = ("events", "steps", "spans")
_STEP_NAMES = ("name", "event", "step", "id", "event_id", "type", "operation", "operationName")
_SHOWN = 4_000  # characters of a trace that stands in several lines


class JsonTraces(RecordReader):
    """Records of a session: an id and a list of events; and spans, those of one trace in one event."""

    kind: Kind = "traces"

    def __init__(self, clock: TimestampReader, records: Sequence[Any] = ()) -> None:
        """Learn from the first records how their times are written."""
        super().__init__(clock)
        learn_times(records, clock)
        self._assembler = Assembler()

    def finish(self) -> Sequence[Result]:
        """Return the traces that are still open."""
        return [event_of_trace(trace) for trace in self._assembler.finish()]

    def state(self) -> Any:
        """Return what the others do, and the open traces."""
        return [super().state(), self._assembler.state()]

    def restore(self, state: Any) -> None:
        """Restore what `state` returned."""
        others, traces = state
        super().restore(others)
        self._assembler.restore(traces)

    def _of_value(self, number: int, raw: bytes, value: Any) -> Sequence[Result]:
        found = spans_of(value)
        if found is not None:
            take = self._whole if found.whole else self._assembled
            return take(number, text_of_line(raw), found.spans)
        results: list[Result] = []
        for record, alone in records_in(value, is_session):
            inner = None if alone else spans_of(record)
            if inner is not None:
                results += self._assembled(number, text_of_record(record), inner.spans)
            else:
                results.append(
                    self._session(number, record, text_of_line(raw) if alone else text_of_record(record))
                )
        return results

    def _whole(self, number: int, text: str, spans: Sequence[Span]) -> list[Result]:
        """Traces that are complete as they come."""
        results: list[Result] = []
        for identity, own, group in self._by_trace(number, spans):
            trace = Trace(identity, number, number, own, text)
            trace.spans = [
                (moment_of_value(span.start, self._clock), span.name) for span in group[:MOST_STEPS]
            ]
            results.append(event_of_trace(trace))
        return results

    def _assembled(self, number: int, text: str, spans: Sequence[Span]) -> list[Result]:
        for _, own, group in self._by_trace(number, spans):
            for span in group:
                self._assembler.add(span, moment_of_value(span.start, self._clock), number, own, text)
        return [event_of_trace(trace) for trace in self._assembler.complete()]

    def _by_trace(self, number: int, spans: Sequence[Span]) -> Iterator[tuple[str, int, list[Span]]]:
        """The spans of a line by trace, in the order of their first ones, each with a number of its own."""
        groups: dict[str, list[Span]] = {}
        for span in spans:
            groups.setdefault(span.trace, []).append(span)
        for identity, group in groups.items():
            yield identity, self._numbers.take(number)[0], group

    def _session(self, number: int, record: Any, text: str) -> Result:
        session = session_of(record) if isinstance(record, dict) else None
        steps = steps_of(record) if isinstance(record, dict) else None
        if session is None:
            names = ", ".join(_IDS[:6])
            return Skipped(number, f"line {number:,}: expected an id in one of the fields {names}; add it")
        if not steps:
            names = ", ".join(_EVENTS)
            return Skipped(
                number, f"line {number:,}: expected a list of events in one of the fields {names}; add it"
            )
        event = self._event(number, text, moment_of(record, self._clock))
        return event._replace(session=session, steps=tuple(steps))


def is_session(record: Record) -> bool:
    """Return whether a record is one of a session or of spans."""
    has_steps = any(isinstance(record.get(name), list) for name in _EVENTS)
    return (has_steps and session_of(record) is not None) or spans_of(record) is not None


def session_of(record: Record) -> str | None:
    """Return the id of a record's session."""
    for name in _IDS:
        value = record.get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if (isinstance(value, str) and value) or is_number:
            return safe(str(value), MAX_STEP)
    return None


def steps_of(record: Record) -> list[str] | None:
    """Return the names of a record's events; None where it has no list of them."""
    for name in _EVENTS:
        value = record.get(name)
        if isinstance(value, list):
            return [safe(_step(one), MAX_STEP) for one in value[:MOST_STEPS]]
        if isinstance(value, str):
            return [safe(one, MAX_STEP) for one in value.split()[:MOST_STEPS]]
    return None


def _step(one: Any) -> str:
    if isinstance(one, dict):
        one = next((one[name] for name in _STEP_NAMES if isinstance(one.get(name), str | int)), "?")
    return str(one) if isinstance(one, str | int | float) else "?"


def event_of_trace(trace: Trace) -> Event:
    """Return the event of a trace, which has the number of its last span."""
    steps = trace.steps()
    text = trace.text
    if trace.first_line != trace.last_line:
        lines = f"lines {trace.first_line:,} to {trace.last_line:,}"
        text = safe(f"trace {trace.id}, {lines}: {' | '.join(steps)}", _SHOWN)
    line = 0 if trace.number == trace.first_line else trace.first_line
    return Event(trace.number, text, trace.start(), session=trace.id, steps=steps, line=line)
