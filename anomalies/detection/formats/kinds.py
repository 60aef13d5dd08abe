"""Which kind of stream an input is, and how its lines are read: guessed from the first of them, or told."""

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, get_args

from ..scoring.scorers import Kind
from .base import Format, FormatError, PlainLines, number_of
from .encodings import check_encoding, check_ends
from .json_lines import (
    JsonLogs,
    JsonMetrics,
    JsonPrompts,
    JsonTraces,
    Record,
    first_fields,
    moment_of,
    record_of,
    session_of,
    steps_of,
)
from .metric_csv import SEPARATORS, MetricTable, separator_of
from .times.timestamps import TimestampReader
from .trace_csv import SessionTable, look_like_traces

GUESSED_FROM = 100  # lines
_MOSTLY = 0.5
_LOG_FIELDS = {
    "level", "severity", "loglevel", "lvl", "msg", "message", "log", "logger", "event", "method", "path",
    "url", "uri", "stack", "error", "exception",
}  # fmt: skip
_OF_ARRAY = re.compile(r'\[\s*\{\s*"')
_JSON_PIECE = re.compile(r'[\[\]{}"]|(?:-?\d[\d.eE+-]*|true|false|null),?\Z')
_LLM_SURE = {"prompt", "messages", "completion", "choices", "conversation"}
_LLM_PAIRS = (
    {"input", "output"}, {"question", "answer"}, {"instruction", "response"},
    {"instruction", "output"}, {"request", "response", "model"}, {"role", "content"},
)  # fmt: skip
_LLM_LONG = {"content", "response", "input", "output", "answer", "text", "query"}
_LONG = 200  # characters of a text that is more than a log's message


def guess(lines: Sequence[bytes], clock: TimestampReader) -> Format:
    """Return how an input is read whose first lines these are (100 are looked at); logs in doubt.

    Raises FormatError for input that is no text in UTF-8, and for JSON that is not one record a line.
    """
    lines = _head(lines)
    records = _records(lines)
    if records:
        return _READERS[_kind_of(records, clock)](lines, records, clock)
    _check_json(lines)
    return _table(lines, clock) or look_like_traces(lines, clock) or PlainLines(clock, lines)


def format_for(kind: str, lines: Sequence[bytes], clock: TimestampReader) -> Format:
    """Return how an input of this kind is read, whose first lines these are.

    Raises FormatError where they can't be that, ValueError for a kind that there is none of.
    """
    if kind not in get_args(Kind):
        raise ValueError(f'"{kind}" is no kind of stream; the kinds are {", ".join(get_args(Kind))}')
    lines = _head(lines)
    if kind != "logs" and not lines:
        raise FormatError(
            f"line 1: expected {kind}, but there is no line yet; check that the file is the right one"
        )
    records = _records(lines)
    if kind != "logs" and not records:
        _check_json(lines)
    return _READERS[kind](lines, records, clock)


def _logs(lines: Sequence[bytes], records: list[Record], clock: TimestampReader) -> Format:
    return JsonLogs(clock) if records else PlainLines(clock, lines)


def _metrics(lines: Sequence[bytes], records: list[Record], clock: TimestampReader) -> Format:
    if records:
        return JsonMetrics(records, clock)
    return MetricTable(lines, separator_of(lines) or SEPARATORS[0], clock)


def _traces(lines: Sequence[bytes], records: list[Record], clock: TimestampReader) -> Format:
    if not records:
        return SessionTable(lines)
    if not any(session_of(record) and steps_of(record) for record in records):
        raise FormatError(
            'line 1: expected a session, like {"trace_id": "a1", "events": ["open", "read"]}; '
            "bring the events of each session into one line, or name another kind of stream"
        )
    return JsonTraces(clock)


def _llm(lines: Sequence[bytes], records: list[Record], clock: TimestampReader) -> Format:
    if not any(isinstance(value, str) for record in records for _, value in first_fields(record)):
        raise FormatError(
            'line 1: expected a JSON object with texts, like {"prompt": "…", "response": "…"}; '
            "write one object a line, or name another kind of stream"
        )
    return JsonPrompts(clock)


_READERS: dict[str, Callable[[Sequence[bytes], list[Record], TimestampReader], Format]] = {
    "logs": _logs,
    "metrics": _metrics,
    "traces": _traces,
    "llm": _llm,
}


def _head(lines: Sequence[bytes]) -> Sequence[bytes]:
    lines = lines[:GUESSED_FROM]
    check_encoding(lines)
    check_ends(lines)
    return [line for line in lines if line.strip()]


def _records(lines: Sequence[bytes]) -> list[Record]:
    """The records among the lines; none where most are something else."""
    records = [record for line in lines if (record := record_of(line)) is not None]
    return records if len(records) >= _MOSTLY * len(lines) else []


def _check_json(lines: Sequence[bytes]) -> None:
    """Raises FormatError for JSON that is whole, but not one record a line."""
    texts = [line.decode("utf-8", "backslashreplace").removeprefix("\ufeff").strip() for line in lines]
    if len(texts) == 1 and (_OF_ARRAY.match(texts[0]) or _follows_another(texts[0])):
        what = "in one line"
    elif len(texts) > 2 and texts[0] in ("[", "{", "[{") and all(map(_JSON_PIECE.match, texts)):
        what = "over several lines"
    else:
        return
    each = "'.[]'" if texts[0].startswith("[") else "."
    raise FormatError(
        f"line 1: this is JSON {what}, where one object a line is expected; "
        f"convert it: jq -c {each} FILE > NEW"
    )


def _follows_another(text: str) -> bool:
    """Whether an object comes after an object."""
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return text[end:].lstrip().startswith("{")


def _table(lines: Sequence[bytes], clock: TimestampReader) -> Format | None:
    separator = separator_of(lines)
    if separator is None:
        return None
    try:
        table = MetricTable(lines, separator, clock)
    except FormatError:
        return None
    return table if table.sure else None


def _kind_of(records: list[Record], clock: TimestampReader) -> Kind:
    """What most of the records are."""
    kinds = Counter(_kind_of_one(record, clock) for record in records)
    return kinds.most_common(1)[0][0]


def _kind_of_one(record: Record, clock: TimestampReader) -> Kind:
    names = {name.lower() for name in record}
    if session_of(record) and _lists_events(record):
        return "traces"
    if _is_llm(record, names):
        return "llm"
    if not names & _LOG_FIELDS and moment_of(record, clock) and _is_metric(record):
        return "metrics"
    return "logs"


def _lists_events(record: Record) -> bool:
    return any(isinstance(record.get(name), list) for name in ("events", "steps", "spans"))


def _is_llm(record: Record, names: set[str]) -> bool:
    if any(isinstance(record.get(name), str | list | dict) for name in _LLM_SURE):
        return True
    if names & {"level", "severity", "loglevel", "lvl", "logger"}:
        return False
    return any(pair <= names for pair in _LLM_PAIRS) or any(
        isinstance(record.get(name), str) and len(record[name]) >= _LONG for name in _LLM_LONG
    )


def _is_metric(record: Record) -> bool:
    values = [value for _, value in first_fields(record)]
    texts = [value for value in values if isinstance(value, str) and number_of(value) is None]
    numbers = sum(_is_number(value) for value in values) + sum(
        isinstance(value, str) and value not in texts for value in values
    )
    return numbers > 0 and len(texts) <= max(2, numbers) and not any(" " in text for text in texts)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
