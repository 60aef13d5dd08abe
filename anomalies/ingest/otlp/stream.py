"""The detector of one stream of OTLP, between its saved states.

A batch is read by the same formats as a file (`detection.formats`), and its events are numbered through the
stream, so the findings do not depend on how the records came in requests.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import zstandard

from anomalies.detection import Detector, Event, Finding, Format, Parameters, TimestampReader
from anomalies.detection.formats.records.logs.json_logs import JsonLogs
from anomalies.detection.formats.records.metrics.json_metrics import JsonSeries
from anomalies.detection.formats.records.traces.json_traces import JsonTraces
from anomalies.sources.otlp import SIGNALS, Rates, StreamKey, lines_of

FORM = 1  # of a saved state
MOST_STATE = 512 * 1024 * 1024  # bytes, unpacked
_FORMATS: dict[str, Callable[[TimestampReader], Format]] = {
    "logs": JsonLogs,
    "metrics": JsonSeries,
    "traces": JsonTraces,
}
_MOST_RESOURCES = 200  # changes of the resource that are remembered; an episode's records come close together
_LEVEL = 1


class StateError(ValueError):
    """A saved state can't be continued: it is of another version, or damaged."""


class StreamDetector:
    """The detector of a stream, its format, and the resources that its newest records came from.

    ``recorded`` has the detector's counts when tested windows were last recorded; ``first`` and ``last`` are
    the times of the events since then, ``seconds`` what their detection took.
    """

    def __init__(self, key: StreamKey, parameters: Parameters) -> None:
        kind = SIGNALS[key.signal].kind
        self._form = _FORMATS[key.signal](TimestampReader(None))
        self.detector = Detector(parameters, kind)
        self.key = key
        self.recorded: dict[str, int] = {}
        self.seconds = 0.0
        self.first: datetime | None = None
        self.last: datetime | None = None
        self._rates = Rates()
        self._due: dict[str, float] = {}  # seconds since 1970
        self._next = 1  # the number of the next record
        self._resources: list[tuple[int, dict[str, Any]]] = []

    @classmethod
    def load(cls, key: StreamKey, packed: bytes, parameters: Parameters) -> StreamDetector:
        """Return the detector that gave this state. Raises StateError."""
        one = cls(key, parameters)
        try:
            state = json.loads(zstandard.ZstdDecompressor().decompress(packed, max_output_size=MOST_STATE))
            if state["form"] != FORM:
                raise StateError(f"it is of form {state['form']}; this version reads {FORM}")
            one.detector = Detector.load(state["detector"], parameters)
            one._form.restore(state["format"])
            one._rates.restore(state["rates"])
            one._next = state["next"]
            one._resources = [(number, resource) for number, resource in state["resources"]]
            one._due, one.recorded, one.seconds = state["due"], state["recorded"], state["seconds"]
            one.first = state["first"] and datetime.fromisoformat(state["first"])
            one.last = state["last"] and datetime.fromisoformat(state["last"])
        except (ValueError, TypeError, KeyError, IndexError, zstandard.ZstdError) as error:
            raise StateError(str(error)) from error
        return one

    def saved(self) -> tuple[bytes, bool]:
        """Return the whole state, packed, and whether an episode or a trace waits for more records."""
        detector, form = self.detector.state(), self._form.state()
        state = {
            "form": FORM,
            "detector": detector,
            "format": form,
            "rates": self._rates.state(),
            "next": self._next,
            "resources": self._resources,
            "due": self._due,
            "recorded": self.recorded,
            "seconds": self.seconds,
            "first": self.first and self.first.isoformat(),
            "last": self.last and self.last.isoformat(),
        }
        data = json.dumps(state, separators=(",", ":"), allow_nan=False).encode()
        has_traces = self.key.signal == "traces" and bool(form[1]["open"])
        return zstandard.ZstdCompressor(level=_LEVEL).compress(data), has_traces or bool(detector["episode"])

    def is_due(self, what: str, every: float, now: float) -> bool:
        """Return whether something is due that is done at first and every so many seconds."""
        if now < self._due.get(what, 0.0):
            return False
        self._due[what] = now + every
        return True

    def feed(self, body: bytes) -> Iterator[Finding]:
        """Yield what is found in a batch, each episode as soon as it is closed."""
        for line in lines_of(body, self.key.signal, self._rates):
            first, self._next = self._next, self._next + line.items
            self._note(first, line.resource)
            results = self._form.read(first, line.data, len(line.data))
            yield from self.detector.feed(self._events(results))

    def quiet(self) -> Iterator[Finding]:
        """Yield what waits for more records, for a stream that has been quiet for a while."""
        yield from self.detector.feed(self._events(self._form.finish()))
        yield from self.detector.close_episode()

    def resource_of(self, finding: Finding) -> dict[str, Any]:
        """Return the attributes of the resource whose record a finding names first."""
        number = finding.oddest_line or finding.first_line
        place = bisect_right([first for first, _ in self._resources], number)
        return self._resources[max(0, place - 1)][1] if self._resources else {}

    def _events(self, results: Any) -> Iterator[Event]:
        for event in results:
            if isinstance(event, Event):
                if event.timestamp is not None:
                    self.first = self.first or event.timestamp
                    self.last = event.timestamp
                yield event._replace(line=0)  # the number is that of the record; there are no lines

    def _note(self, first: int, resource: dict[str, Any]) -> None:
        if not self._resources or self._resources[-1][1] != resource:
            self._resources.append((first, resource))
            del self._resources[:-_MOST_RESOURCES]
