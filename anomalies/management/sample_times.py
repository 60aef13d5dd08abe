"""The times of a recorded log, moved as a whole: a sample that ends now is in "the last 24 hours"."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_STAMP = re.compile(rb"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?=(?:\.\d+)? UTC\b)")
_FORM = "%Y-%m-%d %H:%M:%S"


def ending_at(log: bytes, end: datetime) -> bytes:
    """The log with all its UTC times moved by the same whole seconds, the newest to ``end``.

    Pauses, order and all other text are unchanged, and so is a log without such times.
    """
    stamps = _STAMP.findall(log)
    if not stamps:
        return log
    newest = datetime.strptime(max(stamps).decode(), _FORM).replace(tzinfo=end.tzinfo)
    by = timedelta(seconds=int((end - newest).total_seconds()))

    def moved(stamp: re.Match[bytes]) -> bytes:
        return f"{datetime.strptime(stamp[0].decode(), _FORM) + by:{_FORM}}".encode()

    return _STAMP.sub(moved, log)
