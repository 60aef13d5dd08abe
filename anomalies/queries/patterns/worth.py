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

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import log
from typing import Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from anomalies.models import Anomaly, Status, newest_of_pattern

from ..bounded.listing import Listing
from ..bounded.pages import page_after
from ..bounded.sql import condition_of, sql
from ..bounded.walks import NEWEST_FIRST
from ..filters import FOR_REVIEW

NEWEST, RAREST = 300, 300
_DECIDED = (Status.ACKNOWLEDGED, Status.DISMISSED)
_KNOWN, _UNSTATED = 0.25, 0.5  # the factors of a decided pattern, and of an anomaly without a novelty
_OF_THE_ROW = ("id", "timestamp", "pattern", "novelty", "status")
_NAMES = (*_OF_THE_ROW, "is_for_review")
_IS_FOR_REVIEW = f"anomalies.metadata @> '{json.dumps(FOR_REVIEW)}'"
_COLUMNS = ", ".join((*_OF_THE_ROW, _IS_FOR_REVIEW))
_ALL = " + ".join(Status.values)
_RARE = f"""
    WITH rarest AS MATERIALIZED (
        SELECT key FROM anomaly_patterns WHERE pending > 0
        ORDER BY acknowledged + dismissed > 0, {_ALL}, key LIMIT {RAREST}
    )
    SELECT {{columns}} FROM rarest
    CROSS JOIN LATERAL {newest_of_pattern("*", "rarest.key", f"'{Status.PENDING}'", 1)} AS anomalies
    WHERE {{condition}}
"""  # noqa: S608 -- constants
_BY_KEY = f"SELECT {_COLUMNS} FROM anomalies WHERE id = %s"  # noqa: S608 -- a constant
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
    of_review = RawSQL(_IS_FOR_REVIEW, (), output_field=BooleanField())  # noqa: S611 - a constant
    shown = Anomaly.objects.annotate(is_for_review=of_review).only(*_OF_THE_ROW)
    page = page_after(listing, NEWEST_FIRST.names, "", NEWEST, shown)
    newest = _as_candidates(tuple(getattr(row, name) for name in _NAMES) for row in page.rows)
    return list({each.id: each for each in [*newest, *_rare(listing)]}.values())


def _rare(listing: Listing) -> list[Candidate]:
    """The newest pending anomaly of each rare pattern, as far as the list holds it."""
    try:
        statement = sql(_RARE, columns=_COLUMNS, condition=condition_of(listing.rows))
    except EmptyResultSet:
        return []
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.values)
        return _as_candidates(cursor.fetchall())


def _one(key: UUID) -> Candidate | None:
    with connection.cursor() as cursor:
        cursor.execute(_BY_KEY, [key])
        return next(iter(_as_candidates(cursor.fetchall())), None)


def _as_candidates(rows: Iterable[tuple[Any, ...]]) -> list[Candidate]:
    return [
        Candidate(pk, moment, pattern, novelty, status, bool(review))
        for pk, moment, pattern, novelty, status, review in rows
    ]


def _counts(patterns: set[UUID | None]) -> dict[UUID | None, Counts]:
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, [[key for key in patterns if key]])
        return {key: Counts(total, decided) for key, total, decided in cursor.fetchall()}
