"""The names of a log table's columns: in its first row, in a line of its own, or known by its program."""

import re

from ..base import decoded, number_of
from ..times.timestamps import TimestampReader

_LONGEST_NAME = 60  # characters of a column's name
# PostgreSQL's csvlog, which has no header; older servers lack the last ones.
# https://www.postgresql.org/docs/18/runtime-config-logging.html#RUNTIME-CONFIG-LOGGING-CSVLOG
_POSTGRESQL = (
    "log_time", "user_name", "database_name", "process_id", "connection_from", "session_id",
    "session_line_num", "command_tag", "session_start_time", "virtual_transaction_id", "transaction_id",
    "error_severity", "sql_state_code", "message", "detail", "hint", "internal_query", "internal_query_pos",
    "context", "query", "query_pos", "location", "application_name", "backend_type", "leader_pid", "query_id",
)  # fmt: skip
# https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html
_FLOW = (
    "version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol",
    "packets", "bytes", "start", "end", "action", "log-status",
)  # fmt: skip
_FLOW_STATES = ("OK", "NODATA", "SKIPDATA")
_WIDTHS = (23, 24, 26)  # until version 12, 13, since 14
_SEVERITY = re.compile(r"DEBUG[1-5]?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC")
_STATE = re.compile(r"[0-9A-Z]{5}")


def known_header(rows: list[list[str]]) -> list[str] | None:
    """Return the names of the columns of PostgreSQL's csvlog and of Amazon's flow logs, which have no header.

    None for rows of other programs.
    """
    first = rows[0] if rows else []
    if len(first) in _WIDTHS and _SEVERITY.fullmatch(first[11]) and _STATE.fullmatch(first[12]):
        return list(_POSTGRESQL[: len(first)])
    if len(first) == len(_FLOW) and first[2].startswith("eni-") and first[13] in _FLOW_STATES:
        return list(_FLOW)
    return None


def declared_names(line: bytes) -> list[str] | None:
    """Return the names of the columns that a line `#Fields: …` declares; None for another line.

    CloudFront separates them by spaces, and the cells of its rows by tabs.
    """
    if not line[:8].lower().startswith(b"#fields"):
        return None
    names = decoded(line)[7:].removeprefix(":").strip()
    separator = next((one for one in ("\t", ",") if one in names), None)
    found = [name.strip() for name in names.split(separator)]
    return found if len(found) > 1 else None


def is_spaced(line: bytes) -> bool:
    """Return whether a line is the first one of a table whose cells are separated by spaces."""
    words = decoded(line).split(" ")
    return {"srcaddr", "dstaddr"} <= set(words) or known_header([words]) == list(_FLOW)


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
