"""Spans to traces: those of one trace are collected until no more of them come.

Spans of several traces come interleaved, and nothing says which one is a trace's last. A trace is taken to be
complete when none of its spans were among the last so many of the stream, or when more is held than a bound
allows; memory is bounded by that, and the result depends on the spans alone, not on any clock.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .spans import Span

QUIET = 2_000  # spans of others, after which a trace is complete
MOST_HELD = 100_000  # spans of all open traces
MOST_STEPS = 10_000  # of a trace; what comes after them is left out
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Trace:
    """The spans of one trace: their starts, names and the order in which they came.

    `first_line` and `last_line` are where its spans stand, `number` is that of its last one in the stream.
    """

    id: str
    first_line: int
    last_line: int = 0
    number: int = 0
    text: str = ""
    seen: int = 0  # how many spans there were in the stream when its last one came
    spans: list[tuple[datetime | None, str]] = field(default_factory=list)

    def steps(self) -> tuple[str, ...]:
        """Return the names of its spans in the order of their starts; of equal ones the first that came."""
        ordered = sorted(self.spans, key=lambda span: span[0] or _LONG_AGO)
        return tuple(name for _, name in ordered)

    def start(self) -> datetime | None:
        """Return when it began; None where no span says."""
        return min((start for start, _ in self.spans if start), default=None)


class Assembler:
    """A collector of spans; `add` them in the order of the stream, then take what is `complete`."""

    def __init__(self, quiet: int = QUIET, most_held: int = MOST_HELD) -> None:
        self._quiet = quiet
        self._most_held = most_held
        self._open: OrderedDict[str, Trace] = OrderedDict()  # the one whose last span is oldest first
        self._count = 0
        self._held = 0

    def add(self, span: Span, start: datetime | None, line: int, number: int, text: str) -> None:
        """Add a span of the line `line`, whose number in the stream is `number`, and the line's text."""
        trace = self._open.get(span.trace)
        if trace is None:
            trace = self._open[span.trace] = Trace(span.trace, line, text=text)
        if len(trace.spans) < MOST_STEPS:
            trace.spans.append((start, span.name))
            self._held += 1
        self._count += 1
        trace.last_line, trace.number, trace.seen = line, number, self._count
        self._open.move_to_end(span.trace)

    def complete(self) -> Iterator[Trace]:
        """Yield the traces that no more spans are awaited for, in the order of their last spans."""
        while self._open:
            oldest = next(iter(self._open.values()))
            if self._count - oldest.seen < self._quiet and self._held <= self._most_held:
                return
            yield self._close(oldest)

    def finish(self) -> Iterator[Trace]:
        """Yield all that is open."""
        while self._open:
            yield self._close(next(iter(self._open.values())))

    def state(self) -> Any:
        """Return what is open as plain JSON values, for `restore`."""
        return {"count": self._count, "open": [_plain(trace) for trace in self._open.values()]}

    def restore(self, state: Any) -> None:
        """Restore what `state` returned."""
        self._count = state["count"]
        for identity, first, last, number, text, seen, spans in state["open"]:
            read = [(start and datetime.fromisoformat(start), name) for start, name in spans]
            self._open[identity] = Trace(identity, first, last, number, text, seen, read)
            self._held += len(read)

    def _close(self, trace: Trace) -> Trace:
        del self._open[trace.id]
        self._held -= len(trace.spans)
        return trace


def _plain(trace: Trace) -> list[Any]:
    spans = [[start and start.isoformat(), name] for start, name in trace.spans]
    return [trace.id, trace.first_line, trace.last_line, trace.number, trace.text, trace.seen, spans]
