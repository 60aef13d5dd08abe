"""Positions in PostgreSQL's write-ahead log (LSN), which order everything that was ever committed.

A position that was read after a commit is behind it, so a replica that has replayed up to there shows what
was committed. Whoever wrote something keeps such a position for as long as a replica may be behind.
"""

from __future__ import annotations

import re

from django.db import Error, connection

_TEXT = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")
UNKNOWN = 2**64 - 1  # beyond every position: no replica has replayed it
# The end of what is written, also of what is not flushed yet: a commit may be asynchronous.
_NOW = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint"


def parsed(text: str) -> int | None:
    """The position that a text names, such as "16/B374D848", as PostgreSQL writes it; None for another."""
    found = _TEXT.fullmatch(text)
    return (int(found[1], 16) << 32) + int(found[2], 16) if found else None


def written(position: int) -> str:
    """The text of a position."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def current() -> int:
    """The primary's position after everything that is committed; UNKNOWN where it can't be read."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(_NOW)
            position: int = cursor.fetchone()[0]
            return position
    except Error:
        return UNKNOWN
