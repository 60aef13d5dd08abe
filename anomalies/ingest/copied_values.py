"""Values that the table holds and a new line may not have: read from the copy of a row that `export` wrote.

Times that Python's datetime does not hold (the infinities, years before 1 and after 9999) are read as
microseconds from 2000-01-01, as PostgreSQL stores them. The Gregorian calendar repeats every 400 years, which
are 146,097 days: the year is moved into 2000 to 2399 by whole cycles, which are added again.

Tags that another program stored may be an array of arrays, or have NULLs.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

# A JSON string as PostgreSQL's to_json writes such a time in UTC.
OTHER_TIME = re.compile(
    rb'"(?:(-?infinity)|(\d{4,6})(-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?\+00:00)( BC)?)"', re.ASCII
)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_INFINITIES = {b"infinity": 2**63 - 1, b"-infinity": -(2**63)}
_MICROSECOND = timedelta(microseconds=1)
_CYCLE = timedelta(days=146_097) // _MICROSECOND
# PostgreSQL's bounds: from Julian day 0, which is 4714-11-24 BC, to the end of the year 294276.
_LEAST = -2_451_545 * 86_400_000_000
_MOST = 9_223_371_331_200_000_000 - 1
_MOST_DIMENSIONS = 6  # of an array in PostgreSQL


def microseconds(match: re.Match[bytes]) -> int:
    """The time of a match of OTHER_TIME; raises ValueError for one that PostgreSQL does not hold."""
    infinity, year, rest, before_christ = match.groups()
    if infinity:
        return _INFINITIES[infinity]
    # The year before 1 AD is 1 BC: 0 in arithmetic.
    cycles, within = divmod((1 - int(year) if before_christ else int(year)) - 2000, 400)
    time = datetime.fromisoformat(f"{2000 + within}{rest.decode()}")
    found = (time - EPOCH) // _MICROSECOND + cycles * _CYCLE
    if not _LEAST <= found <= _MOST:
        raise ValueError("out of PostgreSQL's range")
    return found


def shape(tags: Any) -> tuple[list[int], list[str | None]]:
    """The lengths of an array by dimension, and its elements in one list; both empty for an empty array.

    Raises ValueError for what is no array of PostgreSQL.
    """
    lengths: list[int] = []
    values = [tags]
    while all(isinstance(each, list) for each in values) and any(values):
        lengths.append(len(values[0]))
        if {len(each) for each in values} != {lengths[-1]} or len(lengths) > _MOST_DIMENSIONS:
            raise ValueError("arrays of different lengths")
        values = list(chain.from_iterable(values))
    if tags == []:
        return [], []
    if not lengths or not all(each is None or isinstance(each, str) for each in values):
        raise ValueError("no array of texts")
    return lengths, values
