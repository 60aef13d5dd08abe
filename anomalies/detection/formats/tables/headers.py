"""The names of a log table's columns: in its first row, in a line of its own, or known by its program."""

import re

from ..base import number_of
from ..times.timestamps import TimestampReader

_LONGEST_NAME = 60  # characters of a column's name
_FIELDS = ("#fields", "#fields:")  # Zeek, and the W3C's extended log format of IIS and CloudFront
# PostgreSQL's csvlog, which has no header; older servers lack the last ones.
# https://www.postgresql.org/docs/18/runtime-config-logging.html#RUNTIME-CONFIG-LOGGING-CSVLOG
_POSTGRESQL = (
    "log_time", "user_name", "database_name", "process_id", "connection_from", "session_id",
    "session_line_num", "command_tag", "session_start_time", "virtual_transaction_id", "transaction_id",
    "error_severity", "sql_state_code", "message", "detail", "hint", "internal_query", "internal_query_pos",
    "context", "query", "query_pos", "location", "application_name", "backend_type", "leader_pid", "query_id",
)  # fmt: skip
_WIDTHS = (23, 24, 26)  # until version 12, 13, since 14
_SEVERITY = re.compile(r"DEBUG[1-5]?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC")
_STATE = re.compile(r"[0-9A-Z]{5}")


def declared_header(rows: list[list[str]]) -> list[str] | None:
    """Return the names that a line `#fields …` declares, or PostgreSQL's csvlog has; None for neither."""
    for row in rows:
        if row[0].lower() in _FIELDS and len(row) > 2:
            return row[1:]
    first = rows[0] if rows else []
    if len(first) in _WIDTHS and _SEVERITY.fullmatch(first[11]) and _STATE.fullmatch(first[12]):
        return list(_POSTGRESQL[: len(first)])
    return None


def declares_fields(line: bytes) -> bool:
    """Return whether a line declares the names of the columns."""
    return line[:8].lower().startswith(b"#fields")


def is_header(row: list[str], clock: TimestampReader) -> bool:
    """Return whether the cells of a row are names: short, and neither numbers nor times.

    The first one may be empty: pandas writes the numbers of the rows below it.
    """
    names = [cell.strip() for cell in row]
    return len(row) > 1 and all(
        0 < len(name) <= _LONGEST_NAME and number_of(name) is None and clock.read_field(name) is None
        for name in names[not names[0] :]
    )


def is_note(row: list[str], has_notes: bool) -> bool:
    """Return whether a row is about the table itself: PowerShell's type, a spreadsheet's separator.

    `has_notes` says that the table declares its fields, so that each row that begins with # is one.
    """
    if has_notes and row and row[0].startswith("#"):
        return True
    return len(row) <= 1 and (not row or row[0].startswith(("#", "sep=")))
