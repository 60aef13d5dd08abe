"""Metrics as CSV: a column of timestamps and one or many of numbers, with a header or without."""

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from ...events import Event, shown_text
from ...scoring.scorers import Kind
from ..base import (
    MAX_VALUES,
    Comma,
    FormatError,
    Reader,
    Result,
    Skipped,
    decoded,
    is_id,
    long_form,
    name_of,
    number_of,
    quoted,
    too_long,
)
from ..labels import labels_of, series_name
from ..times.timestamps import TimestampReader

SEPARATORS = (",", ";", "\t")
# What the commas of a column may stand for, by the separator: of those that fit equally the first is taken.
_COMMAS: dict[str, tuple[Comma, ...]] = {
    ",": ("none", "thousands", "decimal", "grouped"),
    "\t": ("none", "thousands", "decimal", "grouped"),
    ";": ("decimal", "grouped", "thousands"),
}
_MOSTLY = 0.5
_TIME_NAMES = {
    "timestamp",
    "@timestamp",
    "time",
    "datetime",
    "date",
    "ts",
    "date_time",
    "epoch",
    "event_time",
}
_METRIC_NAMES = {"metric", "metric_name", "name"}  # of a column that says of which metric a row is: long form
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class _Column:
    place: int
    name: str
    empty: bool  # where the first lines have no value a text further on is none either
    comma: Comma


