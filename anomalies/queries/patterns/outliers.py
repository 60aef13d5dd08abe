"""The patterns of a frozen selection, and its anomalies that differ from the others of their pattern.

An anomaly is an outlier if its NCD lies above Tukey's upper fence of its pattern in the selection,
Q3 + 1.5 × (Q3 - Q1) (Exploratory Data Analysis, 1977), or if its host has less than 5% of them. The fence
assumes no distribution, and the outliers themselves do not move it, as they move mean and standard deviation.
It is at least 0.02 above Q3: equal windows have a spread of 0, and the last digit of an NCD would decide.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

SHOWN_PATTERNS, SHOWN_OUTLIERS, SHOWN_OTHERS = 20, 20, 10
_SPREAD, _LEAST, _RARE = 1.5, 0.02, 20

_READ = f"""
    WITH chosen AS MATERIALIZED (
        SELECT anomalies.id, ncd_score, coalesce(left(metadata ->> 'host', 200), '') AS host,
               coalesce(pattern, '00000000-0000-0000-0000-000000000000') AS pattern
        FROM bulk_rows JOIN anomalies ON anomalies.id = bulk_rows.anomaly_id WHERE set_id = %s
    ), usual AS (
        SELECT pattern, count(*) AS n, percentile_cont(0.5) WITHIN GROUP (ORDER BY ncd_score) AS median,
               percentile_cont(0.25) WITHIN GROUP (ORDER BY ncd_score) AS low,
               percentile_cont(0.75) WITHIN GROUP (ORDER BY ncd_score) AS high
        FROM chosen GROUP BY pattern
    ), hosts AS (
        SELECT pattern, host, count(*) AS n FROM chosen GROUP BY pattern, host
    ), judged AS (
        SELECT chosen.*, usual.median,
               ncd_score > high + greatest({_SPREAD} * (high - low), {_LEAST}) AS is_far,
               hosts.n * {_RARE} < usual.n AS is_rare
        FROM chosen JOIN usual USING (pattern) JOIN hosts USING (pattern, host)
    ), ranked AS (
        SELECT *, row_number() OVER (PARTITION BY is_far OR is_rare ORDER BY ncd_score DESC, id) AS rank
        FROM judged
    )
    SELECT (SELECT count(*) FROM judged WHERE is_far OR is_rare),
           (SELECT count(*) FROM usual),
           (SELECT json_agg(json_build_array(template, source, n, median) ORDER BY n, pattern) FROM (
               SELECT coalesce(template, '') AS template, coalesce(source, '') AS source, n, median, pattern
               FROM usual LEFT JOIN anomaly_patterns ON key = pattern
               ORDER BY n, pattern LIMIT {SHOWN_PATTERNS}
           ) AS shown),
           (SELECT json_agg(json_build_array(id, host, ncd_score, median, is_far, is_rare)
                            ORDER BY (is_far OR is_rare) DESC, rank)
            FROM ranked
            WHERE rank <= CASE WHEN is_far OR is_rare THEN {SHOWN_OUTLIERS} ELSE {SHOWN_OTHERS} END)
"""  # noqa: S608 -- constants


@dataclass(frozen=True, slots=True)
class Group:
    """A pattern in a selection: how many anomalies it has there, and their median NCD."""

    template: str
    source: str
    count: int
    median: float


@dataclass(frozen=True, slots=True)
class Member:
    """An anomaly of a selection, an outlier if its NCD lies far above the median or its host is rare."""

    id: UUID
    host: str
    ncd_score: float
    median: float
    is_far: bool
    is_rare: bool

    @property
    def is_outlier(self) -> bool:
        """True if it differs from the others of its pattern."""
        return self.is_far or self.is_rare


@dataclass(frozen=True, slots=True)
class Composition:
    """The smallest patterns of a selection, its outliers with the highest NCD, and a few others.

    ``outliers`` and ``patterns`` are the numbers of all of them.
    """

    outliers: int
    patterns: int
    groups: tuple[Group, ...]
    members: tuple[Member, ...]


def composition(selection: UUID) -> Composition:
    """Read all anomalies of a frozen selection once, and describe it."""
    with connection.cursor() as cursor:
        cursor.execute(_READ, [selection])
        outliers, patterns, groups, members = cursor.fetchone()
    return Composition(
        outliers,
        patterns,
        tuple(Group(*each) for each in _parsed(groups)),
        tuple(Member(UUID(pk), *rest) for pk, *rest in _parsed(members)),
    )


def _parsed(found: Any) -> list[Any]:
    """The value of a json column, which is None where there is no row."""
    return json.loads(found) if isinstance(found, str) else found or []
