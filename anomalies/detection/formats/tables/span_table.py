"""Spans as CSV: a column for the trace's id, one for the step's name, one for its start."""

from collections.abc import Sequence
from typing import Any

from ...events import safe, shown_text
from ...scoring.scorers import Kind
from ..base import Numbers, Reader, Result, Skipped, decoded
from ..records.traces.assembly import Assembler
from ..records.traces.json_traces import event_of_trace
from ..records.traces.spans import MAX_STEP, Span
from ..times.timestamps import TimestampReader
from .metric_table import SEPARATORS, cells_of

_TRACES = ("trace_id", "traceid", "trace id", "trace.id", "session_id", "sessionid", "session")
_NAMES = ("name", "operation", "operationname", "operation_name", "span_name", "event", "step", "activity")
_STARTS = (
    "start", "start_time", "starttime", "timestamp", "time", "ts", "starttimeunixnano",
    "start_time_unix_nano",
)  # fmt: skip


class SpanTable(Reader):
    """Rows of one span each, in any order, which are assembled into traces."""

    kind: Kind = "traces"
    name = "CSV"

    def __init__(self, header: list[str], separator: str, clock: TimestampReader) -> None:
        """Read rows below this header, which `span_table` found."""
        self._header, self._separator, self._clock = header, separator, clock
        names = [cell.strip().lower() for cell in header]
        self._places = [_place(names, known) for known in (_TRACES, _NAMES, _STARTS)]
        self._numbers = Numbers()
        self._assembler = Assembler()

    def read(self, number: int, raw: bytes, full_length: int) -> Sequence[Result]:
        """Return the traces that are complete with a row."""
        cells = cells_of(decoded(raw), self._separator)
        if not any(map(str.strip, cells)) or cells == self._header:
            return ()
        if len(cells) != len(self._header):
            words = f"has {len(cells):,} columns where {len(self._header):,} are expected"
            return (Skipped(number, f"line {number:,} {words}; complete the row or remove it"),)
        trace, name, start = (cells[place].strip() if place is not None else "" for place in self._places)
        if not trace or not name:
            return (Skipped(number, f"line {number:,} names no trace or no step; complete the row"),)
        span = Span(safe(trace, MAX_STEP), safe(name, MAX_STEP), start)
        moment = self._clock.read_field(start) if start else None
        text = shown_text(raw, full_length)
        self._assembler.add(span, moment, number, self._numbers.take(number)[0], text)
        return [event_of_trace(one) for one in self._assembler.complete()]

    def finish(self) -> Sequence[Result]:
        """Return the traces that are still open."""
        return [event_of_trace(one) for one in self._assembler.finish()]

    def state(self) -> Any:
        """Return the number of the last row, the open traces, and what was learnt of the times."""
        return [self._numbers.last, self._assembler.state(), self._clock.state()]

    def restore(self, state: Any) -> None:
        """Restore what `state` returned."""
        self._numbers.last, traces, clock = state
        self._assembler.restore(traces)
        self._clock.restore(clock)


def span_table(lines: Sequence[bytes], clock: TimestampReader) -> SpanTable | None:
    """Return the reader of lines whose header names a trace and a step; None for others."""
    for separator in SEPARATORS:
        rows = [cells_of(decoded(line), separator) for line in lines]
        names = [cell.strip().lower() for cell in rows[0]] if rows else []
        trace, name, start = (_place(names, known) for known in (_TRACES, _NAMES, _STARTS))
        if trace is None or name is None:
            continue
        ids = [row[trace] for row in rows[1:] if len(row) == len(names)]
        if start is None and len(set(ids)) == len(ids):
            continue  # a session a line
        if start is not None:
            clock.learn_fields([row[start] for row in rows[1:] if len(row) == len(names)])
        return SpanTable(rows[0], separator, clock)
    return None


def _place(names: list[str], known: tuple[str, ...]) -> int | None:
    return next((names.index(name) for name in known if name in names), None)