class MetricTable(Reader):
    """Rows of a CSV with numbers: the timestamp's column may be missing, and be anywhere."""

    kind: Kind = "metrics"
    name = "CSV"

    def __init__(self, lines: Sequence[bytes], separator: str, clock: TimestampReader) -> None:
        """Learn the columns from the first lines; FormatError where none of them holds numbers.

        `sure` is whether they can hardly be anything but metrics.
        """
        self._separator, self._clock = separator, clock
        rows = _without_comments([cells_of(decoded(line), separator) for line in lines])
        self._header = rows[0] if rows and self._is_header(rows) else None
        body = [row for row in rows if row != self._header]
        self._width = len(self._header) if self._header else max(map(len, body), default=0)
        names = _unique(self._header or [f"column {place + 1}" for place in range(self._width)])
        self._time = self._time_column(names, body)
        self._columns, others = self._number_columns(names, body)
        unread = next((name for name in others if name.lower() in _TIME_NAMES and self._time is None), "")
        self._metric = next((names.index(name) for name in others if name.lower() in _METRIC_NAMES), None)
        self._labels = self._label_columns(names, body, others)
        left_out = [
            name
            for name in others
            if name != unread and names.index(name) != self._metric and name not in self._labels
        ]
        self.notes = _notes(left_out, len(self._columns) - MAX_VALUES, unread)
        self.notes += (clock.note,) if clock.note else ()
        self.sure = (self._time is not None or bool(unread)) and self._is_measured(
            names, body, others, unread
        )
        self._columns = self._columns[:MAX_VALUES]
        if not self._columns:
            raise FormatError(
                f"line {1 + bool(self._header)}: expected numbers between commas, semicolons or tabs; "
                'write rows like "2026-01-31 12:00:00,17.5", or name another kind of stream'
            )
        if not self._header and len(self._columns) == 1:
            self._columns = [replace(self._columns[0], name="value")]

    def read(self, number: int, raw: bytes, full_length: int) -> Sequence[Result]:
        """Return the event of a row; none for an empty one, a comment, and the header wherever it comes."""
        if not raw or raw.isspace():
            return ()
        if full_length > len(raw):
            return (too_long(number, raw, full_length),)
        cells = cells_of(decoded(raw), self._separator)
        if cells == self._header or _is_empty(cells) or _is_comment(cells, self._width):
            return ()
        try:
            self._check_width(cells, raw.count(b'"') % 2 == 1)
            moment = self._moment(cells)
            metric = name_of(cells[self._metric]) if self._metric is not None else ""
            labels = {name: cells[place] for name, place in self._labels.items()}
            values = tuple(
                (series_name(long_form(metric, column.name), labels), self._value(column, cells))
                for column in self._columns
            )
        except _RowError as error:
            return (Skipped(number, f"line {number:,}{error}"),)
        return (Event(number, shown_text(raw, full_length), moment, values=values),)

    def state(self) -> Any:
        """Return what was learnt of the times."""
        return self._clock.state()

    def restore(self, state: Any) -> None:
        """Restore what `state` returned."""
        self._clock.restore(state)

    def _check_width(self, cells: list[str], is_open: bool) -> None:
        extra = cells[self._width :]
        if len(cells) >= self._width and not any(extra):
            return
        if is_open:
            raise _RowError(
                " is a part of a row whose quoted cell goes over several lines; write each row in one line"
            )
        columns = "1 column" if len(cells) == 1 else f"{len(cells):,} columns"
        raise _RowError(f" has {columns} where {self._width:,} are expected; complete the row or remove it")

    def _moment(self, cells: list[str]) -> datetime | None:
        if self._time is None or not cells[self._time].strip():
            return None
        moment = self._clock.read_field(cells[self._time])
        if moment is None:
            raise _RowError(
                f", column {self._time + 1}: {quoted(cells[self._time])} is no timestamp; "
                "write ISO 8601 or name its format with --time-format"
            )
        return moment

    def _value(self, column: _Column, cells: list[str]) -> float:
        value = number_of(cells[column.place], column.comma)
        if value is None:
            if column.empty:
                return _NAN
            raise _RowError(
                f', column "{column.name}": {quoted(cells[column.place])} is no number; '
                "write a number, or nothing where there is none"
            )
        return value

    def _is_header(self, rows: list[list[str]]) -> bool:
        first = [cell for cell in rows[0] if cell.strip()]
        return bool(first) and not any(self._is_time(cell) or self._is_number(cell) for cell in first)

    def _time_column(self, names: list[str], body: list[list[str]]) -> int | None:
        if self._clock.time_field:
            return self._field_column(names, body)
        named = [place for place, name in enumerate(names) if name.lower() in _TIME_NAMES]
        place: int
        for place in [*named, *range(self._width)]:
            cells = _filled(body, place)
            if any(not self._is_number(cell) for cell in cells):
                self._clock.learn_fields(cells)
            if (cells and _share(self._is_time(cell) for cell in cells) >= _MOSTLY) or (
                named and not body and len(names) > 1
            ):
                return place
        return None

    def _field_column(self, names: list[str], body: list[list[str]]) -> int:
        """The place of the column that the user names; FormatError where there is none."""
        wanted = self._clock.time_field
        if wanted not in names:
            here = ", ".join(names[:20])
            raise FormatError(
                f'line 1: there is no column "{name_of(wanted)}" for the time; the columns are {here}'
            )
        self._clock.learn_fields(_filled(body, names.index(wanted)))
        return names.index(wanted)

    def _number_columns(self, names: list[str], body: list[list[str]]) -> tuple[list[_Column], list[str]]:
        columns, others = [], []
        for place in range(self._width):
            if place == self._time:
                continue
            cells = _filled(body, place)
            comma = self._comma_of(cells)
            numbers = [number_of(cell, comma) is not None for cell in cells]
            if (cells and _share(numbers) < _MOSTLY) or self._counts_up(names[place], cells):
                others.append(names[place])
            else:
                columns.append(_Column(place, names[place], not cells, comma))
        filled = [column for column in columns if not column.empty or (self._time is not None and not body)]
        return (columns if filled else []), others

    def _label_columns(self, names: list[str], body: list[list[str]], others: list[str]) -> dict[str, int]:
        """The columns of texts that tell one series from another, with their places."""
        if self._time is None or not self._header:
            return {}
        places = {name: names.index(name) for name in others}
        places.pop(names[self._metric] if self._metric is not None else "", None)
        rows = [row for row in body if len(row) == self._width]
        keys = [place for place in (self._time, self._metric) if place is not None]
        times = [tuple(row[place] for place in keys) for row in rows]
        texts = [{name: row[place] for name, place in places.items()} for row in rows]
        return {name: places[name] for name in labels_of(times, texts)}

    def _is_measured(self, names: list[str], body: list[list[str]], others: list[str], unread: str) -> bool:
        """Return whether the texts of a table are labels, such as hosts, and not messages of a log."""
        few = self._header is not None or len(others) <= max(1, len(self._columns) // 2)
        few = few and not all(is_id(column.name) for column in self._columns)
        return few and not any(_tells(body, names.index(name)) for name in others if name != unread)

    def _comma_of(self, cells: list[str]) -> Comma:
        """Return the decimal mark by which most cells are numbers."""
        return max(
            _COMMAS[self._separator],
            key=lambda comma: sum(number_of(cell, comma) is not None for cell in cells),
        )

    def _counts_up(self, name: str, cells: list[str]) -> bool:
        """Return whether a column is a time that is no date, such as the seconds since a start."""
        if self._time is not None or name.lower() not in _TIME_NAMES or len(cells) < 3:
            return False
        moments = [number_of(cell, self._comma_of(cells)) for cell in cells]
        return all(a is not None and b is not None and a < b for a, b in pairwise(moments))

    def _is_number(self, cell: str) -> bool:
        return any(number_of(cell, comma) is not None for comma in _COMMAS[self._separator])

    def _is_time(self, cell: str) -> bool:
        return self._clock.read_field(cell) is not None


class _RowError(ValueError):
    """An error in a row; its text follows the number of the row."""


def cells_of(line: str, separator: str) -> list[str]:
    """Return the cells of one line of CSV; [] for an empty line, and for one that is no CSV."""
    try:
        return next(csv.reader([line.replace("\r", " ").replace("\n", " ")], delimiter=separator), [])
    except csv.Error:
        return []


def separator_of(lines: Sequence[bytes]) -> str | None:
    """Return what separates most lines into the same number of columns, two or more; None for nothing."""
    texts = [decoded(line) for line in lines if line.strip()]
    best: tuple[float, str | None] = (_MOSTLY, None)
    for separator in SEPARATORS:
        widths = [len(cells_of(text, separator)) for text in texts]
        usual = max(set(widths), key=lambda width: (widths.count(width), width), default=0)
        share = widths.count(usual) / len(widths) if usual > 1 else 0.0
        if share > best[0] or (share == best[0] and best[1] is None):
            best = share, separator
    return best[1]


def _without_comments(rows: list[list[str]]) -> list[list[str]]:
    """The rows that are neither empty nor a comment, which is not as wide as the others are."""
    widths = Counter(len(row) for row in rows if not _is_empty(row))
    usual = widths.most_common(1)[0][0] if widths else 0
    return [row for row in rows if not (_is_empty(row) or _is_comment(row, usual))]


def _is_empty(cells: list[str]) -> bool:
    return not any(map(str.strip, cells))


def _is_comment(cells: list[str], width: int) -> bool:
    return cells[0].startswith("#") and len(cells) != width


def _filled(body: list[list[str]], place: int) -> list[str]:
    return [row[place] for row in body if place < len(row) and row[place].strip()]


def _tells(body: list[list[str]], place: int) -> bool:
    return _share(len(cell.split()) > 2 for cell in _filled(body, place)) >= _MOSTLY


def _share(answers: Iterable[bool]) -> float:
    listed = list(answers)
    return sum(listed) / len(listed)


def _unique(names: list[str]) -> list[str]:
    kept: list[str] = []
    taken: set[str] = set()
    for place, name in enumerate(map(name_of, names), 1):
        unique = name or f"column {place}"
        unique = f"{unique[:90]} #{place}" if unique in taken else unique
        taken.add(unique)
        kept.append(unique)
    return kept


def _notes(texts: list[str], beyond: int, unread_time: str) -> tuple[str, ...]:
    notes = []
    if unread_time:
        notes.append(
            f'column "{unread_time}" has timestamps of another format and is left out; '
            "name it with --time-format, or write ISO 8601"
        )
    if texts:
        rest = f" and {len(texts) - 10:,} more" if len(texts) > 10 else ""
        notes.append(f"columns that hold no numbers are left out: {', '.join(texts[:10])}{rest}")
    if beyond > 0:
        notes.append(f"{MAX_VALUES} columns are looked at, {beyond:,} more are left out")
    return tuple(notes)
