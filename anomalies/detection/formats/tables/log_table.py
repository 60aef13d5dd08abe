"""Logs as CSV: one event a record, also where a quoted cell goes over several lines."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ...events import Event, Value, event_from_line, safe
from ...scoring.scorers import Kind
from ..base import FormatError, Numbers, Reader, Result, Skipped, decoded, name_of, number_of
from ..records.logs.messages import message_in_text
from ..requests import request_of
from ..times.timestamps import TimestampReader
from .headers import declared_names, is_header, is_note, is_spaced, known_header
from .metric_table import SEPARATORS, cells_of

_MOST_LINES = 1_000  # of a record
_MOST_BYTES = 1024 * 1024
_MOSTLY = 0.8
_MESSAGES = (
    "message", "msg", "event message", "eventmessage", "log message", "description", "details", "text", "log",
    "event", "body", "payload", "summary", "info",
)  # fmt: skip
_TIMES = (
    "timestamp", "@timestamp", "time", "datetime", "date and time", "timecreated", "time created",
    "timegenerated", "time generated", "eventtime", "event time", "event_time", "date", "ts", "created",
    "created_at", "logged", "systemtime", "utctime", "_time", "log_time", "date-time", "start",
)  # fmt: skip
_LEVELS = ("level", "leveldisplayname", "severity", "loglevel", "entrytype", "level name")
_EVENT_IDS = ("event id", "eventid", "event_id", "instanceid")
_LEVEL_WORD = re.compile(
    "(?:trace|debug|verbose|info|information|notice|warn|warning|err|error|crit|critical|alert|emerg|fatal|"
    "audit success|audit failure|successaudit|failureaudit)",
    re.IGNORECASE,
)
# Numbers under such a name are names of things: 7036 and 7045 are two words, and not nearly the same.
_NAMES_A_THING = re.compile(r"(?:\b|_|[a-z](?=I))(?:id|ids|code|status|port|pid|tid)\b", re.IGNORECASE)


_NOTHING = ("-", "(empty)")  # in a table that declares its fields
_DATE = re.compile(rb"#Date:\s*(\d{4}-\d\d-\d\d)", re.IGNORECASE)
_HALF_A_DAY = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class _Columns:
    """The places of the columns. `clock` is that of the time of day, where the date has its own column, or
    none: then a line `#Date: …` has it. `request` are those that are the message where no column is."""

    names: tuple[str, ...]
    time: int | None
    clock: int | None
    message: int | None
    request: tuple[int, ...]


class LogTable(Reader):
    """Rows of a CSV log: the message column is scored, or the whole row; the other columns are fields."""

    kind: Kind = "logs"
    name = "CSV"

    def __init__(self, lines: Sequence[bytes], separator: str, clock: TimestampReader) -> None:
        """Learn the columns from the first lines; FormatError where nothing names them."""
        self._separator, self._clock = separator, clock
        self._opening = re.compile(rf'(?:\A|{re.escape(separator)})"')
        self._numbers = Numbers()
        self._held: list[tuple[int, bytes, int]] = []  # the lines of a row whose quoted cell is not closed
        self._date = ""  # of rows that have the time of day alone
        self._last: datetime | None = None
        names, lines = _declared(lines)
        rows = self._rows(lines)
        declared = names or known_header(rows)
        self._has_notes = names is not None
        self._find_date(lines)
        rows = [row for row in rows if not is_note(row, self._has_notes)]
        if declared is None and not (rows and is_header(rows[0], clock)):
            raise FormatError("line 1: expected a header with the names of the columns; add one")
        self._header = declared or rows[0]
        rows = [row for row in rows if row != self._header]
        body = [row for row in rows if len(row) == len(self._header)]
        self._columns = _columns(self._header, body, clock, self._date)
        self.notes = (clock.note,) if clock.note else ()
        self.widths_fit = bool(body) and len(body) >= _MOSTLY * len(rows)
        self.tells = declared is not None or separator == " " or _tells(self._header, body)
        self.is_timed = self._columns.time is not None or self._columns.clock is not None

    def read(self, number: int, raw: bytes, full_length: int) -> Sequence[Result]:
        """Return the event of a row with its last line; none for its other lines and for the header."""
        if not self._held and (not raw or raw.isspace()):
            return ()
        if self._has_notes and not self._held and raw.startswith(b"#"):
            self._declare(raw)
            return ()
        self._held.append((number, raw, full_length))
        joined = b"\n".join(line for _, line, _ in self._held)
        if self._is_open(joined):
            return self._give_up() if self._is_too_long(joined) else ()
        first, self._held = self._held[0][0], []
        return self._row(first, joined)

    def finish(self) -> Sequence[Result]:
        """Return what is left of a row whose quoted cell is never closed."""
        results: list[Result] = []
        while self._held:
            results += self._give_up()
        return results

    def state(self) -> Any:
        """Return the number of the last event, the lines of an incomplete row, and what was declared."""
        held = [[number, raw.decode("latin-1"), length] for number, raw, length in self._held]
        declared = [self._header, self._date, self._last and self._last.isoformat()]
        return [self._numbers.last, held, declared, self._clock.state()]

    def restore(self, state: Any) -> None:
        """Restore what `state` returned."""
        self._numbers.last, held, *declared, clock = state
        if declared:  # which earlier versions did not save
            header, self._date, last = declared[0]
            self._last = last and datetime.fromisoformat(last)
            self._take(header)
        self._held = [(number, raw.encode("latin-1"), length) for number, raw, length in held]
        self._clock.restore(clock)

    def _declare(self, raw: bytes) -> None:
        """Take what a line declares: a server that starts again may write other fields, or another day."""
        self._find_date([raw])
        self._take(declared_names(raw) or self._header)

    def _take(self, header: list[str]) -> None:
        if header != self._header:
            self._header = header
            self._columns = _columns(header, [], self._clock, self._date)

    def _find_date(self, lines: Sequence[bytes]) -> None:
        found = next((match for line in lines if (match := _DATE.match(line))), None)
        if found:
            self._date, self._last = found[1].decode(), None

    def _rows(self, lines: Sequence[bytes]) -> list[list[str]]:
        rows: list[list[str]] = []
        held: list[bytes] = []
        waiting = list(reversed(lines))
        while waiting or held:
            if not waiting:  # a cell that does not end: its line is left out
                waiting, held = list(reversed(held[1:])), []
                continue
            held.append(waiting.pop())
            joined = b"\n".join(held)
            if not self._is_open(joined):
                rows.append(cells_of(decoded(joined), self._separator))
                held = []
        return [row for row in rows if any(map(str.strip, row))]

    def _is_open(self, joined: bytes) -> bool:
        """Return whether a quoted cell continues in the next line; unquoted cells may hold quotes."""
        return joined.count(b'"') % 2 == 1 and self._opening.search(decoded(joined)) is not None

    def _is_too_long(self, joined: bytes) -> bool:
        return len(self._held) >= _MOST_LINES or len(joined) > _MOST_BYTES

    def _give_up(self) -> list[Result]:
        """A cell that does not end costs its first line; the lines after it are read by themselves."""
        (first, _, _), *rest = self._held
        self._held = []
        words = f"line {first:,}: a quoted cell begins here and does not end; close it"
        results: list[Result] = [Skipped(first, words)]
        for number, raw, length in rest:
            results += self.read(number, raw, length)
        return results

    def _row(self, first: int, joined: bytes) -> Sequence[Result]:
        cells = cells_of(decoded(joined), self._separator)
        if cells == self._header or is_note(cells, self._has_notes):
            return ()
        number, line = self._numbers.take(first)
        flat = b" ".join(joined.split()) if b"\n" in joined else joined
        event = event_from_line(number, flat, len(flat), self._clock)._replace(line=line)
        if len(cells) != len(self._header):
            return (event,)
        message, fields = self._said(cells)
        return (Event(number, event.text, self._moment(cells), message, fields, line=line),)

    def _moment(self, cells: list[str]) -> datetime | None:
        columns = self._columns
        if columns.time is None:
            return None if columns.clock is None else self._moment_of_day(cells[columns.clock])
        written = cells[columns.time]
        if columns.clock is not None:
            written = f"{written} {cells[columns.clock]}"
        return self._clock.read_field(written)

    def _moment_of_day(self, written: str) -> datetime | None:
        """The moment of a time of day, on the day that was declared; after midnight on the next one."""
        moment = self._clock.read_field(f"{self._date} {written}")
        if moment and self._last and moment < self._last - _HALF_A_DAY:
            self._date = (datetime.fromisoformat(self._date) + timedelta(days=1)).date().isoformat()
            moment = self._clock.read_field(f"{self._date} {written}")
        self._last = moment or self._last
        return moment

    def _said(self, cells: list[str]) -> tuple[str, tuple[tuple[str, Value], ...]]:
        columns = self._columns
        apart = {columns.time, columns.clock, columns.message}
        fields = [
            (name, _value(name, cell.strip()))
            for place, (name, cell) in enumerate(zip(columns.names, cells, strict=True))
            if place not in apart and cell.strip() and not (self._has_notes and cell in _NOTHING)
        ]
        if columns.message is None and columns.request:
            return " ".join(cells[place] for place in columns.request), tuple(sorted(fields, key=_name))
        if columns.message is None:
            return " ".join(str(value) for _, value in fields), tuple(sorted(fields, key=_name))
        message = cells[columns.message]
        inner = message_in_text(message, f"{columns.names[columns.message]}.")
        if inner:
            return inner.text, tuple(sorted((*fields, *inner.fields), key=_name))
        return safe(" ".join(message.split()), 16_384), tuple(sorted(fields, key=_name))


def log_table(lines: Sequence[bytes], clock: TimestampReader, in_doubt: bool = False) -> LogTable | None:
    """Return the reader of lines that can hardly be anything but a log as CSV; None for others.

    `in_doubt` they are one where a column holds the time: nothing else fits.
    """
    declares = any(map(declared_names, lines))
    is_in_words = declares or any(map(is_spaced, lines[:1]))
    for separator in (*SEPARATORS, " ") if is_in_words else (*SEPARATORS, "|"):
        head = [cells_of(decoded(line), separator) for line in lines if separator.encode() in line][:2]
        if not (in_doubt or is_in_words or known_header(head) or any(map(_names_of_log, head))):
            continue
        try:
            table = LogTable(lines, separator, clock)
        except FormatError:
            if clock.time_field:
                raise
            continue
        if table.widths_fit and (table.tells or (in_doubt and table.is_timed)):
            return table
    return None


def _declared(lines: Sequence[bytes]) -> tuple[list[str] | None, Sequence[bytes]]:
    """Return the names that the lines declare first, and the lines before others are declared."""
    names = None
    for place, line in enumerate(lines):
        found = declared_names(line)
        if found and names and found != names:
            return names, lines[:place]
        names = names or found
    return names, lines


def _names_of_log(cells: list[str]) -> bool:
    """Return whether a header has a name that logs have."""
    names = {cell.strip().lower() for cell in cells}
    return len(cells) > 1 and not names.isdisjoint((*_MESSAGES, *_LEVELS, *_EVENT_IDS, *_TIMES))


def _tells(header: list[str], body: list[list[str]]) -> bool:
    """Return whether a column holds what only logs have: messages of several words, levels or event ids."""
    for place, cell in enumerate(header):
        name = cell.strip().lower()
        cells = [row[place].strip() for row in body if row[place].strip()]
        several = sum(len(cell.split()) > 1 for cell in cells)
        levels = sum(_LEVEL_WORD.fullmatch(cell) is not None for cell in cells)
        if name in _EVENT_IDS or (name in _MESSAGES and 2 * several > len(cells)):
            return True
        if name in _LEVELS and cells and 2 * levels > len(cells):
            return True
    return False


def _columns(header: list[str], body: list[list[str]], clock: TimestampReader, date: str) -> _Columns:
    """Return the places of the columns. `body` are the first rows; without any the names alone decide."""
    names = [cell.strip().lower() for cell in header]
    message = _message_column(names, body)
    request = tuple(names.index(name) for name, _ in request_of((name, "/") for name in names))
    shown = tuple(name_of(cell) or f"column {place}" for place, cell in enumerate(header, 1))
    if clock.time_field and clock.time_field not in shown:
        wanted, names_here = name_of(clock.time_field), ", ".join(shown)
        raise FormatError(f'line 1: there is no column "{wanted}" for the time; the columns are {names_here}')
    time, daytime = _time_of(names, shown, body, clock)
    if time is None and date and "time" in names:
        daytime = names.index("time")
    return _Columns(shown, time, daytime, message, request)


def _time_of(
    names: list[str], shown: tuple[str, ...], body: list[list[str]], clock: TimestampReader
) -> tuple[int | None, int | None]:
    """Return the places of the time, and of the time of day where the date has its own column."""
    if clock.time_field:
        candidates: list[tuple[int, int | None]] = [(shown.index(clock.time_field), None)]
    else:
        candidates = _time_columns(names)
    if not body:  # of a table that declares other fields on its way: the names are those of its program
        named = [one for one in candidates if names[one[0]] in _TIMES and names[one[0]] != "time"]
        return named[0] if named else (None, None)
    for time, daytime in candidates:
        written = [row[time] if daytime is None else f"{row[time]} {row[daytime]}" for row in body]
        clock.learn_fields(written)
        if sum(clock.read_field(text) is not None for text in written) >= _MOSTLY * len(written):
            return time, daytime
    return None, None


def _message_column(names: list[str], body: list[list[str]]) -> int | None:
    """The column of the message: of those with its names the first whose cells are several words mostly."""
    places = [names.index(name) for name in _MESSAGES if name in names]
    several = (place for place in places if 2 * sum(" " in row[place].strip() for row in body) > len(body))
    return next(several, places[0] if places else None)


def _time_columns(names: list[str]) -> list[tuple[int, int | None]]:
    """The columns that may hold the time, those with a known name first: a program speaks many languages."""
    found: list[tuple[int, int | None]] = []
    if "date" in names and "time" in names:
        found.append((names.index("date"), names.index("time")))
    found += [(names.index(name), None) for name in _TIMES if name in names]
    return found + [(place, None) for place, name in enumerate(names) if name not in _TIMES]


def _value(name: str, cell: str) -> Value:
    number = None if _NAMES_A_THING.search(name) else number_of(cell)
    if number is None or number - number != 0:
        return safe(cell, 256)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _name(field: tuple[str, Value]) -> str:
    return field[0]
