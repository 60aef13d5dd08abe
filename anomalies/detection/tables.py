"""Metrics and traces in CSV: separated by commas, semicolons or tabs, with a header or without."""

import csv
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from math import nan
from typing import Self

from .coders import Kind
from .events import Event, Skipped, event_from_line
from .timestamps import TimestampReader

MOST_COLUMNS = 200
_NAME = 100  # characters of a column's name
_MISSING = frozenset({"", "na", "n/a", "null", "none", "-", "nan"})
_STEP = re.compile(r"[\w.:/\[\]()*<>$#-]{1,64}")
_VARIED = 0.5  # distinct steps per step: traces repeat theirs, and sentences less


class CSVMetrics:
    """A column with a time, and one or many with numbers; other columns are not looked at."""

    kind: Kind = "metrics"

    def __init__(
        self,
        clock: TimestampReader,
        separator: str,
        names: list[str],
        time: int,
        numbers: list[int],
        header: bool,
    ) -> None:
        self._clock = clock
        self._separator = separator
        self._names = names
        self._time = time
        self._numbers = numbers
        self._header = header
        ignored = [name for at, name in enumerate(names) if at != time and at not in numbers]
        self.notes = (f"not looked at, for they hold no numbers: {', '.join(ignored)}",) if ignored else ()

    @classmethod
    def fitting(cls, lines: Sequence[bytes], clock: TimestampReader) -> Self | None:
        """Return how these lines are read, None where they are no metrics."""
        for separator in ",;\t":
            rows = [cells(line, separator) for line in lines]
            width = len(rows[0]) if rows else 0
            if not 2 <= width <= MOST_COLUMNS or sum(len(row) == width for row in rows) < 0.9 * len(rows):
                continue
            header = len(rows) > 1 and not any(_is_time(cell, clock) for cell in rows[0])
            body = [row for row in rows[header:] if len(row) == width]
            columns = list(zip(*body, strict=True))
            time = next((at for at, cells_ in enumerate(columns) if _mostly(cells_, clock)), None)
            if time is None:
                continue
            numbers = [at for at, one in enumerate(columns) if at != time and _numeric(one, separator)]
            if numbers:
                names = [_named(rows[0][at] if header else "", at) for at in range(width)]
                return cls(clock, separator, names, time, numbers, header)
        return None

    def read(self, number: int, raw: bytes, full_length: int) -> Event | Skipped | None:
        """Return the event of a row; Skipped names the line, the column and what it takes."""
        if not raw.strip():
            return None
        row = cells(raw, self._separator)
        if len(row) != len(self._names):
            return Skipped(number, f"{len(row)} columns, and there should be {len(self._names)}")
        if self._header and [cell[:_NAME] for cell in row] == self._names:
            return None
        time = moment(row[self._time], self._clock)
        if time is None and row[self._time].strip():
            return Skipped(number, f"column {self._names[self._time]}: {row[self._time][:40]!r} is no time")
        values = []
        for at in self._numbers:
            value = number_of(row[at], self._separator)
            if value is None:
                return Skipped(number, f"column {self._names[at]}: {row[at][:40]!r} is no number")
            values.append((self._names[at], value))
        event = event_from_line(number, raw, full_length, self._clock)
        return Event(number, event.text, time, values=tuple(values))


class CSVTraces:
    """Two columns: the id of a session, and its steps, separated by spaces."""

    kind: Kind = "traces"
    notes: tuple[str, ...] = ()

    def __init__(self, clock: TimestampReader, header: bool) -> None:
        self._clock = clock
        self._header = header

    @classmethod
    def fitting(cls, lines: Sequence[bytes], clock: TimestampReader) -> Self | None:
        """Return how these lines are read, None where they are no traces."""
        rows = [cells(line, ",") for line in lines]
        if not rows or sum(len(row) == 2 for row in rows) < 0.9 * len(rows):
            return None
        body = [row for row in rows[1:] or rows if len(row) == 2]
        steps = [step for _, text in body for step in text.split()]
        if any(re.search(r"\s", name.strip()) for name, _ in body) or len(steps) < 2 * len(body):
            return None
        if not all(map(_STEP.fullmatch, steps)) or len(set(steps)) > _VARIED * len(steps):
            return None
        first = rows[0][1].split() if len(rows[0]) == 2 else []
        return cls(clock, header=len(rows) > 1 and not set(first) & set(steps))

    def read(self, number: int, raw: bytes, full_length: int) -> Event | Skipped | None:
        """Return the event of a session; Skipped names the line and what it takes."""
        if not raw.strip() or (self._header and number == 1):
            return None
        row = cells(raw, ",")
        if len(row) != 2:
            return Skipped(number, f"{len(row)} columns, and there should be an id and its steps")
        if full_length > len(raw):
            return Skipped(
                number, f"a session of {full_length:,} bytes is longer than what is read of a line"
            )
        event = event_from_line(number, raw, full_length, self._clock)
        return Event(
            number, event.text, event.timestamp, session=row[0].strip()[:_NAME], steps=tuple(row[1].split())
        )


def cells(line: bytes, separator: str) -> list[str]:
    """Return the cells of one row; none for what no reader of CSV takes."""
    text = line.decode("utf-8", "backslashreplace").replace("\x00", "\\x00").strip("\r\n")
    try:
        return next(csv.reader([text], delimiter=separator), [])
    except csv.Error:
        return []


def number_of(cell: str, separator: str = ",") -> float | None:
    """Return a cell's number, NaN where it says that there is none, None for anything else."""
    text = cell.strip().lower()
    if text in _MISSING:
        return nan
    if separator == ";" and "," in text and "." not in text:
        text = text.replace(",", ".")
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None


def moment(cell: str, clock: TimestampReader) -> datetime | None:
    """Return the time that a cell says, None for none."""
    text = cell.strip().strip("'\"")
    found = clock.read(text)
    if found or len(text) > 40:
        return found
    try:
        day = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (day if day.tzinfo else day.replace(tzinfo=clock.zone)).astimezone(UTC)


def _is_time(cell: str, clock: TimestampReader) -> bool:
    return moment(cell, clock) is not None


def _mostly(column: Sequence[str], clock: TimestampReader) -> bool:
    return sum(_is_time(cell, clock) for cell in column) >= 0.9 * len(column) > 0


def _numeric(column: Sequence[str], separator: str) -> bool:
    found = [number_of(cell, separator) for cell in column]
    real = [value for value in found if value is not None and value == value]
    return bool(real) and sum(value is not None for value in found) >= 0.9 * len(found)


def _named(cell: str, at: int) -> str:
    return cell.strip()[:_NAME] or f"column {at + 1}"
