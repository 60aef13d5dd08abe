"""JSON lines: logs, metrics, traces and LLM traffic, one object a line."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Self

from .coders import Kind
from .events import Event, Skipped, event_from_line
from .tables import MOST_COLUMNS, moment
from .timestamps import TimestampReader

MOST_SCORED = 65_536  # characters of a record
_DEEPEST = 8
_TIMES = (
    "timestamp",
    "@timestamp",
    "time",
    "ts",
    "datetime",
    "date",
    "start_time",
    "startTime",
    "created_at",
)
_IDS = ("trace_id", "traceId", "trace", "session_id", "session", "block_id", "block", "request_id", "id")
_STEPS = ("steps", "events", "spans", "event_ids", "calls")
_NAMES = ("name", "event", "step", "operation", "operationName", "id", "type")
_TEXTS = (
    "prompt", "completion", "response", "messages", "content", "input", "output", "question", "answer", "text"
)  # fmt: skip
_SAYING = ("message", "msg", "log", "level", "severity", "logger")
_EPOCH = (1e9, 1e11, 1e14, 1e17, 4e18)  # seconds, ms, µs, ns: where each begins


class _Records:
    """What all four read alike."""

    kind: Kind
    notes: tuple[str, ...] = ()

    def __init__(self, clock: TimestampReader) -> None:
        self._clock = clock

    @classmethod
    def fitting(cls, lines: Sequence[bytes], clock: TimestampReader) -> Self | None:
        """Return how these lines are read, None where they are of another kind."""
        records = [record for line in lines if (record := record_of(line)) is not None]
        if not records or len(records) < 0.9 * len(lines):
            return None
        fit = sum(cls._fits(record) for record in records)
        return cls(clock) if fit >= 0.8 * len(records) else None

    @staticmethod
    def _fits(record: dict[str, Any]) -> bool:
        return True

    def read(self, number: int, raw: bytes, full_length: int) -> Event | Skipped | None:
        """Return the event of a record; Skipped says what is wrong with the line."""
        if not raw.strip():
            return None
        event = event_from_line(number, raw, full_length, self._clock)
        record = record_of(raw)
        if record is None:
            return self._without_record(event, raw, full_length)
        time = _time_of(record, self._clock)
        return self._event(Event(number, event.text, time or event.timestamp), record)

    def _without_record(self, event: Event, raw: bytes, full_length: int) -> Event | Skipped:
        if full_length > len(raw):
            return Skipped(event.number, f"a record of {full_length:,} bytes is longer than what is read")
        return Skipped(event.number, "no JSON object; is the line torn?")

    def _event(self, event: Event, record: dict[str, Any]) -> Event | Skipped:
        raise NotImplementedError


class JSONLogs(_Records):
    """Log lines as JSON: scored as key=value of all they say but the times; a broken one as text."""

    kind: Kind = "logs"

    def _without_record(self, event: Event, raw: bytes, full_length: int) -> Event | Skipped:
        return event

    def _event(self, event: Event, record: dict[str, Any]) -> Event | Skipped:
        said = " ".join(f"{key}={value}" for key, value in _flat(record) if key not in _TIMES)
        return Event(event.number, event.text, event.timestamp, coded=said[:MOST_SCORED] or "{}")


class JSONMetrics(_Records):
    """A time and numbers, also one level down; what is no number is not looked at."""

    kind: Kind = "metrics"

    @staticmethod
    def _fits(record: dict[str, Any]) -> bool:
        has_time = any(key in record for key in _TIMES)
        return has_time and not any(key in record for key in (*_SAYING, *_TEXTS)) and bool(_numbers(record))

    def _event(self, event: Event, record: dict[str, Any]) -> Event | Skipped:
        values = _numbers(record)
        if not values:
            return Skipped(event.number, "no field holds a number")
        return Event(event.number, event.text, event.timestamp, values=values)


class JSONTraces(_Records):
    """An id and the steps of a session, texts or objects that have a name."""

    kind: Kind = "traces"

    @staticmethod
    def _fits(record: dict[str, Any]) -> bool:
        return any(key in record for key in _IDS) and _steps(record) is not None

    def _event(self, event: Event, record: dict[str, Any]) -> Event | Skipped:
        steps = _steps(record)
        if steps is None:
            return Skipped(event.number, f"no list of steps; it takes one named {', '.join(_STEPS)}")
        session = next((str(record[key])[:100] for key in _IDS if key in record), "")
        return Event(event.number, event.text, event.timestamp, session=session, steps=steps)


class JSONTexts(_Records):
    """LLM traffic: the long texts of a record with the names of their fields, and its short ones."""

    kind: Kind = "llm"

    @staticmethod
    def _fits(record: dict[str, Any]) -> bool:
        return any(key in record for key in ("prompt", "completion", "messages")) or (
            sum(isinstance(record.get(key), str) for key in _TEXTS) >= 2
        )

    def _event(self, event: Event, record: dict[str, Any]) -> Event | Skipped:
        said = "\n".join(
            f"{key}: {value}" for key, value in _flat(record) if key not in _TIMES and isinstance(value, str)
        )
        return Event(event.number, event.text, event.timestamp, coded=said[:MOST_SCORED] or "{}")


def record_of(line: bytes) -> dict[str, Any] | None:
    """Return the object that a line holds, None for any other line."""
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):  # digits without end are a ValueError too
        return None
    return found if isinstance(found, dict) else None


def _flat(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Fields in their order, those of nested objects by dotted names, lists by their elements."""
    if isinstance(value, dict) and depth < _DEEPEST:
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key), depth + 1)
    elif isinstance(value, list) and depth < _DEEPEST:
        for inner in value:
            yield from _flat(inner, name, depth + 1)
    else:
        yield name, value if isinstance(value, str | int | float) else str(value)[:200]


def _numbers(record: dict[str, Any]) -> tuple[tuple[str, float], ...]:
    found = []
    for key, value in record.items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        for name, one in inner:
            if isinstance(one, int | float) and not isinstance(one, bool) and key not in _TIMES:
                found.append((f"{key}.{name}"[:100] if name else key[:100], _as_float(one)))
    return tuple(found[:MOST_COLUMNS])


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _steps(record: dict[str, Any]) -> tuple[str, ...] | None:
    listed = next((record[key] for key in _STEPS if isinstance(record.get(key), list)), None)
    if listed is None:
        return None
    return tuple(_step(one)[:200] for one in listed)


def _step(one: Any) -> str:
    if isinstance(one, dict):
        return str(next((one[key] for key in _NAMES if key in one), "{}"))
    return str(one)


def _time_of(record: dict[str, Any], clock: TimestampReader) -> datetime | None:
    value = next((record[key] for key in _TIMES if key in record), None)
    if isinstance(value, str):
        return moment(value, clock)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _since_epoch(value)
    return None


def _since_epoch(value: float) -> datetime | None:
    for power, (least, most) in enumerate(pairwise(_EPOCH)):
        if least <= value < most:
            return datetime.fromtimestamp(value / 1000**power, UTC)
    return None
