"""JSON lines: logs, metrics, traces and LLM traffic as one JSON object a line."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from ..events import Event, event_from_line, safe
from ..scoring.scorers import Kind
from .base import MAX_NAME, MAX_VALUES, FormatError, Skipped, long_form, name_of, number_of, quoted, too_long
from .times.timestamps import TimestampReader

MAX_STEPS = 10_000
MAX_STEP = 200  # characters
MAX_MESSAGE = 16_384  # characters of a log record that are scored
MAX_PROMPT = 65_536  # characters of an LLM record that are scored
_DEPTH = 8
_FIELDS = 400  # of a record, nested ones too
_TIMES = (
    "timestamp", "@timestamp", "time", "ts", "datetime", "date", "created_at", "created",
    "start_time", "startTime", "event_time", "eventTime",
)  # fmt: skip
_MESSAGES = ("message", "msg", "log", "event", "text")
_IDS = ("trace_id", "traceId", "session", "session_id", "sessionId", "id", "block", "block_id", "BlockId")
_EVENTS = ("events", "steps", "spans")
_STEP_NAMES = ("name", "event", "step", "id", "event_id", "type", "operation", "operationName")

_AROUND = " \t\r\n\ufeff\x1e"

Record = dict[str, Any]
Pairs = Iterator[tuple[str, Any]]


def record_of(raw: bytes) -> Record | None:
    """Return the JSON object of a line, of a key said twice the last; None for anything else.

    What stands around the objects of an array that has one a line, and RFC 7464's separator, is no matter.
    """
    text = raw.decode("utf-8", "backslashreplace").strip(_AROUND)
    if not text.endswith("}"):
        text = text.rstrip(_AROUND + ",]")
    if not text.startswith("{"):
        text = text.lstrip(_AROUND + ",[")
    try:
        value = json.loads(text, parse_int=_whole)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _is_nothing(raw: bytes) -> bool:
    """Whether a line is empty, or opens or closes an array that has one record a line."""
    return raw.strip() in (b"", b"[", b"]", b",")


def moment_of(record: Record, clock: TimestampReader) -> datetime | None:
    """Return the moment that a field of the record names; None for none."""
    for name in _TIMES:
        value = record.get(name)
        if isinstance(value, str):
            return clock.read_field(value)
        if _is_number(value):
            return clock.read_field(_digits(value))
    return None


def flat(value: Any, name: str = "", depth: int = _DEPTH) -> Pairs:
    """Give the simple values of a record with their dotted names, in the order of the names."""
    if isinstance(value, dict) and depth:
        for key in sorted(value)[:_FIELDS]:
            if name or key not in _TIMES:
                yield from flat(
                    value[key], f"{name}.{key}"[-MAX_NAME:] if name else key[:MAX_NAME], depth - 1
                )
    elif isinstance(value, list) and depth:
        for one in value[:_FIELDS]:
            yield from flat(one, name, depth - 1)
    elif isinstance(value, str | int | float):
        yield name, value


def first_fields(record: Record, most: int = _FIELDS) -> list[tuple[str, Any]]:
    """Return the first simple values of a record (`flat`)."""
    return [pair for pair, _ in zip(flat(record), range(most), strict=False)]


class JsonLogs:
    """Log records: the message and the other fields are scored. What is no record is scored as text."""

    kind: Kind = "logs"
    name = "JSON lines"
    notes: tuple[str, ...] = ()

    def __init__(self, clock: TimestampReader) -> None:
        self._clock = clock

    def read(self, number: int, raw: bytes, full_length: int) -> Event | Skipped | None:
        """Return the event of a line; None for an empty one, and for an array's bracket."""
        if _is_nothing(raw):
            return None
        event = event_from_line(number, raw, full_length, self._clock)
        record = record_of(raw)
        if record is None:
            return event
        return event._replace(
            timestamp=moment_of(record, self._clock) or event.timestamp, message=_message(record)
        )


class _Records:
    """What the kinds share whose lines must be records."""

    def __init__(self, clock: TimestampReader) -> None:
        self._clock = clock

    def read(self, number: int, raw: bytes, full_length: int) -> Event | Skipped | None:
        """Return the event of a record; None for an empty line or a bracket; Skipped for what is none."""
        if _is_nothing(raw):
            return None
        if full_length > len(raw):
            return self._cut(number, raw, full_length)
        record = record_of(raw)
        if record is None:
            return Skipped(
                number,
                f"line {number:,} is no whole JSON object: {quoted(raw[:200].decode('utf-8', 'replace'))}; "
                "write one object a line",
            )
        event = event_from_line(number, raw, full_length, self._clock)
        moment = moment_of(record, self._clock) or event.timestamp
        filled = self._fill(event._replace(timestamp=moment), record)
        return Skipped(number, f"line {number:,}{filled}") if isinstance(filled, str) else filled

    def _cut(self, number: int, raw: bytes, full_length: int) -> Event | Skipped:
        return too_long(number, raw, full_length)

    def _fill(self, event: Event, record: Record) -> Event | str:
        raise NotImplementedError


