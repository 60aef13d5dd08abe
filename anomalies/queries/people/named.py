"""The open anomalies about which a comment names a person.

The read is bounded by its shape, whatever the planner expects. A row comparison with a value that it can't
know and an order by all columns of one index are answered by that index, and at most LIMIT of its entries are
read; what they hold beyond the person is dropped afterwards. Comments and anomalies are then read by id.
It is to be executed in ``index_order``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models.expressions import RawSQL

from anomalies.models import OPEN, Anomaly

from ..bounded.sql import named as named_sql
from ..bounded.sql import of_queryset, sql
from ..bounded.together import Read, identity, moment
from ..card.headline import with_headline

LATELY = timedelta(days=7)
LOOKED_AT = 100  # the newest mentions
SHOWN = 5
_COLUMNS = ("id", "timestamp", "stream_type", "status", "said", "odd_text")

_NEWEST = """
    SELECT DISTINCT ON (anomaly_id) anomaly_id, author, text, created_at, comment_id FROM (
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
    ORDER BY anomaly_id, created_at DESC, comment_id DESC
"""
_NAMED = """
    SELECT author, text, created_at, about.* FROM (
        SELECT * FROM ({newest}) AS comment ORDER BY created_at DESC, comment_id DESC LIMIT {shown}
    ) AS comment CROSS JOIN LATERAL ({anomaly}) AS about ORDER BY created_at DESC, comment_id DESC
"""


@dataclass(frozen=True, slots=True)
class Named:
    """The newest comment that names a person, about an ``anomaly`` (with headline) that is open."""

    anomaly: Any
    author: str
    text: str
    at: datetime


def named(username: str, now: datetime) -> Read[list[Named]]:
    """The comments of the last days that name this person, one for each open anomaly, SHOWN at most."""
    newest = named_sql(_NEWEST, who=username, most=LOOKED_AT, since=now - LATELY, open=list(OPEN))
    one = Anomaly.objects.filter(pk=RawSQL("comment.anomaly_id", ()))
    about = of_queryset(with_headline(one).values_list(*_COLUMNS))
    statement = sql(_NAMED, newest=newest, shown=SHOWN, anomaly=about)
    return Read(statement, lambda rows: [_named(*row) for row in rows], {2: moment, 3: identity, 4: moment})


def _named(author: str, text: str, at: datetime, *about: Any) -> Named:
    *columns, said, odd_text = about
    anomaly: Any = Anomaly.from_db(None, _COLUMNS[:4], columns)
    anomaly.said, anomaly.odd_text = said, odd_text
    return Named(anomaly, author, text, at)
