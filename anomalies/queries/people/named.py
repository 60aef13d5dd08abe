"""The open anomalies about which a comment names a person.

The read is bounded by its shape, whatever the planner expects. A row comparison with a value that it can't
know and an order by all columns of one index are answered by that index, and at most LIMIT of its entries are
read; what they hold beyond the person is dropped afterwards. Comments and anomalies are then read by id.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from anomalies.models import OPEN, Anomaly

from ..bounded.index_order import index_order
from ..card.headline import with_headline

LATELY = timedelta(days=7)
LOOKED_AT = 100  # the newest mentions
SHOWN = 5
_COLUMNS = ("id", "timestamp", "stream_type", "status")

_NAMED = """
    SELECT newest.anomaly_id, said.author, said.text, newest.created_at FROM (
        SELECT * FROM comment_mentions
        WHERE ROW(username, created_at) <= ROW((SELECT %(who)s::text), 'infinity'::timestamptz)
        ORDER BY username DESC, created_at DESC, comment_id DESC LIMIT %(most)s
    ) AS newest
    CROSS JOIN LATERAL (
        SELECT author, left(text, 300) AS text, withdrawn_at FROM anomaly_comments
        WHERE id = newest.comment_id OFFSET 0
    ) AS said
    CROSS JOIN LATERAL (SELECT status FROM anomalies WHERE id = newest.anomaly_id OFFSET 0) AS about
    WHERE username = %(who)s AND created_at > %(since)s AND withdrawn_at IS NULL AND status = ANY (%(open)s)
    ORDER BY created_at DESC, comment_id DESC
"""


@dataclass(frozen=True, slots=True)
class Named:
    """The newest comment that names a person, about an ``anomaly`` (with headline) that is open."""

    anomaly: Any
    author: str
    text: str
    at: datetime


def named(username: str, now: datetime | None = None) -> list[Named]:
    """The comments of the last days that name this person, one for each open anomaly, SHOWN at most."""
    since = (now or timezone.now()) - LATELY
    said = _rows(_NAMED, who=username, most=LOOKED_AT, since=since, open=list(OPEN))
    latest: dict[UUID, tuple[Any, ...]] = {}
    for key, *comment in said:
        if len(latest) < SHOWN:
            latest.setdefault(key, tuple(comment))
    rows = _with_names([*latest])
    return [Named(rows[key], *comment) for key, comment in latest.items() if key in rows]


def _rows(statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with index_order(), connection.cursor() as cursor:
        cursor.execute(statement, values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def _with_names(keys: list[UUID]) -> dict[UUID, Any]:
    return with_headline(Anomaly.objects.only(*_COLUMNS)).in_bulk(keys) if keys else {}