class JsonMetrics(_Records):
    """Records with numbers, nested ones too: `{"timestamp": …, "cpu": {"user": 0.5}}` gives `cpu.user`.

    Long form, `{"metric": "cpu", "value": 0.5}`, gives `cpu`.
    """

    kind: Kind = "metrics"
    name = "JSON lines"
    notes: tuple[str, ...] = ()

    def __init__(self, records: Sequence[Record], clock: TimestampReader) -> None:
        """Learn from the first records which fields hold numbers; FormatError for none."""
        super().__init__(clock)
        seen: dict[str, list[bool]] = {}
        for record in records:
            for name, value in _leaves(record):
                if value is not None:
                    seen.setdefault(name, []).append(_as_number(value) is not None)
        self._names = {name for name, answers in seen.items() if sum(answers) * 2 >= len(answers)}
        others = sorted(set(seen) - self._names)
        if others:
            self.notes = (f"fields that hold no numbers are left out: {', '.join(others[:10])}",)
        if not self._names:
            raise FormatError(
                "line 1: expected a JSON object with numbers, "
                'like {"timestamp": "2026-01-31T12:00:00Z", "cpu": 0.5}; '
                "write one object a line, or name another kind of stream"
            )

    def _fill(self, event: Event, record: Record) -> Event | str:
        series = record.get("metric", record.get("name"))
        prefix = name_of(series) if isinstance(series, str) else ""
        values: dict[str, float] = {}
        for name, value in _leaves(record):
            number = _as_number(value) if name in self._names or _is_number(value) else None
            if number is None and name in self._names:
                return f', field "{name}": {quoted(value)} is no number; write a number, or null'
            if number is not None and len(values) < MAX_VALUES:
                values[long_form(prefix, name)] = number
        if not values:
            return ': expected a field with a number, like "value": 0.5; complete the record or remove it'
        return event._replace(values=tuple(values.items()))


class JsonTraces(_Records):
    """Records of a session: an id, and a list of events by name or as objects with a name."""

    kind: Kind = "traces"
    name = "JSON lines"
    notes: tuple[str, ...] = ()

    def _fill(self, event: Event, record: Record) -> Event | str:
        session, steps = session_of(record), steps_of(record)
        if session is None:
            return f": expected an id in one of the fields {', '.join(_IDS[:6])}; add it"
        if not steps:
            return f": expected a list of events in one of the fields {', '.join(_EVENTS)}; add it"
        return event._replace(session=session, steps=tuple(steps))


class JsonPrompts(_Records):
    """LLM traffic: all texts of a record are scored under their names, its numbers are its values."""

    kind: Kind = "llm"
    name = "JSON lines"
    notes: tuple[str, ...] = ()

    def _fill(self, event: Event, record: Record) -> Event | str:
        fields = first_fields(record)
        texts = [(name, value) for name, value in fields if isinstance(value, str)]
        if not texts:
            return ': expected a text, like "prompt" or "messages"; add it or remove the line'
        numbers = {name_of(name): float(value) for name, value in fields if _is_number(value)}
        return event._replace(message=_said(texts), values=tuple(numbers.items())[:MAX_VALUES])

    def _cut(self, number: int, raw: bytes, full_length: int) -> Event | Skipped:
        # A record longer than what is read of a line is whole where it came from: its beginning is scored.
        event = event_from_line(number, raw, full_length, self._clock)
        return event._replace(message=safe(raw.decode("utf-8", "backslashreplace"), MAX_PROMPT))


def session_of(record: Record) -> str | None:
    """Return the id of a record's session."""
    for name in _IDS:
        value = record.get(name)
        if (isinstance(value, str) and value) or _is_number(value):
            return safe(str(value), MAX_STEP)
    return None


def steps_of(record: Record) -> list[str] | None:
    """Return the names of a record's events; None where it has no list of them."""
    for name in _EVENTS:
        value = record.get(name)
        if isinstance(value, list):
            return [safe(_step(one), MAX_STEP) for one in value[:MAX_STEPS]]
        if isinstance(value, str):
            return [safe(one, MAX_STEP) for one in value.split()[:MAX_STEPS]]
    return None


def _step(one: Any) -> str:
    if isinstance(one, dict):
        one = next((one[name] for name in _STEP_NAMES if isinstance(one.get(name), str | int)), "?")
    return str(one) if isinstance(one, str | int | float) else "?"


def _message(record: Record) -> str:
    main = next((name for name in _MESSAGES if isinstance(record.get(name), str)), None)
    parts = [record[main]] if main else []
    parts += [f"{name}={value}" for name, value in first_fields(record) if name != main]
    return safe(" ".join(" ".join(parts).split()), MAX_MESSAGE)


def _said(texts: list[tuple[str, str]]) -> str:
    # Each text has the same right to room, so that a long prompt does not hide the answer.
    longest = MAX_PROMPT // len(texts)
    while sum(min(len(text), longest) for _, text in texts) < MAX_PROMPT // 2 and longest < MAX_PROMPT:
        longest *= 2
    return safe(" ".join(f"{name}: {' '.join(text[:longest].split())}" for name, text in texts), MAX_PROMPT)


def _leaves(record: Record) -> Pairs:
    """The values of a record, and of the objects in it, with their dotted names."""
    for key, value in list(record.items())[:_FIELDS]:
        if key not in _TIMES:
            yield from _leaves_of(value, key, _DEPTH)


def _leaves_of(value: Any, name: str, depth: int) -> Pairs:
    if isinstance(value, dict) and depth:
        for key, inner in list(value.items())[:_FIELDS]:
            yield from _leaves_of(inner, f"{name}.{key}"[: 2 * MAX_NAME], depth - 1)
    else:
        yield name_of(name), value


def _as_number(value: Any) -> float | None:
    if value is None:
        return float("nan")
    if isinstance(value, str):
        return number_of(value)
    return float(value) if _is_number(value) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _digits(value: Any) -> str:
    whole = abs(value) >= 10**11 and value == value and abs(value) < 10**19
    return str(int(value)) if whole else repr(value)


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < 300 else float(digits)
