"""Sealing: signed statements about exact sets of entries, chained by hash.

Theory: the seals form a hash chain (Haber and Stornetta, "How to time-stamp a digital document", 1991). The
head of a seal is the SHA-256 of its statement, and the statement contains the head of the seal before it, so
a change to one seal changes every later head; finding another statement with the same head means finding a
SHA-256 collision. The Ed25519 signature keeps anyone without the private key from rebuilding the chain, and
a head kept elsewhere reveals a chain that was cut at its end or rebuilt by the holder of the key.

A seal lists the ids that it covers as exact ranges. A single range up to the newest id would skip entries
that are committed late, because ids are drawn before they are committed. Every seal therefore looks again at
the gaps below it. A gap is ``settled`` once every transaction that was running when it was seen has ended:
nothing can be committed into it any more, and `verify` reports an entry that appears there later as added.
No writer waits for a sealer.

A seal's ``seen`` holds the state of the ids: the newest committed one, the running transactions, and the last
id drawn. An entry receives its time after its id, both from the database's clock, so an entry whose id was
drawn after a seal can't have an earlier time than the seal.

A former seal's claims are used only if the seal is intact; otherwise an edited seal could keep later entries
from being sealed.
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

BATCH = 10_000  # entries per seal, at most
LARGEST = 2**63 - 2  # the largest id that a range can hold: its excluded upper bound is one more
_LOCK = 0x5EA1  # key of the advisory lock that allows one sealer at a time


class SealError(Exception):
    """Sealing can't continue; the message gives the reason."""


def seal(report: Callable[[AuditSeal], None] = lambda made: None) -> int:
    """Seal every committed entry that no seal covers yet and return their number.

    ``report`` is called with each new seal. Raises SealError if another sealer is running or the triggers
    that write the audit log are not intact, and KeyProblem without a key.
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
        (is_alone,) = cursor.fetchone()
        if not is_alone:
            raise SealError("another sealer is at work")
        _refuse_broken_writers()
        recent = [each for each in recent_seals(cursor) if is_as_sealed(each)]
        settled = _settled_by(recent)
        covering = [each for each in seals_above(cursor, settled) if is_as_sealed(each)]
        made_at, seen = _now(cursor), _seen(cursor)
        # Read after `seen`, so that every entry committed by then is among them and a gap is really a gap.
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
    """True if a seal is intact by its own hash and, if its key is known, by its signature."""
    parts, keys = canonical_rows.parts(seal), public_keys()
    if parts is None or not _has_hashes_of(seal, parts) or seal.seen.count(":") not in (2, 3):
        return False
    statement = canonical_rows.statement_of(seal)
    if seal.key in keys and not is_signed(keys[seal.key], seal.signature, statement):
        return False
    return seal.head == canonical_rows.head_of(statement)


def _has_hashes_of(seal: AuditSeal, parts: Sequence[Range[int]]) -> bool:
    """True if a seal has exactly one hash for each id that it covers."""
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
    now: datetime
    (now,) = cursor.fetchone()
    return now


# The order of the three statements matters. A transaction that drew an id before the first holds its table
# lock during the second, with or without a transaction number; if it has a number by then, that number is
# below the next one that the third reads.
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
    """The state of the ids: the last one drawn, the newest committed one, and the running transactions."""
    drawn = drawn_ids(cursor)
    cursor.execute(f"SELECT coalesce(max(id), 0) FROM {ours('audit_log')} WHERE id <= %s", [LARGEST])  # noqa: S608
    (newest,) = cursor.fetchone()
    cursor.execute(_BETWEEN, [ours("audit_log")])
    (is_between,) = cursor.fetchone()
    if is_between:
        newest = 0
    cursor.execute(_RUNNING)
    oldest, following = cursor.fetchone()
    return Seen(newest, int(oldest), int(following), drawn)


def drawn_ids(cursor: CursorWrapper) -> int | None:
    """The last id that the audit log's sequence gave; None if this role may not read it."""
    cursor.execute(_DRAWN, {"sequence": ours("audit_log_id_seq")})
    drawn: int | None
    (drawn,) = cursor.fetchone()
    return drawn


def _settled_by(recent: Sequence[AuditSeal]) -> int:
    """The id up to which these seals settled gaps; claims beyond the ids that they cover are ignored."""
    reached = max((part.upper or 0 for each in recent for part in each.ids), default=0)
    return max((each.settled for each in recent if each.settled < reached), default=0)


def _settled(recent: Sequence[AuditSeal], settled: int, seen: Seen) -> int:
    """The id up to which every gap is settled: the newest one that a former seal saw, provided that every
    transaction running at that time has ended."""
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
    """Sorted ids as ranges with the upper bound excluded."""
    parts: list[list[int]] = []
    for each in ids:
        if parts and parts[-1][1] == each:
            parts[-1][1] = each + 1
        else:
            parts.append([each, each + 1])
    return Multirange([Range(low, high) for low, high in parts])
