"""The base of the JSON readers: values to records, their text, and the messages about broken ones."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ...events import Event, safe, shown_text
from ..base import Numbers, Reader, Remark, Result, Skipped, quoted, too_long
from ..times.timestamps import TimestampReader
from .moments import moment_of_value, times_of
from .opening import Keep, opened
from .parsing import JsonParser, Record

_BRACKETS = (b"", b"[", b"]", b",", b"],", b"[]")


class RecordReader(Reader):
    """Reads values of JSON, one a line or cut from a container, each of which may hold several records."""

    name = "JSON"

    def __init__(self, clock: TimestampReader) -> None:
        self._clock = clock
        self._parser = JsonParser()
        self._numbers = Numbers()

    def read(self, number: int, raw: bytes, full_length: int) -> Sequence[Result]:
        """Return the events of a line; none for an empty one, and for an array's bracket."""
        if len(raw) < 4 and raw.strip() in _BRACKETS:
            return ()
        if raw.isspace():
            return ()
        if full_length > len(raw):
            return self._of_cut(number, raw, full_length)
        value = self._parser.value(raw)
        if value is None:
            return self._of_text(number, raw, full_length)
        if self._parser.doubled:
            return self._of_doubled(number, raw, value, self._parser.doubled)
        return self._of_value(number, raw, value)

    def state(self) -> Any:
        """Return the number of the last event, and what was learnt of the times."""
        return [self._numbers.last, self._clock.state()]

    def restore(self, state: Any) -> None:
        """Restore what `state` returned."""
        self._numbers.last, clock = state
        self._clock.restore(clock)

    def _of_value(self, number: int, raw: bytes, value: Any) -> Sequence[Result]:
        raise NotImplementedError

    def _of_cut(self, number: int, raw: bytes, full_length: int) -> Sequence[Result]:
        return (too_long(number, raw, full_length),)

    def _of_text(self, number: int, raw: bytes, full_length: int) -> Sequence[Result]:
        shown = quoted(raw[:200].decode("utf-8", "replace"))
        return (
            Skipped(number, f"line {number:,} is no whole JSON object: {shown}; write one object a line"),
        )

    def _of_doubled(self, number: int, raw: bytes, value: Any, name: str) -> Sequence[Result]:
        words = f'line {number:,}, field "{safe(name, 100)}" is there twice; write it once'
        return (Skipped(number, words),)

    def _event(self, number: int, text: str, moment: datetime | None) -> Event:
        """An event of a line, with the next number."""
        own, line = self._numbers.take(number)
        return Event(own, text, moment, line=line)


class RemarkingReader(RecordReader):
    """Reads records of which none is lost: of a name that is there twice the last value counts."""

    def _of_doubled(self, number: int, raw: bytes, value: Any, name: str) -> Sequence[Result]:
        words = (
            f'line {number:,}, field "{safe(name, 100)}" is there twice, the last one counts; write it once'
        )
        return (Remark(number, words), *self._of_value(number, raw, value))


def never(value: Any) -> bool:
    """Keep no value closed."""
    return False


def records_in(value: Any, keep: Keep = never) -> list[tuple[Any, bool]]:
    """Return what a value holds, itself or the records of a container, and whether it is the only one.

    What `keep` says to be a record is not opened.
    """
    inner = opened(value, keep)
    records = [value] if inner is None else list(inner)
    return [(record, len(records) == 1) for record in records]


def is_row(value: Any) -> bool:
    """Return whether a value is a row of a table: a list of simple values."""
    return (
        isinstance(value, list) and len(value) > 1 and not any(isinstance(one, dict | list) for one in value)
    )


def row_as_record(row: list[Any], clock: TimestampReader) -> Record:
    """Return a row as a record, its first moment as the time, the others by their places."""
    record: Record = {}
    for place, value in enumerate(row, 1):
        is_time = "time" not in record and moment_of_value(value, clock) is not None
        record["time" if is_time else f"column {place}"] = value
    return record


def logged_row(value: Any, clock: TimestampReader) -> Record | None:
    """Return the record of a log that a list is; None for other values.

    A row's longest text of several words is its message. `["app.web", 1793527200, {"message": "…"}]` is the
    record in it, with the time and the tag.
    """
    if is_row(value):
        record = row_as_record(value, clock)
        texts = [name for name, one in record.items() if isinstance(one, str) and name != "time"]
        longest = max(texts, key=lambda name: len(record[name]), default="")
        if " " in record.get(longest, "").strip():
            record["message"] = record.pop(longest)
        return record
    if isinstance(value, list) and len(value) == 3 and isinstance(value[2], dict):
        tag, time, record = value
        if isinstance(tag, str) and moment_of_value(time, clock) is not None:
            return {"time": time, "tag": tag, **record}
    return None


def text_of_record(record: Any) -> str:
    """Return a record of a container as a line."""
    return safe(json.dumps(record, ensure_ascii=False, default=str))


def text_of_line(raw: bytes) -> str:
    """Return the line that holds a record alone, which may have been written over several."""
    if b"\n" in raw:
        raw = b" ".join(raw.split())
    return shown_text(raw, len(raw))


def time_in(record: Record, clock: TimestampReader) -> tuple[datetime | None, tuple[str, ...]]:
    """Return when a record happened, and the paths of all its times, which are no fields."""
    moment, paths = None, []
    for path, value in times_of(record, clock.time_field):
        found = moment_of_value(value, clock) if moment is None else None
        moment = moment or found
        if found is not None or _is_stamp(value):
            paths.append(path)
    return moment, tuple(paths)


def _is_stamp(value: Any) -> bool:
    return isinstance(value, str | dict) or (isinstance(value, int | float) and value > 1e9)
