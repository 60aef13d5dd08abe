"""The words of anomalies that are older than the column that stores them (migration 0037), filled by batches.

A batch is one short transaction, found along the primary key: readers and writers wait for nobody, and a run
that was stopped is started again. Rows that somebody is changing are skipped; a change of their texts fills
them, else the next run does. Until then their words are parsed whenever a search reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from django.db import connection

BATCH = 1_000
# A trigger writes the words, whatever is given here.
_FILL = """
    WITH batch AS MATERIALIZED (
        SELECT id, search_document IS NULL AS is_empty FROM anomalies WHERE id > %s ORDER BY id LIMIT %s
    ), chosen AS MATERIALIZED (
        SELECT anomalies.id FROM anomalies JOIN batch USING (id)
        WHERE is_empty AND search_document IS NULL FOR UPDATE OF anomalies SKIP LOCKED
    ), filled AS (
        UPDATE anomalies SET search_document = '' FROM chosen WHERE anomalies.id = chosen.id RETURNING 1
    )
    SELECT (SELECT id FROM batch ORDER BY id DESC LIMIT 1), (SELECT count(*) FROM filled),
           (SELECT count(*) FROM batch WHERE is_empty)
"""


def fill(batch: int = BATCH) -> Iterator[tuple[int, int]]:
    """Fill in all rows; yield after each batch how many of its rows were filled, and how many passed over."""
    last: UUID | None = UUID(int=0)
    while last is not None:
        with connection.cursor() as cursor:
            cursor.execute(_FILL, [last, batch])
            last, filled, empty = cursor.fetchone()
        yield filled, empty - filled
