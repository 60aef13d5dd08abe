"""Contradictions: patterns of which some anomalies are acknowledged and others dismissed.

A pattern is one template of one stream and source, so both decisions are about the same thing, and at most
one of them is right. The roll-up of patterns has the numbers. People and times come from the NEWEST decisions
about the pattern, and from the NEWEST anomalies of each side, since the last ones may all be of one. Patterns
are walked by their key, PAGE at a time, so memory does not grow with their number. What was decided and
reopened is no contradiction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import connection

from anomalies.models import DismissalReason, newest_of_pattern

from ..bounded.index_order import index_order
from ..bounded.sql import named
from ..bounded.together import Read, Rows, identity, moment
from .standing import DECISION, described, newest_decisions

NEWEST = 20
PAGE = 500  # patterns
_FIRST = UUID(int=0)

# Patterns that are not folded yet have no row of their own.
_KEYS = """
    SELECT key FROM (
        (SELECT key FROM anomaly_patterns WHERE key > %(after)s ORDER BY key LIMIT %(page)s)
        UNION
        (SELECT DISTINCT pattern FROM anomaly_pattern_deltas WHERE pattern > %(after)s
         ORDER BY pattern LIMIT %(page)s)
    ) AS each ORDER BY key LIMIT %(page)s
"""
_OPPOSED = f"""
    SELECT wanted.key, described.stream_type, described.source, described.template, side.status, side.n,
           newest.id, newest.who, newest.at, newest.is_on_arrival, newest.dismissal_reason
    FROM unnest(%(keys)s::uuid[]) WITH ORDINALITY AS wanted (key, place)
    CROSS JOIN LATERAL (
        SELECT sum(acknowledged)::bigint AS acknowledged, sum(dismissed)::bigint AS dismissed
        FROM anomaly_patterns_now WHERE pattern = wanted.key
    ) AS counts
    CROSS JOIN LATERAL {described("wanted.key")} AS described
    CROSS JOIN LATERAL (
        VALUES ('acknowledged', counts.acknowledged), ('dismissed', counts.dismissed)
    ) AS side (status, n)
    CROSS JOIN LATERAL (
        SELECT * FROM {newest_of_pattern(DECISION, "wanted.key", "side.status", "%(newest)s")} AS of_side
        UNION
        SELECT * FROM {newest_decisions("wanted.key", "%(newest)s")} AS last WHERE last.status = side.status
    ) AS newest
    WHERE counts.acknowledged > 0 AND counts.dismissed > 0
    ORDER BY place, side.status, newest.at DESC NULLS LAST, newest.id
"""  # noqa: S608 -- constants


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two decisions about a pattern: the number of anomalies, and those who decided so.

    ``people`` and ``reasons`` are those of the newest decisions; ``by``, ``at`` and ``anomaly`` are of the
    last one. ``by`` is '' where no name was written, ``at`` is None where no time was.
    """

    status: str
    count: int
    people: tuple[str, ...]
    reasons: tuple[str, ...]
    anomaly: UUID
    by: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A pattern with anomalies that are acknowledged and others that are dismissed."""

    pattern: UUID
    stream_type: str
    source: str
    template: str
    sides: tuple[Side, Side]

    @property
    def last_at(self) -> datetime | None:
        """The time of the last decision; None if no time is known."""
        return max((side.at for side in self.sides if side.at), default=None)


def contradictions(since: datetime | None = None) -> Iterator[Contradiction]:
    """Yield each contradiction by the key of its pattern; with ``since`` only those decided since then."""
    after = _FIRST
    while keys := _keys(after):
        for each in contradictions_of(keys):
            if since is None or (each.last_at and each.last_at >= since):
                yield each
        after = keys[-1]


def contradictions_of(patterns: Sequence[UUID]) -> list[Contradiction]:
    """The contradictions among these patterns, in the same order."""
    with index_order():
        return contradictions_read(patterns).now()


def contradictions_read(patterns: Sequence[UUID]) -> Read[list[Contradiction]]:
    """The read of ``contradictions_of``, to be executed in ``index_order``."""
    statement = named(_OPPOSED, keys=list(patterns), newest=NEWEST)
    return Read(statement, _contradictions, {0: identity, 6: identity, 8: moment})


def _contradictions(rows: Rows) -> list[Contradiction]:
    found = []
    for (key, stream, source, template), about in groupby(rows, key=lambda row: row[:4]):
        sides = [_side(list(decisions)) for _, decisions in groupby(about, key=lambda row: row[4])]
        if len(sides) == 2:
            found.append(Contradiction(key, stream, source, template, (sides[0], sides[1])))
    return found


def name_of(username: str | None, is_on_arrival: bool) -> str:
    """The name of who decided; of what a rule or a program decided on arrival, in whose name it did."""
    return f"{username} (on arrival)" if username and is_on_arrival else username or ""


def _keys(after: UUID) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(_KEYS, {"after": after, "page": PAGE})
        return [key for (key,) in cursor.fetchall()]


def _side(rows: list[tuple[Any, ...]]) -> Side:
    """One side, from its decisions, the last one first."""
    labels = dict(DismissalReason.choices)
    people = dict.fromkeys(name_of(who, arrived) for *_, who, _, arrived, _ in rows if who)
    reasons = dict.fromkeys(str(labels.get(reason, reason)) for *_, reason in rows if reason)
    *_, status, count, anomaly, who, at, arrived, _ = rows[0]
    return Side(status, count, tuple(people), tuple(reasons), anomaly, name_of(who, arrived), at)
