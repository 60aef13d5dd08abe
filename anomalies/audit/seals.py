"""Sealing: signed statements about exact sets of entries, each bound to the one before.

A seal names the ids that it covers one by one (as ranges). A range from the last id to the newest would
skip entries that are committed late: ids are drawn before they are committed. So every seal looks again at
the gaps below it. A gap is ``settled`` once every transaction that ran when it was seen has ended: nothing
can be committed into it any more, and an entry that appears there later was added; `verify` names it. No
writer waits for a sealer.

A seal's ``seen`` holds what it knew of the ids: the newest committed one, the transactions that ran, and
the last id that was drawn. An entry is given its time after its id, both by the database's clock: one whose
id was drawn after a seal can't have an earlier time than the seal.

What former seals say is used only where it is what was sealed: of a seal that was edited neither the ids nor
what it settled count, so that an edited one does not keep later entries from being sealed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime

from django.db.backends.utils import CursorWrapper
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from anomalies.models import AuditSeal
from anomalies.schema.search_path import holders, ours, pinned

from . import canonical_rows
from .guards import broken_writers, fingerprint
from .keys import is_signed, key_id, public_keys, sealing_key
from .seal_rows import Seen, insert, place_of_next, recent_seals, seals_above, seen_by

BATCH = 10_000  # entries a seal covers at most
LARGEST = 2**63 - 2  # the largest id that a set of ids can hold: its end is one more
_LOCK = 0x5EA1  # an advisory lock: of two sealers at once one works


class SealError(Exception):
    """Sealing that can't go on; the message says why."""


def seal(report: Callable[[AuditSeal], None] = lambda made: None) -> int:
    """Seal every committed entry that no seal covers yet; returns how many. ``report`` is called with each
    seal.

    Raises SealError where another sealer is at work or the triggers that write the audit log are not
    intact, and KeyProblem without a key.
    """
    sealing_key()
    total = 0
    while made := _seal_batch():
        report(made)
        total += made.rows
        if made.rows < BATCH:
            break
    return total


def _seal_batch() -> AuditSeal | None:
    _refuse_copies()
    with pinned() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            raise SealError("another sealer is at work")
        _refuse_broken_writers()
        recent = [each for each in recent_seals(cursor) if is_as_sealed(each)]
        settled = _settled_by(recent)
        covering = [each for each in seals_above(cursor, settled) if is_as_sealed(each)]
        made_at, seen = _now(cursor), _seen(cursor)
        # Read after `seen`: what was committed by then is among them, so what is still a gap now stays one.
        entries = _unsealed(covering, settled)
        if len(entries) < BATCH:
            settled = _settled(recent, settled, seen)
        if not entries:
            return None
        number, former = place_of_next(cursor, max((each.number for each in recent), default=1))
        made = _signed(number, former or canonical_rows.NOTHING, entries, settled, seen, made_at)
        insert(cursor, made)
        return made


def _refuse_broken_writers() -> None:
    broken = broken_writers()
    if broken:
        raise SealError("what writes the audit log is not intact: " + "; ".join(broken))


def _refuse_copies() -> None:
    schemas = holders()
    if len(schemas) > 1:
        raise SealError(f"there is an audit_log in each of the schemas {', '.join(schemas)}; drop the copy")


def is_as_sealed(seal: AuditSeal) -> bool:
    """Whether a seal says what was sealed: by its own hash, and by its signature where the key is known."""
    parts, keys = canonical_rows.parts(seal), public_keys()
    if parts is None or not _has_hashes_of(seal, parts) or seal.seen.count(":") not in (2, 3):
        return False
    statement = canonical_rows.statement_of(seal)
    if seal.key in keys and not is_signed(keys[seal.key], seal.signature, statement):
        return False
    return seal.head == canonical_rows.head_of(statement)


def _has_hashes_of(seal: AuditSeal, parts: Sequence[Range[int]]) -> bool:
    """Whether it holds a hash for each id that it covers: none covers more ids than it has bytes for."""
    ids = sum((each.upper or 0) - (each.lower or 0) for each in parts)
    return ids * canonical_rows.HASH_BYTES == seal.rows * canonical_rows.HASH_BYTES == len(seal.row_hashes)


