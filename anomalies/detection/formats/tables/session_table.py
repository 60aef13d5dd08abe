"""Traces as CSV: one session a line, `id,"e1 e2 …"`, with a header or without."""

import re
from collections.abc import Sequence

from ...events import Event, safe, shown_text
from ...scoring.scorers import Kind
from ..base import FormatError, Reader, Result, Skipped, decoded, quoted, too_long
from ..records.traces.assembly import MOST_STEPS
from ..records.traces.spans import MAX_STEP
from ..times.timestamps import TimestampReader
from .metric_table import cells_of, separator_of

_ID_NAMES = re.compile(r"(?:trace|session|block|blk|request|case)?[ _-]?(?:id)?", re.IGNORECASE)
_STEPS_NAMES = re.compile(r"(?:events?|steps?|spans?|sequence|event[ _-]?sequence)", re.IGNORECASE)
_BETWEEN = re.compile(r"[\s,;|]+")
_STEP = re.compile(r"[\w.:/#-]{1,64}")
_FEW = 0.5  # how many of the steps may be ones never seen before, where nothing else says that it is traces


class SessionTable(Reader):
    """Rows of a session's id and its events, between which is white space, a comma, a semicolon or a bar.

    One event a line (`id,event`) is not read: sessions that interleave would have to be kept open without
    an end.
    """

    kind: Kind = "traces"
    name = "CSV"
    notes: tuple[str, ...] = ()

    def __init__(self, lines: Sequence[bytes]) -> None:
        """Learn separator and header from the first lines; FormatError where they are no sessions."""
        self._separator = separator_of(lines) or ","
        rows = [row for line in lines if (row := cells_of(decoded(line), self._separator))]
        self._header = rows[0] if rows and _is_header(rows[0]) else None
        sessions = [row for row in rows if row != self._header and len(row) == 2 and row[0].strip()]
        if not sessions:
            raise FormatError(
                f"line {1 + bool(self._header)}: expected a session, like 'id,\"e1 e2 e3\"' or "
                '{"trace_id": …, "events": [ … ]}; bring the events of each session into one line'
            )
        ids = [row[0] for row in sessions]
        if len(set(ids)) * 2 <= len(ids) and all(len(steps_in(row[1])) == 1 for row in sessions):
            raise FormatError(
                "line 1: one event a line, where one session a line is expected; "
                "bring the events of each session into one line, like 'id,\"e1 e2 e3\"'"
            )
        self.sure = self._header is not None or _look_like_sessions(
            sessions, len(rows), sum(line.rstrip().endswith(b'"') for line in lines) * 2 > len(rows)
        )

    def read(self, number: int, raw: bytes, full_length: int) -> Sequence[Result]:
        """Return the event of a session; none for an empty line and for the header."""
        if not raw or raw.isspace():
            return ()
        if full_length > len(raw):
            return (too_long(number, raw, full_length),)
        cells = cells_of(decoded(raw), self._separator)
        if cells == self._header:
            return ()
        if len(cells) != 2 or not cells[0].strip() or not (steps := steps_in(cells[1])):
            words = f"{quoted(decoded(raw[:200]))} is no id with its events; write 'id,\"e1 e2 e3\"'"
            return (Skipped(number, f"line {number:,}: {words}"),)
        session = safe(cells[0].strip(), MAX_STEP)
        return (Event(number, shown_text(raw, full_length), None, session=session, steps=steps),)


def steps_in(cell: str) -> tuple[str, ...]:
    """Return the events that a cell names, written as a list or not."""
    names = (name.strip("'\"") for name in _BETWEEN.split(cell.strip().strip("[]()")))
    return tuple(safe(name, MAX_STEP) for name in names if name)[:MOST_STEPS]


def look_like_traces(lines: Sequence[bytes], clock: TimestampReader) -> SessionTable | None:
    """Return the reader of lines that can hardly be anything but sessions; None for others."""
    texts = [decoded(line) for line in lines if line.strip()]
    if any(clock.read(text) is not None for text in texts[:5]):
        return None
    try:
        table = SessionTable(lines)
    except FormatError:
        return None
    return table if table.sure else None


def _is_header(row: list[str]) -> bool:
    return (
        len(row) == 2
        and bool(row[0].strip() and _ID_NAMES.fullmatch(row[0].strip()))
        and bool(_STEPS_NAMES.fullmatch(row[1].strip()))
    )


def _look_like_sessions(sessions: list[list[str]], rows: int, quoted_steps: bool) -> bool:
    if len(sessions) < 0.9 * rows or any(" " in row[0].strip() for row in sessions):
        return False
    steps = [step for row in sessions for step in steps_in(row[1])]
    if len(steps) < 2 * len(sessions) or not all(map(_STEP.fullmatch, steps)):
        return False
    codes = sum(any(map(str.isdigit, step)) for step in steps)
    return (quoted_steps or codes >= 0.5 * len(steps)) and len(set(steps)) <= _FEW * len(steps)
