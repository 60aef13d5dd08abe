"""Records that are written as lists: rows of a table without a header, and Fluentd's tag, time, record."""

from typing import Any

from ..times.timestamps import TimestampReader
from .moments import moment_of_value
from .parsing import Record


def is_row(value: Any) -> bool:
    """Whether a value is a row of a table: a list of simple values."""
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
