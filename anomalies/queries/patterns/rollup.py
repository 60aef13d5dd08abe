"""The roll-up of patterns: the number of anomalies of a pattern by status, without reading the table.

Triggers append the change of each write (migration 0042); it works like the hourly roll-up and is folded,
checked and rebuilt together with it. Anomalies from before the column have no pattern and count for none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from anomalies.models import Status
from anomalies.schema.search_path import ours, pinned

from ..tag_rollup import amiss

_FOUND = ", ".join(f"count(*) FILTER (WHERE status = '{status}') AS {status}" for status in Status.values)
_KEPT = ", ".join(f"sum({status}) AS {status}" for status in Status.values)
_LACKING = ", ".join(
    f"(coalesce(found.{status}, 0) - coalesce(kept.{status}, 0))::bigint AS {status}"
    for status in Status.values
)
# The content of the view anomaly_patterns_missing, read from the tables: a view can be replaced.
_AMISS = f"""
    SELECT pattern::text, {_LACKING}, found.first < kept.first OR found.last > kept.last
        OR found.first IS NOT NULL AND (kept.first IS NULL OR kept.last IS NULL) AS is_outside
    FROM (
        SELECT pattern, {_FOUND}, min(timestamp) AS first, max(timestamp) AS last
        FROM {{anomalies}} WHERE pattern IS NOT NULL GROUP BY pattern
    ) AS found FULL JOIN (
        SELECT pattern, {_KEPT}, min(first_seen) AS first, max(last_seen) AS last FROM (
            SELECT key AS pattern, {", ".join(Status.values)}, first_seen, last_seen FROM {{patterns}}
            UNION ALL SELECT pattern, {", ".join(Status.values)}, first_seen, last_seen FROM {{deltas}}
        ) AS each GROUP BY pattern
    ) AS kept USING (pattern)
"""  # noqa: S608 -- a constant
_WRONG = f"""
    SELECT * FROM ({_AMISS}) AS amiss
    WHERE ({", ".join(Status.values)}) <> ({", ".join("0" for _ in Status.values)}) OR is_outside ORDER BY 1
"""  # noqa: S608 -- a constant

_STATES = ", ".join(f"('{status}', {status})" for status in Status.values)
_COUNTS = f"""
    SELECT counted.status, described.stream_type, counted.n
    FROM (SELECT {_KEPT} FROM {{now}} WHERE pattern = %s) AS kept,
         LATERAL (VALUES {_STATES}) AS counted (status, n),
         (SELECT stream_type FROM {{patterns}} WHERE key = %s
          UNION ALL SELECT stream_type FROM {{deltas}} WHERE pattern = %s AND stream_type IS NOT NULL
          LIMIT 1) AS described
    WHERE counted.n <> 0
"""  # noqa: S608 -- a constant


@dataclass(frozen=True, slots=True)
class Patterned:
    """The anomalies of one pattern."""

    key: UUID

    # The roll-up answers without reading the table.
    answers_alone: ClassVar = True

    @staticmethod
    def unbuilt() -> str:
        """SQL that is false: an anomaly is counted as soon as it has a pattern."""
        return "false"

    def counts_as_sql(self) -> tuple[str, list[Any]]:
        """An SQL statement for (status, stream_type, n), and its values."""
        tables = {
            "now": ours("anomaly_patterns_now"),
            "patterns": ours("anomaly_patterns"),
            "deltas": ours("anomaly_pattern_deltas"),
        }
        return _COUNTS.format(**tables), [self.key] * 3


def differences() -> list[str]:
    """A sentence for each difference between the roll-up of patterns and the table. Reads the whole table."""
    tables = {
        "anomalies": ours("anomalies"),
        "patterns": ours("anomaly_patterns"),
        "deltas": ours("anomaly_pattern_deltas"),
    }
    with pinned() as cursor:
        cursor.execute(_WRONG.format(**tables))
        rows = cursor.fetchall()
    return [words for pattern, *figures in rows for words in _in_words(pattern, figures[:-1], figures[-1])]


def _in_words(pattern: str, missing: list[int], is_outside: bool | None) -> list[str]:
    words = [
        f"pattern {pattern}, {status}: {amiss(n)}"
        for status, n in zip(Status.values, missing, strict=True)
        if n
    ]
    return words + [f"pattern {pattern}: an anomaly lies outside its first and last time"] * bool(is_outside)
