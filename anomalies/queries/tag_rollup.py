"""The roll-up of tags: the number of anomalies by tag, stream and status, without reading the table.

Triggers append the change of each write (migration 0027); it works like the hourly roll-up and is folded,
checked and rebuilt together with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db import connection

from anomalies.models import TagTotal
from anomalies.schema.search_path import ours, pinned

LONGEST = TagTotal.LONGEST  # characters; longer tags are not in the roll-up
# The content of the view anomaly_tags_missing, read from the tables: a view can be replaced.
_AMISS = f"""
    SELECT tag, stream_type, status, sum(total)::bigint FROM (
        SELECT each.tag::text, stream_type, status, 1 AS total FROM {{anomalies}}, LATERAL (
            SELECT DISTINCT tag FROM unnest(tags) AS tag WHERE length(tag) <= {LONGEST}
        ) AS each
        UNION ALL SELECT tag, stream_type, status, -total FROM {{totals}}
        UNION ALL SELECT tag, stream_type, status, -total FROM {{deltas}} WHERE tag IS NOT NULL
    ) AS difference
    GROUP BY 1, 2, 3 HAVING sum(total) <> 0 ORDER BY 1, 2, 3
"""  # noqa: S608 -- a constant


@dataclass(frozen=True, slots=True)
class Tagged:
    """The anomalies with one tag, of these statuses and streams; an empty one selects all."""

    tag: str
    statuses: Sequence[str] = ()
    streams: Sequence[str] = ()

    # The roll-up answers without reading the table.
    answers_alone: ClassVar = True

    @staticmethod
    def unbuilt() -> str:
        """SQL that is true as long as rows from before the roll-up are not counted in it."""
        return f"EXISTS (SELECT FROM {ours('anomaly_tag_deltas')} WHERE tag IS NULL)"

    def counts_as_sql(self) -> tuple[str, list[Any]]:
        """An SQL statement for (status, stream_type, n) over all statuses and streams, and its values."""
        return (
            f"SELECT status, stream_type, sum(total)::bigint AS n FROM {ours('anomaly_tags_now')} "  # noqa: S608
            "WHERE tag::text = %s::text GROUP BY 1, 2 HAVING sum(total) <> 0",
            [self.tag],
        )


def is_built() -> bool:
    """True if the rows from before the roll-up are counted in it."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT NOT {Tagged.unbuilt()}")
        return bool(cursor.fetchone()[0])


def amiss(missing: int) -> str:
    """Say by how much a roll-up's figure is wrong: what the table has beyond it, or below it."""
    return f"{abs(missing)} {'missing in' if missing > 0 else 'too many in'} the roll-up"


def differences() -> list[str]:
    """A sentence for each difference between the roll-up of tags and the table. Reads the whole table."""
    tables = {
        "anomalies": ours("anomalies"),
        "totals": ours("anomaly_tag_totals"),
        "deltas": ours("anomaly_tag_deltas"),
    }
    with pinned() as cursor:
        cursor.execute(_AMISS.format(**tables))
        rows = cursor.fetchall()
        cursor.execute(f"SELECT {Tagged.unbuilt()}")
        words = ["tags of rows from before their roll-up are not counted yet"] if cursor.fetchone()[0] else []
    return words + [
        f"tag {tag!r}, {stream} {status}: {amiss(missing)}" for tag, stream, status, missing in rows
    ]
