"""Filling search_document (migration 0037), source and pattern (0043) in batches, for older anomalies.

A batch is one short transaction along the primary key, so readers and writers are not blocked and a stopped
run can be started again. Locked rows are skipped; the next run fills them. Until then a search parses their
words whenever it reads them, and no pattern counts or finds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from django.db import connection

BATCH = 1_000
# Triggers compute the values; those given here are ignored.
_FILL = """
    WITH batch AS MATERIALIZED (
        SELECT id, search_document IS NULL OR pattern IS NULL AS is_empty
        FROM anomalies WHERE id > %s ORDER BY id LIMIT %s
    ), chosen AS MATERIALIZED (
        SELECT anomalies.id FROM anomalies JOIN batch USING (id)
        WHERE is_empty AND (search_document IS NULL OR pattern IS NULL) FOR UPDATE OF anomalies SKIP LOCKED
    ), filled AS (
        UPDATE anomalies SET search_document = '', pattern = anomalies.pattern FROM chosen
        WHERE anomalies.id = chosen.id RETURNING 1
    )
    SELECT (SELECT id FROM batch ORDER BY id DESC LIMIT 1), (SELECT count(*) FROM filled),
           (SELECT count(*) FROM batch WHERE is_empty)
"""


def fill(batch: int = BATCH) -> Iterator[tuple[int, int]]:
    """Fill all rows; yield the numbers of filled and of skipped rows after each batch of ``batch`` rows."""
    last: UUID | None = UUID(int=0)
    while last is not None:
        with connection.cursor() as cursor:
            cursor.execute(_FILL, [last, batch])
            last, filled, empty = cursor.fetchone()
        yield filled, empty - filled