def _unsealed(covering: Sequence[AuditSeal], settled: int) -> list[bytes]:
    """The first BATCH entries above ``settled`` that none of these seals covers."""
    covered: Multirange[int] = Multirange([part for each in covering for part in each.ids])
    statement = f"""
        id IN (SELECT id FROM {ours("audit_log")}
               WHERE id > %s AND id BETWEEN 1 AND %s AND NOT id <@ %s::int8multirange ORDER BY id LIMIT %s)
    """  # noqa: S608 - the name is ours
    return list(canonical_rows.rows(statement, [settled, LARGEST, covered, BATCH]))


# --- what is known of the ids -----------------------------------------------------------------------------


def _now(cursor: CursorWrapper) -> datetime:
    cursor.execute("SELECT clock_timestamp()")
    now: datetime = cursor.fetchone()[0]
    return now


# In this order: a transaction that had drawn an id by the first statement holds its lock at the second,
# with a transaction number or without; one that has a number by then is below the next number that the
# third reads.
_DRAWN = """
    SELECT CASE WHEN has_sequence_privilege(%(sequence)s, 'SELECT, USAGE')
           THEN coalesce(pg_sequence_last_value(%(sequence)s::regclass), 0) END
"""
_BETWEEN = """
    SELECT EXISTS (
        SELECT FROM pg_locks AS held
        WHERE held.locktype = 'relation' AND held.relation = %s::regclass
          AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND held.mode = 'RowExclusiveLock' AND held.granted AND held.pid <> pg_backend_pid()
          AND NOT EXISTS (
              SELECT FROM pg_locks AS own
              WHERE own.locktype = 'transactionid' AND own.mode = 'ExclusiveLock'
                AND own.virtualtransaction = held.virtualtransaction))
"""
_RUNNING = (
    "SELECT pg_snapshot_xmin(pg_current_snapshot())::text, pg_snapshot_xmax(pg_current_snapshot())::text"
)


def _seen(cursor: CursorWrapper) -> Seen:
    """How far ids were drawn and committed, and the transactions that run."""
    drawn = drawn_ids(cursor)
    cursor.execute(f"SELECT coalesce(max(id), 0) FROM {ours('audit_log')} WHERE id <= %s", [LARGEST])  # noqa: S608
    newest = cursor.fetchone()[0]
    cursor.execute(_BETWEEN, [ours("audit_log")])
    if cursor.fetchone()[0]:
        newest = 0
    cursor.execute(_RUNNING)
    oldest, following = cursor.fetchone()
    return Seen(newest, int(oldest), int(following), drawn)


def drawn_ids(cursor: CursorWrapper) -> int | None:
    """The last id that the sequence of the audit log gave; None where this role may not read it."""
    cursor.execute(_DRAWN, {"sequence": ours("audit_log_id_seq")})
    drawn: int | None = cursor.fetchone()[0]
    return drawn


def _settled_by(recent: Sequence[AuditSeal]) -> int:
    """Up to which id these seals settled gaps; a claim about ids that none of them reaches does not count."""
    reached = max((part.upper or 0 for each in recent for part in each.ids), default=0)
    return max((each.settled for each in recent if each.settled < reached), default=0)


def _settled(recent: Sequence[AuditSeal], settled: int, seen: Seen) -> int:
    """The id up to which every gap is settled: what a former seal saw, if all that ran then has ended."""
    former = [seen_by(each) for each in recent]
    return max([settled, *(each.newest for each in former if each.following <= seen.oldest)])


# --- the seal ---------------------------------------------------------------------------------------------


def _signed(
    number: int, former: str, entries: list[bytes], settled: int, seen: Seen, made_at: datetime
) -> AuditSeal:
    key = sealing_key()
    made = AuditSeal(
        number=number,
        made_at=made_at,
        ids=_ranges([canonical_rows.id_of(row) for row in entries]),
        rows=len(entries),
        settled=settled,
        seen=str(seen),
        digest=hashlib.sha256(b"".join(row + b"\n" for row in entries)).hexdigest(),
        row_hashes=b"".join(map(canonical_rows.row_hash, entries)),
        guard=fingerprint(),
        former=former,
        key=key_id(key.public_key()),
    )
    statement = canonical_rows.statement_of(made)
    made.signature, made.head = key.sign(statement).hex(), canonical_rows.head_of(statement)
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
