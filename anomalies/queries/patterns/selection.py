"""The patterns of a frozen selection: how many of its anomalies each of them has."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from anomalies.schema.search_path import ours

_COUNTS = """
    SELECT anomalies.pattern, coalesce(patterns.template, ''), coalesce(patterns.source, ''), count(*)
    FROM {rows} AS rows JOIN {anomalies} AS anomalies ON anomalies.id = rows.anomaly_id
    LEFT JOIN {patterns} AS patterns ON patterns.key = anomalies.pattern
    WHERE rows.set_id = %s GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1 LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class PatternCount:
    """A pattern and its number of anomalies. ``key`` is None for anomalies that have no pattern yet."""

    key: UUID | None
    template: str
    source: str
    count: int


def by_pattern(set_id: UUID, most: int) -> list[PatternCount]:
    """The patterns of a frozen selection that have the most anomalies in it, at most ``most``."""
    tables = {
        "rows": ours("bulk_rows"),
        "anomalies": ours("anomalies"),
        "patterns": ours("anomaly_patterns"),
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS.format(**tables), [set_id, most])
        return [PatternCount(*row) for row in cursor.fetchall()]
