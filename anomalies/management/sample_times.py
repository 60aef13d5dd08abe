"""The times of a recorded log, moved as a whole: a sample that ends now is in "the last 24 hours"."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

# A time in UTC as PostgreSQL writes it, and as web servers do (the common log format), with its form.
_FORMS = (
    (re.compile(rb"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?=(?:\.\d+)? UTC\b)"), "%Y-%m-%d %H:%M:%S"),
    (re.compile(rb"(?<=\[)\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?= \+0000\])"), "%d/%b/%Y:%H:%M:%S"),
)


def ending_at(log: bytes, end: datetime) -> bytes:
    """The log with all its UTC times moved by the same whole seconds, the newest to ``end``.

    Pauses, order and all other text are unchanged, and so is a log without such times.
    """
    stamp, form = next((one for one in _FORMS if one[0].search(log)), _FORMS[0])
    times = [_time(found, form) for found in stamp.finditer(log)]
    if not times:
        return log
    newest = max(times).replace(tzinfo=UTC)
    by = timedelta(seconds=int((end - newest).total_seconds()))
    return stamp.sub(lambda found: f"{_time(found, form) + by:{form}}".encode(), log)


def _time(stamp: re.Match[bytes], form: str) -> datetime:
    return datetime.strptime(stamp[0].decode(), form)
