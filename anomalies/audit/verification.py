"""Verifying: everything that the seals say, recomputed from the rows; what is wrong is named."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import transaction

from anomalies.models import AuditSeal

from . import canonical_rows
from .guards import differences, fingerprint
from .keys import is_signed, public_keys

_AT_ONCE = 20_000  # entries in memory
_SEALS_AT_ONCE = 32  # whose hashes are in memory: late entries of a seal lie among those of the next ones
_NEXT_ROWS = "id IN (SELECT id FROM audit_log WHERE id >= %s ORDER BY id LIMIT %s)"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verifying found: problems in words, the first one first, and how much was looked at."""

    problems: tuple[str, ...]
    seals: int
    rows: int
    unsealed: int
    head: str

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


@dataclass(slots=True)
class _Open:
    """A seal whose rows go by: what was hashed so far."""

    seal: AuditSeal
    hashed: object = field(default_factory=hashlib.sha256)
    position: int = 0
    harmed: bool = False


def verify(heads: list[str] | None = None, most: int = 20) -> Verdict:
    """Check the chain, the rows, what writes them, and heads that were kept elsewhere (in hexadecimal).

    Tells at most ``most`` problems. Raises KeyProblem without a public key.
    """
    keys = public_keys()
    with transaction.atomic():
        # The seals first: what is sealed meanwhile counts as not sealed yet.
        broken = list(_chain_problems(AuditSeal.objects.order_by("number").iterator(100), keys))
        seals = list(AuditSeal.objects.order_by("number").defer("row_hashes"))
        counts = [0, 0]
        found = [
            *broken,
            *_head_problems(seals, heads or []),
            *_guard_problems(seals),
        ]
        for problem in _row_problems(seals, counts):
            found.append(problem)
            if len(found) >= most:
                break
    head = seals[-1].head if seals else canonical_rows.NOTHING
    return Verdict(tuple(found[:most]), len(seals), counts[0], counts[1], head)


# --- the chain --------------------------------------------------------------------------------------------


def _chain_problems(seals: Iterable[AuditSeal], keys: dict[str, Ed25519PublicKey]) -> Iterator[str]:
    former, settled = canonical_rows.NOTHING, 0
    for number, seal in enumerate(seals, start=1):
        if seal.number != number:
            yield f"seal {number} is missing: the next one there is {seal.number}"
            return
        if seal.former != former:
            yield f"seal {number} does not follow seal {number - 1}: one of them was put in another's place"
        statement = canonical_rows.statement_of(seal)
        if seal.head != canonical_rows.head_of(statement):
            yield f"seal {number} was edited: its head is not the hash of what it says"
        if seal.key not in keys:
            yield f"seal {number} is signed with the unknown key {seal.key}: re-sealed, or a key is not given"
        elif not is_signed(keys[seal.key], seal.signature, statement):
            yield f"seal {number} was edited or re-sealed: its signature is not that of the key {seal.key}"
        if seal.settled < settled:
            yield f"seal {number} has gone back behind what was settled"
        former, settled = seal.head, seal.settled


def _head_problems(seals: list[AuditSeal], heads: list[str]) -> Iterator[str]:
    there = {seal.head for seal in seals}
    for head in heads:
        if head.lower() not in there:
            yield f"the head {head} that was kept is not in the chain: its end was cut, or it was built anew"


def _guard_problems(seals: list[AuditSeal]) -> Iterator[str]:
    yield from differences()
    if seals and not differences() and seals[-1].guard != fingerprint():
        yield (
            "the triggers and functions are not those of the last seal; after a migration, seal; "
            "else somebody changed them, and this program too"
        )


# --- the rows ---------------------------------------------------------------------------------------------


def _row_problems(seals: list[AuditSeal], counts: list[int]) -> Iterator[str]:
    """The rows in the order of their ids against the seals' ids. ``counts``: looked at, unsealed."""
    opened = [_Open(seal) for seal in seals]
    hashes = lru_cache(maxsize=_SEALS_AT_ONCE)(_row_hashes)
    spans = sorted(
        (part.lower, part.upper, number) for number, each in enumerate(opened) for part in each.seal.ids
    )
    yield from _overlaps(spans, opened)
    settled = max((seal.settled for seal in seals), default=0)
    place, due = 0, spans[0][0] if spans else None
    for row in _all_rows():
        counts[0] += 1
        number = canonical_rows.id_of(row)
        while due is not None and due < number:
            yield f"entry {due} was removed (seal {opened[spans[place][2]].seal.number})"
            opened[spans[place][2]].harmed = True
            opened[spans[place][2]].position += 1
            place, due = _next(spans, place, due)
        if due is None or number < due:
            if number <= settled:
                yield f"entry {number} was added: no seal covers it, and its time is over"
            counts[1] += 1
            continue
        yield from _against(opened[spans[place][2]], hashes, row, number)
        place, due = _next(spans, place, due)
    while due is not None:
        yield f"entry {due} was removed (seal {opened[spans[place][2]].seal.number})"
        opened[spans[place][2]].harmed = True
        place, due = _next(spans, place, due)
    yield from _digests(opened)


def _all_rows() -> Iterator[bytes]:
    """All entries, some at a time: while they come in, no hash could be asked for."""
    first = -(2**63)  # an entry that was added by hand can have any id
    while some := list(canonical_rows.rows(_NEXT_ROWS, [first, _AT_ONCE])):
        yield from some
        first = canonical_rows.id_of(some[-1]) + 1


def _next(spans: list[tuple[int, int, int]], place: int, due: int) -> tuple[int, int | None]:
    """The place of the next id that is due, and the id."""
    if due + 1 < spans[place][1]:
        return place, due + 1
    place += 1
    return place, spans[place][0] if place < len(spans) else None


def _overlaps(spans: list[tuple[int, int, int]], opened: list[_Open]) -> Iterator[str]:
    for (_, upper, number), (lower, _, other) in pairwise(spans):
        if lower < upper:
            names = opened[number].seal.number, opened[other].seal.number
            yield f"entry {lower} is covered twice, by the seals {names[0]} and {names[1]}"


def _row_hashes(seal: int) -> bytes:
    return bytes(AuditSeal.objects.values_list("row_hashes", flat=True).get(pk=seal))


def _against(open_seal: _Open, hashes: Callable[[int], bytes], row: bytes, number: int) -> Iterator[str]:
    at = open_seal.position * canonical_rows.HASH_BYTES
    kept = hashes(open_seal.seal.number)[at : at + canonical_rows.HASH_BYTES]
    open_seal.hashed.update(row + b"\n")  # type: ignore[attr-defined]
    open_seal.position += 1
    if canonical_rows.row_hash(row) != kept:
        open_seal.harmed = True
        yield f"entry {number} was edited (seal {open_seal.seal.number})"


def _digests(opened: list[_Open]) -> Iterator[str]:
    for each in opened:
        number = each.seal.number
        if each.position != each.seal.rows:
            yield f"seal {number} says {each.seal.rows} entries and covers {each.position}"
        elif not each.harmed and each.hashed.hexdigest() != each.seal.digest:  # type: ignore[attr-defined]
            yield f"an entry of seal {number} was edited: the digest of them all is another"
