"""The time that a record says it happened at."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ..times.timestamps import TimestampReader
from .fields import value_at
from .parsing import Record

# In the order of trust: of a record that has several the first that is a moment is its time.
NAMES = (
    "timestamp", "@timestamp", "time", "ts", "datetime", "date", "timeUnixNano", "startTimeUnixNano",
    "eventTime", "EventTime", "event_time", "TimeCreated", "TimeGenerated", "Timestamp", "TimeStamp", "@t",
    "t", "__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP", "requestReceivedTimestamp", "stageTimestamp",
    "instant", "asctime", "timeMillis", "startTimeMillis", "startTime", "start_time", "StartTime",
    "created_at", "createdAt", "created", "CreatedAt", "UtcTime", "SystemTime", "eventTimestamp",
    "firstTimestamp", "lastTimestamp", "receiveTimestamp", "observedTimeUnixNano", "ingestionTime",
    "time_iso8601", "time_local", "_time", "event_timestamp", "logged_at", "log_time", "published", "start",
    "endTimeUnixNano", "end_time", "endTime", "publishTime", "EventReceivedTime",
)  # fmt: skip
_RANK = {name: rank for rank, name in enumerate(NAMES)}
_LOWER = {name.lower() for name in NAMES}
_SECONDS = ("seconds", "epochSecond", "sec", "secs", "_seconds", "epoch_second")
_NANOS = ("nanos", "nanoOfSecond", "nsec", "nanoseconds", "_nanoseconds", "nano_of_second")
_WRITTEN = (
    "$date",
    "SystemTime",
    "@SystemTime",
    "date",
    "iso",
    "value",
    "#text",
    "$numberLong",
    "#attributes",
)
_ENDINGS = ("timestamp", "created_at", "createdat", "datetime", "startutc")
_DEEP = 4


def moment_of(record: Record, clock: TimestampReader) -> datetime | None:
    """Return the moment that a record names; None for none.

    It is that of the field which `clock.time_field` names, or of the first one of the usual names that is a
    moment, in the record or in an object within it.
    """
    moments = (moment_of_value(value, clock) for _, value in times_of(record, clock.time_field))
    return next((moment for moment in moments if moment is not None), None)


def times_of(record: Record, field: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what may be the time of a record with its path, the likely ones first; a given `field` alone.

    Of a record that has none of the usual names it is what has one in other capitals (`DATE`), or a name that
    ends as names of times do (`EdgeStartTimestamp`, `request_created_at`).
    """
    if field:
        value = value_at(record, field)
        return iter([(field, value)] if value is not None else [])
    found = list(_times(record, "", _DEEP))
    return iter(found or _times_by_ending(record, "", _DEEP))


def _times_by_ending(record: Record, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        lower = name.lower()
        if lower in _LOWER or lower.endswith(_ENDINGS):
            yield prefix + name, value
        elif depth and isinstance(value, dict):
            yield from _times_by_ending(value, f"{prefix}{name}.", depth - 1)


def _times(record: Record, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    named = [name for name in record if name in _RANK]
    if len(named) > 1:
        named.sort(key=_RANK.__getitem__)
    for name in named:
        yield prefix + name, record[name]
    if depth:
        for name, value in record.items():
            if isinstance(value, dict) and name not in _RANK:
                yield from _times(value, f"{prefix}{name}.", depth - 1)


def moment_of_value(value: Any, clock: TimestampReader, depth: int = _DEEP) -> datetime | None:
    """Return the moment that a value is, however it is written: a text, an epoch, seconds with nanos."""
    if isinstance(value, str):
        return clock.read_field(value)
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return clock.read_number(value)
    if isinstance(value, dict) and depth:
        return _of_object(value, clock, depth - 1)
    if isinstance(value, list) and len(value) == 1 and depth:  # a field of a search of Elasticsearch
        return moment_of_value(value[0], clock, depth - 1)
    if isinstance(value, list) and 5 <= len(value) <= 7 and all(type(one) is int for one in value):
        return _of_calendar(value, clock)
    if isinstance(value, list) and len(value) == 2 and all(type(one) is int for one in value):
        return _of_parts(value[0], value[1], clock)
    return None


def _of_calendar(parts: list[int], clock: TimestampReader) -> datetime | None:
    """The moment of year, month, day, hour, minute, second and nanosecond, as Jackson writes them."""
    year, month, day, hour, minute, second, nanos = (*parts, 0, 0)[:7]
    return clock.read_field(f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}")


def _of_object(value: dict[str, Any], clock: TimestampReader, depth: int) -> datetime | None:
    seconds = next((value[name] for name in _SECONDS if name in value), None)
    if seconds is not None:
        return _of_parts(seconds, next((value[name] for name in _NANOS if name in value), 0), clock)
    return moment_of_value(next((value[name] for name in _WRITTEN if name in value), None), clock, depth)


def _of_parts(seconds: Any, nanos: Any, clock: TimestampReader) -> datetime | None:
    try:
        whole = int(seconds) * 10**9 + int(nanos)
    except (TypeError, ValueError, OverflowError):
        return None
    return clock.read_number(whole)
