"""The kind of stream that an input is, and how it is read: guessed from its first lines, or named."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, get_args

from ..scoring.scorers import Kind
from .base import Format, FormatError, decoded, name_of
from .encodings import check_encoding, check_ends
from .lines.envelopes import CRI, envelope_of
from .lines.plain import ContainerLines, EnvelopeLines, PlainLines
from .points.reader import point_lines
from .records.fields import fields_of, value_at
from .records.kind_of_value import is_record, is_trace, kind_of_value
from .records.llm.json_prompts import JsonPrompts
from .records.llm.prompts import prompt_of
from .records.logs.json_logs import JsonLogs
from .records.metrics.json_metrics import JsonMetrics, JsonSeries
from .records.metrics.series import points_of
from .records.parsing import JsonParser
from .records.reader import records_in
from .records.traces.json_traces import JsonTraces
from .refusals import check_understood
from .tables.log_table import log_table
from .tables.metric_table import SEPARATORS, MetricTable, separator_of
from .tables.session_table import SessionTable, look_like_traces
from .tables.span_table import span_table
from .times.timestamps import TimestampReader

GUESSED_FROM = 100  # lines
HEAD_BYTES = 8 * 1024 * 1024  # of these lines together: the first of them are enough then
_MOSTLY = 0.5
_NAMED = 10  # fields in a message
_ELEMENT = re.compile(r"<([A-Za-z][\w.:-]*)[^>]*>.*</\1>", re.DOTALL)


def guess(lines: Sequence[bytes], clock: TimestampReader) -> Format:
    """Return how an input is read whose first lines these are (100 are looked at); logs in doubt.

    Raises FormatError for input that is no text in UTF-8, and for JSON whose records are not found;
    AmbiguousDates (a ValueError) where the order of day and month can't be known.
    """
    lines = _head(lines)
    values = _values(lines)
    if values:
        kinds = Counter(kind_of_value(value, clock) for value in values)
        return _READERS[kinds.most_common(1)[0][0]](lines, values, clock)
    points = point_lines(lines, clock)
    table = points or span_table(lines, clock) or log_table(lines, clock) or _metric_table(lines, clock)
    return table or look_like_traces(lines, clock) or _logs(lines, values, clock)


def format_for(kind: str, lines: Sequence[bytes], clock: TimestampReader) -> Format:
    """Return how an input of this kind is read, whose first lines these are.

    Raises what `guess` does, FormatError where the lines can't be of this kind, and ValueError for a
    name that is no kind.
    """
    if kind not in get_args(Kind):
        raise ValueError(f'"{kind}" is no kind of stream; the kinds are {", ".join(get_args(Kind))}')
    lines = _head(lines)
    if kind != "logs" and not lines:
        raise FormatError(
            f"line 1: expected {kind}, but there is no line yet; check that the file is the right one"
        )
    return _READERS[kind](lines, _values(lines), clock)


def _logs(lines: Sequence[bytes], values: list[Any], clock: TimestampReader) -> Format:
    if values:
        check_understood(values, clock)
        records = [one for value in values for one, _ in records_in(value) if isinstance(one, dict)]
        _check_time_field(records, clock)
        return JsonLogs(clock, records[:GUESSED_FROM])
    _check_no_xml(lines)
    if table := log_table(lines, clock, in_doubt=True):
        return table
    texts = [decoded(line)[:4096] for line in lines]
    envelope = envelope_of(texts)
    if envelope is None:
        return PlainLines(clock, lines)
    return ContainerLines(clock, lines) if envelope is CRI else EnvelopeLines(envelope, clock, lines)


def _metrics(lines: Sequence[bytes], values: list[Any], clock: TimestampReader) -> Format:
    if not values:
        points = point_lines(lines, clock, in_doubt=True)
        return points or MetricTable(lines, separator_of(lines) or SEPARATORS[0], clock)
    if any(points_of(value) for value in values):
        return JsonSeries(clock)
    check_understood(values, clock)
    _check_time_field([one for value in values for one, _ in records_in(value)], clock)
    return JsonMetrics(values, clock)


def _traces(lines: Sequence[bytes], values: list[Any], clock: TimestampReader) -> Format:
    if not values:
        return span_table(lines, clock) or SessionTable(lines)
    records = [one for value in values for one, _ in records_in(value, is_trace)]
    if not any(is_trace(one) for one in (*values, *records)):
        raise FormatError(
            'line 1: expected a session, like {"trace_id": "a1", "events": ["open", "read"]}, or spans with '
            "a trace's id, a name and a start; complete the records, or name another kind of stream"
        )
    return JsonTraces(clock, records)


def _llm(lines: Sequence[bytes], values: list[Any], clock: TimestampReader) -> Format:
    records = [one for value in values for one, _ in records_in(value, is_record) if isinstance(one, dict)]
    if not any(prompt_of(record)[0] for record in records):
        raise FormatError(
            'line 1: expected a JSON object with texts, like {"prompt": "…", "response": "…"}; '
            "write one object a line, or name another kind of stream"
        )
    _check_time_field(records, clock)
    return JsonPrompts(clock, records[:GUESSED_FROM])


_READERS: dict[str, Callable[[Sequence[bytes], list[Any], TimestampReader], Format]] = {
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


def _values(lines: Sequence[bytes]) -> list[Any]:
    """The values of JSON that the lines are, objects or lists; none where most are something else."""
    parser = JsonParser()
    values = [value for line in lines if (value := parser.value(line)) is not None]
    return values if len(values) >= _MOSTLY * len(lines) else []


def _check_no_xml(lines: Sequence[bytes]) -> None:
    """Raise FormatError for a document of XML, which is no log of lines."""
    text = decoded(lines[0]).strip() if lines else ""
    if text.startswith("<?xml") or (len(lines) == 1 and _ELEMENT.match(text) and text.endswith(">")):
        raise FormatError("line 1: this is XML; convert it to one JSON object or one line of text a record")


def _check_time_field(records: Sequence[Any], clock: TimestampReader) -> None:
    """Raise FormatError where no record has the field that its time is asked to be taken from."""
    field = clock.time_field
    if field and not any(value_at(record, field) is not None for record in records):
        names = [name for record in records[:1] for name, _ in fields_of(record)][:_NAMED]
        raise FormatError(
            f'line 1: there is no field "{name_of(field)}" for the time; the fields are {", ".join(names)}'
        )


def _metric_table(lines: Sequence[bytes], clock: TimestampReader) -> Format | None:
    separator = separator_of(lines)
    if separator is None:
        return None
    try:
        table = MetricTable(lines, separator, clock)
    except FormatError:
        return None
    return table if table.sure else None
