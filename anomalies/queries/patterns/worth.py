"""The order of the triage queue: what is most worth a look comes first, windows for review last.

The worth of an anomaly is the product of three factors between 0 and 1. *New*: 1 as long as no anomaly of
its pattern was acknowledged or dismissed, else 1/4. *Rarity*: 1 / (1 + ln n) for a pattern of n anomalies, as
the self-information of an event that was seen n times falls with ln n. *Novelty*: the column, 1/2 where the
detector gives none. So one anomaly of its own kind precedes thousands that look alike, and a decision about
one of these moves the others down. The weights are a choice, not an estimate: they set an order of reading.

The candidates are the newest NEWEST anomalies of the filter, and the newest one of each of the RAREST
patterns that wait, undecided ones first: a bounded number, whatever waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import log
from typing import Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection

from anomalies.models import Anomaly, Status

from ..bounded.listing import Listing
from ..bounded.pages import page_after
from ..bounded.sql import condition_of, sql
from ..bounded.walks import BY_PATTERN

NEWEST, RAREST = 300, 300
_DECIDED = (Status.ACKNOWLEDGED, Status.DISMISSED)
_KNOWN, _UNSTATED = 0.25, 0.5  # the factors of a decided pattern, and of an anomaly without a novelty
_COLUMNS = "id, timestamp, pattern, novelty, status, metadata @> '{{\"review\": true}}'"
_ALL = " + ".join(Status.values)
_RARE = f"""
    WITH rarest AS MATERIALIZED (
        SELECT key FROM anomaly_patterns WHERE pending > 0
        ORDER BY acknowledged + dismissed > 0, {_ALL}, key LIMIT {RAREST}
    )
    SELECT {_COLUMNS} FROM rarest CROSS JOIN LATERAL (
        SELECT * FROM anomalies WHERE ROW({", ".join(BY_PATTERN.keys)})
            < ROW(rarest.key, '{Status.PENDING}', 'infinity'::timestamptz, '{UUID(int=2**128 - 1)}'::uuid)
            AND anomalies.pattern >= rarest.key
        ORDER BY {BY_PATTERN.order(descending=True)} LIMIT 1
    ) AS anomalies WHERE anomalies.pattern = rarest.key AND {{condition}}
"""  # noqa: S608 -- constants
_BY_KEY = sql(f"SELECT {_COLUMNS} FROM anomalies WHERE id = ANY (%s)").text  # noqa: S608 -- a constant
_COUNTS = f"""
    SELECT pattern, sum({_ALL})::bigint, sum(acknowledged + dismissed)::bigint
    FROM anomaly_patterns_now WHERE pattern = ANY (%s) GROUP BY pattern
"""  # noqa: S608 -- constants


@dataclass(frozen=True, slots=True)
class Candidate:
    """An anomaly that may come next, with what its worth is computed from."""

    id: UUID
    timestamp: datetime
    pattern: UUID | None
    novelty: float | None
    status: str
    is_for_review: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """The anomalies of a pattern, and those of them that are acknowledged or dismissed."""

    total: int
    decided: int


def worth(candidate: Candidate, counts: Counts) -> float:
    """The worth of a look, between 0 and 1; the anomaly's own decision does not count."""
    decided = counts.decided - (candidate.status in _DECIDED)
    rarity = 1 / (1 + log(max(1, counts.total)))
    novelty = _UNSTATED if candidate.novelty is None else candidate.novelty
    return (_KNOWN if decided > 0 else 1.0) * rarity * novelty


def neighbour(listing: Listing, place: UUID | None, *, is_backward: bool = False) -> UUID | None:
    """The anomaly after (or before) ``place`` in the order of worth; the first (or last) one without a place.

    None if there is none on that side. ``place`` need not be among the candidates any more.
    """
    found = _candidates(listing)
    here = _one(place) if place else None
    counts = _counts({each.pattern for each in [*found, *([here] if here else [])]})
    ordered = sorted(found, key=lambda each: _rank(each, counts), reverse=is_backward)
    if here is None:
        return ordered[0].id if ordered else None
    own = _rank(here, counts)
    for each in ordered:
        rank = _rank(each, counts)
        if rank < own if is_backward else rank > own:
            return each.id
    return None


def _rank(each: Candidate, counts: Mapping[UUID | None, Counts]) -> tuple[Any, ...]:
    """The place in the order, the lowest first: equal worth is ordered by time, the newest first."""
    value = worth(each, counts.get(each.pattern, Counts(1, 0)))
    return each.is_for_review, -value, -each.timestamp.timestamp(), -each.id.int


def _candidates(listing: Listing) -> list[Candidate]:
    shown = Anomaly.objects.only("timestamp", "pattern", "novelty", "status")
    newest = page_after(listing, ("-timestamp", "-id"), "", NEWEST, shown).rows
    return list({each.id: each for each in [*_read([row.pk for row in newest]), *_rare(listing)]}.values())


def _rare(listing: Listing) -> list[Candidate]:
    """The newest pending anomaly of each rare pattern, as far as the list holds it."""
    try:
        statement = sql(_RARE, condition=condition_of(listing.rows))
    except EmptyResultSet:
        return []
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.values)
        return _as_candidates(cursor.fetchall())


def _one(key: UUID) -> Candidate | None:
    return next(iter(_read([key])), None)


def _read(keys: Sequence[UUID]) -> list[Candidate]:
    with connection.cursor() as cursor:
        cursor.execute(_BY_KEY, [list(keys)])
        return _as_candidates(cursor.fetchall())


def _as_candidates(rows: Iterable[tuple[Any, ...]]) -> list[Candidate]:
    return [
        Candidate(pk, moment, pattern, novelty, status, bool(review))
        for pk, moment, pattern, novelty, status, review in rows
    ]


def _counts(patterns: set[UUID | None]) -> dict[UUID | None, Counts]:
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, [[key for key in patterns if key]])
        return {key: Counts(total, decided) for key, total, decided in cursor.fetchall()}
