"""JSON that is refused: what it holds is no record, and no records are found in it.

One event for a whole file would be read without an error and say nothing. The message names the place where
records seem to be, as a command of jq.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from .base import FormatError, name_of
from .records.fields import fields_of
from .records.kind_of_value import is_record
from .records.logs.messages import has_message
from .records.moments import moment_of
from .records.opening import is_list_of_records, opened, says_something
from .records.parsing import Record
from .records.reader import records_in
from .times.timestamps import TimestampReader

_DEEP = 8
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_BESIDE = 3  # simple values beside the lists of a container


def check_understood(values: Sequence[Any], clock: TimestampReader) -> None:
    """Raise FormatError where the input is JSON whose records are not found.

    `values` are those of the first lines. Where there is one alone, it has to be a record by itself or to
    hold some; where there are many that are alike, they must not all be wrappers of a form that is not known.
    """
    if len(values) == 1:
        records = [one for one, _ in records_in(values[0], is_record)]
        if len(records) == 1:
            _check_record(records[0], values[0], clock)
    paths = {path_of_records(value) for value in values if opened(value, is_record) is None}
    if len(paths) == 1 and (path := paths.pop()) and all(map(_is_wrapper, values)):
        raise FormatError(_refusal(path))


def path_of_records(value: Any, depth: int = _DEEP) -> str:
    """Return the path of the first list of two records or more in a value, as jq writes it; '' for none."""
    if not isinstance(value, dict) or not depth:
        return ""
    for name, one in value.items():
        if is_list_of_records(one) and len(one) > 1:
            return f"{_step(name)}[]"
        first, path = (one[0], f"{_step(name)}[]") if is_list_of_records(one) else (one, _step(name))
        if inner := path_of_records(first, depth - 1):
            return path + inner
    return ""


def _check_record(record: Any, value: Any, clock: TimestampReader) -> None:
    if isinstance(record, list):
        raise FormatError(
            "line 1: this is one list of simple values, where records are expected; write one object a line"
        )
    if not isinstance(record, dict):
        return
    if _is_keyed(record):
        raise FormatError(_refusal(".[]"))
    nested = any(isinstance(one, dict | list) for one in record.values())
    if _is_in_columns(record) or (
        nested and not has_message(record) and moment_of(record, clock) is None and not is_record(record)
    ):
        raise FormatError(_refusal(path_of_records(value)))


def _is_keyed(record: Record) -> bool:
    """Return whether the values of an object are records of the same shape, under their ids."""
    values = list(record.values())
    shapes = {frozenset(one) if isinstance(one, dict) else None for one in values}
    return len(values) > 1 and len(shapes) == 1 and None not in shapes


def _is_in_columns(record: Record) -> bool:
    """Return whether an object holds the columns of a table: lists of equally many simple values."""
    columns = [one for one in record.values() if isinstance(one, list) and len(one) > 1]
    simple = all(not isinstance(one, dict | list) for column in columns for one in column)
    return len(columns) > 1 and len({len(column) for column in columns}) == 1 and simple


def _is_wrapper(value: Any) -> bool:
    """Return whether an object is only a wrapper: it has little beside its lists."""
    if says_something(value):
        return False
    beside = [one for _, one in fields_of({k: v for k, v in value.items() if not isinstance(v, list | dict)})]
    return len(beside) <= _BESIDE


def _step(name: str) -> str:
    """A name as jq writes it within the quotes of a shell."""
    if _WORD.fullmatch(name):
        return f".{name}"
    return "." + json.dumps(name_of(name), ensure_ascii=False).replace("'", "'\\''")


def _refusal(path: str) -> str:
    words = "line 1: this is JSON in which no records are found; write one record a line"
    return f"{words}, perhaps with jq -c '{path}' FILE > NEW" if path else words
