"""Verification: everything that the seals state, recomputed from the entries; a sentence per difference.

Seals, entries and tables are read in one REPEATABLE READ transaction, hence from one snapshot, so that
changes made during the run are not reported as differences.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from anomalies.models import AuditSeal
from anomalies.schema.privileges import beyond_roles
from anomalies.schema.search_path import holders, pinned
from anomalies.schema.shadows import shadows

from . import canonical_rows, replay_sources
from .guards import TABLES, differences, fingerprint
from .keys import is_signed, public_keys
from .seal_rows import all_seals, row_hashes
from .sealed_rows import SealedRows, all_rows
from .seals import drawn_ids

MOST = 20  # problems of the seals that are listed


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a verification: problems as sentences, and the numbers of seals and entries read.

    ``unsealed`` entries are covered by no seal yet; ``head`` is that of the last seal, in hexadecimal;
    ``replayed`` is the number of rows compared with the replayed audit log, None without replay.
    """

    problems: tuple[str, ...]
    seals: int
    rows: int
    unsealed: int
    head: str
    replayed: int | None = None

    @property
    def is_sound(self) -> bool:
        """True if there are no problems."""
        return not self.problems


def verify(
    heads: list[str] | None = None,
    most: int = MOST,
    *,
    replay: bool = False,
    known_roles: tuple[str, ...] = (),
) -> Verdict:
    """Check the chain, the entries, the guards, and ``heads`` that were kept elsewhere (hexadecimal).

    With ``replay`` the entries are folded forward and compared with the tables. At most ``most`` problems of
    the seals are listed. ``known_roles`` may act as the owner. Raises KeyProblem without a public key, and
    ReplayError if the role may not read the tables.
    """
    chained, schemas = _Chain(public_keys()), holders()
    with _one_moment() as cursor:
        # The chain is read first: entries sealed after that count as not sealed yet.
        broken = list(chained.problems(cursor))
        rows = SealedRows(chained.seals, partial(row_hashes, cursor))
        found = chain(
            broken,
            _head_problems(chained.seals, heads or []),
            _guard_problems(chained.seals),
            shadows(TABLES, schemas),
            beyond_roles(TABLES, known_roles),
            rows.problems(all_rows(), drawn_ids(cursor)),
        )
        problems, count = list(islice(found, most)), replay_sources.Count()
        if replay:
            problems += replay_sources.problems(cursor, count)
    replayed = count.rows if replay else None
    return Verdict(tuple(problems), len(chained.seals), rows.read, rows.unsealed, chained.head, replayed)


@contextmanager
def _one_moment() -> Iterator[CursorWrapper]:
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        with pinned() as cursor:
            yield cursor


# --- the chain --------------------------------------------------------------------------------------------


class _Chain:
    """The chain of seals; ``seals`` are those read so far, without their row hashes."""

    def __init__(self, keys: dict[str, Ed25519PublicKey]) -> None:
        self.keys = keys
        self.seals: list[AuditSeal] = []

    @property
    def head(self) -> str:
        """The head of the last seal, in hexadecimal."""
        return self.seals[-1].head if self.seals else canonical_rows.NOTHING

    def problems(self, cursor: CursorWrapper) -> Iterator[str]:
        """Read the seals into ``seals`` and yield a sentence for each problem."""
        settled = 0
        for number, seal in enumerate(all_seals(cursor), start=1):
            if seal.number != number:
                yield f"seal {number} is missing: the next one there is {seal.number}"
                return
            if seal.former != self.head:
                yield f"seal {number} does not follow seal {number - 1}: one stands in another's place"
            yield from self._edited(seal)
            if seal.settled < settled:
                yield f"seal {number} settles less than the seal before it"
            settled, seal.row_hashes = seal.settled, b""
            self.seals.append(seal)

    def _edited(self, seal: AuditSeal) -> Iterator[str]:
        number, statement = seal.number, canonical_rows.statement_of(seal)
        if seal.head != canonical_rows.head_of(statement):
            yield f"seal {number} was edited: its head is not the hash of what it says"
        if seal.key not in self.keys:
            yield f"seal {number} is signed with the unknown key {seal.key}: re-sealed, or a key is not given"
        elif not is_signed(self.keys[seal.key], seal.signature, statement):
            yield f"seal {number} was edited or re-sealed: its signature is not that of the key {seal.key}"
        if canonical_rows.parts(seal) is None:
            yield f"seal {number} covers {canonical_rows.ids_as_text(seal.ids)}, which is no set of ids"


def _head_problems(seals: list[AuditSeal], heads: list[str]) -> Iterator[str]:
    there = {seal.head for seal in seals}
    for head in heads:
        if head.lower() not in there:
            yield f"the kept head {head} is not in the chain: its end was cut, or all of it was made again"


def _guard_problems(seals: list[AuditSeal]) -> Iterator[str]:
    found = differences()
    yield from found
    if seals and not found and seals[-1].guard != fingerprint():
        yield (
            "the triggers, functions and tables are not those of the last seal: seal after a migration; "
            "otherwise somebody changed them, and this program as well"
        )
