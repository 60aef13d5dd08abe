"""The spool: batches in the database between their request and their judgement.

A batch is committed, to the disk, before its request is answered. Its digest is of its content, and its
row stays for KEPT after it was judged, so a request that is sent again because its answer was lost is stored
once (an idempotent receiver; Hohpe and Woolf, "Enterprise Integration Patterns").
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import zstandard
from django.db import connection
from django.utils import timezone

from anomalies.models import IncomingBatch
from anomalies.sources.otlp import Batch, StreamKey

KEPT = timedelta(
    hours=1
)  # senders try again for five minutes (Collector) or one (SDKs), unless set otherwise
MOST_BYTES = 256 * 1024 * 1024  # of an unpacked body; a receiver takes less
_FORGOTTEN_AT_ONCE = 1_000
_LEVEL = 1

_TABLE = IncomingBatch._meta.db_table
_WAITING = f"SELECT coalesce(sum(size), 0)::bigint FROM {_TABLE} WHERE done_at IS NULL"  # noqa: S608 -- our table
_DONE = f"UPDATE {_TABLE} SET done_at = now(), body = '' WHERE number = ANY(%s)"  # noqa: S608
_FAIL = f"UPDATE {_TABLE} SET done_at = now(), failure = %s WHERE number = ANY(%s)"  # noqa: S608
_FORGET = f"""
    DELETE FROM {_TABLE} WHERE number IN (
        SELECT number FROM {_TABLE} WHERE done_at < %s AND failure IS NULL
        ORDER BY done_at LIMIT {_FORGOTTEN_AT_ONCE} FOR UPDATE SKIP LOCKED)
"""  # noqa: S608


def keep(batches: Sequence[Batch]) -> None:
    """Store batches in one statement; those that are stored already stay as they are.

    In the order of their digests, so that two requests with the same batches wait for each other and never
    deadlock.
    """
    pack = zstandard.ZstdCompressor(level=_LEVEL).compress
    rows = [_row(batch, pack(batch.body)) for batch in sorted(batches, key=lambda batch: batch.digest)]
    IncomingBatch.objects.bulk_create(rows, ignore_conflicts=True)


def waiting_bytes() -> int:
    """The size of all batches that are not judged yet, compressed."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING)
        found: int = cursor.fetchone()[0]
    return found


def waiting(stream: StreamKey, most_items: int) -> list[tuple[IncomingBatch, bytes]]:
    """The oldest batches of a stream with their bodies, at most so many items together, but at least one."""
    named = {"signal": stream.signal, "service": stream.service, "scope": stream.scope}
    found: list[tuple[IncomingBatch, bytes]] = []
    items = 0
    for batch in IncomingBatch.objects.filter(done_at=None, **named).order_by("number")[:100]:
        items += batch.items
        if found and items > most_items:
            break
        found.append((batch, _unpacked(bytes(batch.body))))
    return found


def finish(batches: Sequence[IncomingBatch]) -> None:
    """Mark batches as judged and drop their bodies."""
    with connection.cursor() as cursor:
        cursor.execute(_DONE, [[batch.pk for batch in batches]])


def fail(batches: Sequence[IncomingBatch], why: str) -> None:
    """Set batches aside that can't be judged; they stay, with their bodies, until somebody deletes them."""
    with connection.cursor() as cursor:
        cursor.execute(_FAIL, [why, [batch.pk for batch in batches]])


def forget() -> int:
    """Delete rows that were judged longer ago than KEPT, a thousand at a time; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, [timezone.now() - KEPT])
        deleted: int = cursor.rowcount
    return deleted


def _row(batch: Batch, body: bytes) -> IncomingBatch:
    stream = batch.stream
    return IncomingBatch(
        digest=batch.digest,
        signal=stream.signal,
        service=stream.service,
        scope=stream.scope,
        items=batch.items,
        size=len(body),
        body=body,
    )


def _unpacked(body: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(body, max_output_size=MOST_BYTES)
