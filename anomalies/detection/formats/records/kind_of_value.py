"""The kind of stream that a JSON value belongs to."""

from typing import Any

from ...scoring.scorers import Kind
from ..base import is_id, number_of
from ..times.timestamps import TimestampReader
from .fields import fields_of
from .llm.prompts import is_prompt
from .metrics.series import points_of
from .opening import opened
from .parsing import Record
from .reader import is_row, row_as_record, time_in
from .traces.json_traces import is_session
from .traces.spans import spans_of

_DEEP = 3
_LOG_FIELDS = {
    "level", "severity", "loglevel", "lvl", "msg", "message", "log", "logger", "event", "method", "path",
    "url", "uri", "stack", "error", "exception", "short_message", "severitytext", "body", "priority",
}  # fmt: skip


def kind_of_value(value: Any, clock: TimestampReader, depth: int = _DEEP) -> Kind:
    """Return the kind of a value, by its shape; that of the first record for a container; logs in doubt."""
    if points_of(value):
        return "metrics"
    if isinstance(value, dict) and is_prompt(value):
        return "llm"
    if is_trace(value):
        return "traces"
    inner = opened(value, is_record) if depth else None
    first = next(inner, None) if inner is not None else None
    if first is not None:
        return kind_of_value(first, clock, depth - 1)
    record = row_as_record(value, clock) if is_row(value) else value
    return "metrics" if isinstance(record, dict) and _is_metric(record, clock) else "logs"


def is_record(value: Any) -> bool:
    """Return whether a value is a record of traces or of LLM traffic, whatever lists it holds."""
    return isinstance(value, dict) and (is_prompt(value) or is_trace(value))


def is_trace(value: Any) -> bool:
    """Return whether a value is a session, or holds spans."""
    return (isinstance(value, dict) and is_session(value)) or spans_of(value) is not None


def _is_metric(record: Record, clock: TimestampReader) -> bool:
    """Return whether a record has a time, numbers, and hardly any words."""
    moment, times = time_in(record, clock)
    names = {name.lower() for name in record}
    if moment is None or _LOG_FIELDS & names or any(name.endswith(("uri", "url")) for name in names):
        return False
    values = [value for path, value in fields_of(record, without=times) if not is_id(path)]
    texts = [value for value in values if isinstance(value, str) and number_of(value) is None]
    numbers = sum(not isinstance(value, bool) for value in values) - len(texts)
    return numbers > 0 and len(texts) <= max(2, numbers) and not any(" " in text for text in texts)
