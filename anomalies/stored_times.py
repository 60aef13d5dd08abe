"""Times that the database holds and Python can't: the infinities, and years before 1 and after 9999.

A program that writes one must not keep a page from being shown, so each is read as the nearest time that
every zone holds (``connection_settings`` reads them). ``exact`` still has the stored one, for files that must
say what is in the table.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

# A day from the ends of what Python holds: no zone moves them beyond.
_EARLIEST, _LATEST = datetime(1, 1, 2), datetime(9999, 12, 30)
_TEXT = re.compile(r"(\d+-\d\d-\d\d) ([\d:.]+)([+-][\d:]+)( BC)?", re.ASCII)
_HOURS = 3  # characters of an offset without minutes


class _NearestTime(datetime):
    """The nearest time to one that Python can't hold; ``stored`` is the text of that one."""

    stored: str


def exact(value: datetime) -> str | None:
    """A stored time that Python can't hold, as PostgreSQL's to_json writes it; None for any other."""
    text = getattr(value, "stored", None)
    if text is None:
        return None
    match = _TEXT.fullmatch(text)
    if match is None:  # an infinity
        return str(text)
    date, time, offset, before_christ = match.groups("")
    minutes = ":00" if len(offset) == _HOURS else ""
    return f"{date}T{time}{offset}{minutes}{before_christ}"


def from_json(text: str) -> datetime:
    """The time that PostgreSQL writes into JSON so, in its zone; the nearest one that Python holds."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return nearest(text, UTC)
    return found if is_held(found) else nearest(text, UTC)


def is_held(time: datetime) -> bool:
    """True for a time in a zone that stays within Python's years in every other zone."""
    return _EARLIEST <= time.replace(tzinfo=None) <= _LATEST


def nearest(text: str, zone: tzinfo | None) -> datetime:
    """Return the nearest time to one that Python can't hold, given as PostgreSQL writes it."""
    is_early = text.startswith(("-", "0001-")) or text.endswith("BC")
    limit = _EARLIEST if is_early else _LATEST
    found = _NearestTime(limit.year, limit.month, limit.day, tzinfo=zone)
    found.stored = text
    return found
