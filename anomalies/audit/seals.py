"""Sealing: signed statements over exact sets of entries, each bound to the one before.

A seal names the ids that it covers one by one (as ranges). A range from the last id to the newest would skip
who commits late: ids are handed out before they are committed. So every seal looks again at the gaps below
it. A gap is ``settled``, dead for good, once every transaction that ran when it was seen has ended; an entry
that turns up there later is an added one, and `verify` names it. No writer waits for a sealer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from anomalies.models import AuditSeal

from . import canonical_rows
from .guards import differences, fingerprint
from .keys import key_id, sealing_key

BATCH = 10_000  # entries a seal covers at most
_LOCK = 0x5EA1  # an advisory lock: of two sealers at once one works


class SealError(Exception):
    """Sealing that can't go on; the message says why."""


def seal(tell: Callable[[AuditSeal], None] = lambda made: None) -> int:
    """Seal every committed entry that no seal covers yet; the number of entries.

    Raises SealError where another sealer is at work or what writes the record is not as it should be, and
    KeyProblem without a key.
    """
    sealing_key()
    total = 0
    while made := _seal_batch():
        tell(made)
        total += made.rows
        if made.rows < BATCH:
            break
    return total


def _seal_batch() -> AuditSeal | None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            raise SealError("another sealer is at work")
        broken = differences()
        if broken:
            raise SealError("the record is not kept as it should be: " + "; ".join(broken))
        last = AuditSeal.objects.order_by("-number").first()
        settled, seen = last.settled if last else 0, _seen(cursor)
        # Read after `seen`: who had ended by then is among them, so what is still a gap now stays one.
        entries = list(canonical_rows.rows(_UNSEALED, [settled, settled, BATCH]))
        if len(entries) < BATCH:
            settled = _settled(last, seen)
        return _signed(last, entries, settled, seen) if entries else None


_UNSEALED = """
    id IN (
        SELECT id FROM audit_log WHERE id > %s AND NOT id <@ coalesce(
            (SELECT range_agg(part) FROM audit_seals, unnest(ids) AS part WHERE upper(ids) > %s), '{}')
        ORDER BY id LIMIT %s
    )
"""


# In this order: whoever had taken an id by the first question holds its lock at the second, with a number or
# without; one that has a number by then is below the next number that the third tells.
_NEWEST = "SELECT coalesce(max(id), 0) FROM audit_log"
_BETWEEN = """
    SELECT EXISTS (
        SELECT FROM pg_locks AS held
        WHERE held.locktype = 'relation' AND held.relation = 'audit_log'::regclass
          AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND held.mode = 'RowExclusiveLock' AND held.granted AND held.pid <> pg_backend_pid()
          AND NOT EXISTS (
              SELECT FROM pg_locks AS own
              WHERE own.locktype = 'transactionid' AND own.mode = 'ExclusiveLock'
                AND own.virtualtransaction = held.virtualtransaction))
"""
_RUNNING = "SELECT pg_snapshot_xmin(pg_current_snapshot()), pg_snapshot_xmax(pg_current_snapshot())"


def _seen(cursor: Any) -> str:
    """How far ids were handed out, and the transactions that ran then: "last id:oldest running:next"."""
    cursor.execute(_NEWEST)
    newest = cursor.fetchone()[0]
    cursor.execute(_BETWEEN)
    if cursor.fetchone()[0]:
        newest = 0
    cursor.execute(_RUNNING)
    return ":".join(map(str, (newest, *cursor.fetchone())))


def _settled(last: AuditSeal | None, seen: str) -> int:
    """The id up to which every gap is dead: what a former seal saw, if all that ran then has ended."""
    if last is None:
        return 0
    _, oldest_running, _ = map(int, seen.split(":"))
    settled = last.settled
    for number, former in AuditSeal.objects.filter(number__gt=last.number - 50).values_list("number", "seen"):
        newest_id, _, next_then = map(int, former.split(":"))
        if next_then <= oldest_running and number <= last.number:
            settled = max(settled, newest_id)
    return settled


def _signed(last: AuditSeal | None, entries: list[bytes], settled: int, seen: str) -> AuditSeal:
    key = sealing_key()
    made = AuditSeal(
        number=last.number + 1 if last else 1,
        made_at=datetime.now(UTC),
        ids=_ranges([canonical_rows.id_of(row) for row in entries]),
        rows=len(entries),
        settled=settled,
        seen=seen,
        digest=hashlib.sha256(b"".join(row + b"\n" for row in entries)).hexdigest(),
        row_hashes=b"".join(map(canonical_rows.row_hash, entries)),
        guard=fingerprint(),
        former=last.head if last else canonical_rows.NOTHING,
        key=key_id(key.public_key()),
    )
    statement = canonical_rows.statement_of(made)
    made.signature, made.head = key.sign(statement).hex(), canonical_rows.head_of(statement)
    made.save(force_insert=True)
    return made


def _ranges(ids: list[int]) -> Multirange[int]:
    """Ids in order as ranges, the upper bound out."""
    parts: list[list[int]] = []
    for each in ids:
        if parts and parts[-1][1] == each:
            parts[-1][1] = each + 1
        else:
            parts.append([each, each + 1])
    return Multirange([Range(low, high) for low, high in parts])
