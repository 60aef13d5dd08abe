"""Times that the database holds and Python can't: the infinities, and years before 1 and after 9999.

A program that writes one must not keep a page from being shown, so each is read as the nearest time that
every zone holds. ``exact`` still has the stored one, for files that must say what is in the table.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any

from psycopg import DataError
from psycopg.types.datetime import TimestamptzLoader

# A day from the ends of what Python holds: no zone moves them beyond.
_EARLIEST, _LATEST = datetime(1, 1, 2), datetime(9999, 12, 30)
_TEXT = re.compile(r"(\d+-\d\d-\d\d) ([\d:.]+)([+-][\d:]+)( BC)?", re.ASCII)
_HOURS = 3  # characters of an offset without minutes


class _NearestTime(datetime):
    """The nearest time to one that Python can't hold; ``stored`` is the text of that one."""

    stored: str


class _AnyTime(TimestamptzLoader):
    """Reads any ``timestamptz``; ``timezone`` is that of the connection, at which Django looks too."""

    timezone: tzinfo | None = None

    def load(self, data: Any) -> datetime:
        """Return the time in the connection's zone."""
        try:
            found = super().load(data).replace(tzinfo=self.timezone)
            if 1 < found.year < 9999 or _EARLIEST <= found.replace(tzinfo=None) <= _LATEST:
                return found
        except DataError:
            pass
        return _nearest(bytes(data).decode(), self.timezone)


@lru_cache
def loader_of(zone: tzinfo | None) -> type[TimestamptzLoader]:
    """The loader of a zone. Django keeps the loader of a connection as long as its zone is the same."""
    return type("_AnyTimeOfZone", (_AnyTime,), {"timezone": zone})


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
        return _nearest(text, UTC)
    return found if _EARLIEST <= found.replace(tzinfo=None) <= _LATEST else _nearest(text, UTC)


def _nearest(text: str, zone: tzinfo | None) -> datetime:
    is_early = text.startswith(("-", "0001-")) or text.endswith("BC")
    limit = _EARLIEST if is_early else _LATEST
    found = _NearestTime(limit.year, limit.month, limit.day, tzinfo=zone)
    found.stored = text
    return found
