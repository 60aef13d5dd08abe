"""The entries of the audit log compared with the ids and hashes of the seals, in one pass over both.

It is a merge join: entries and the ranges that seals cover are both sorted by id, and each entry is hashed
into the seal that covers it. An id that is sealed but has no entry was removed. An entry that no seal covers
is new, or, at or below the settled id, where nothing can be committed any more, was added by hand. Memory
is bounded by the number of seals, not of entries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any

from anomalies.models import AuditSeal
from anomalies.schema.search_path import ours

from . import canonical_rows
from .seal_rows import seen_by

_AT_ONCE = 20_000  # entries in memory
_SEALS_AT_ONCE = 32  # with hashes in memory: a seal's late entries lie among those of the next ones
_LARGEST = 2**63 - 1  # of bigint

_Span = tuple[int, int, int]  # the first id, the one after the last, and the place of the seal


@dataclass(slots=True)
class _Open:
    """A seal whose rows are being read: the hash so far; ``is_harmed`` if a row is missing or edited."""

    seal: AuditSeal
    hashed: Any = field(default_factory=hashlib.sha256)
    position: int = 0
    is_harmed: bool = False


@dataclass(frozen=True, slots=True)
class _Clock:
    """The last id ``drawn`` when the seal ``number`` was made, and the time of that."""

    drawn: int
    made_at: datetime
    number: int


class SealedRows:
    """One pass over the entries: ``read`` counts them, ``unsealed`` those that no seal covers.

    ``hashes`` returns the concatenated row hashes of the seal with the given number.
    """

    def __init__(self, seals: list[AuditSeal], hashes: Callable[[int], bytes]) -> None:
        self.read = self.unsealed = 0
        self._hashes = lru_cache(maxsize=_SEALS_AT_ONCE)(hashes)
        self._opened = [_Open(seal) for seal in seals if canonical_rows.parts(seal) is not None]
        self._spans = _spans(self._opened)
        self._settled = max((each.seal.settled for each in self._opened), default=0)
        self._clocks = _clocks(seals)
        self._past: _Clock | None = None

    def problems(self, rows: Iterator[bytes], drawn: int | None) -> Iterator[str]:
        """Yield a sentence for each problem; ``drawn`` is the sequence's last id, None if unknown."""
        yield from self._overlaps()
        place, due = 0, self._spans[0][0] if self._spans else None
        for row in rows:
            self.read += 1
            number = canonical_rows.id_of(row)
            yield from self._out_of_time(row, number, drawn)
            while due is not None and due < number:
                yield self._removed(place, due)
                place, due = _next(self._spans, place, due)
            if due is None or number < due:
                self.unsealed += 1
                if number <= self._settled:
                    yield f"entry {number} was added: no seal covers it, and nothing can be committed there"
                continue
            yield from self._against(self._opened[self._spans[place][2]], row, number)
            place, due = _next(self._spans, place, due)
        while due is not None:
            yield self._removed(place, due)
            place, due = _next(self._spans, place, due)
        yield from self._digests()

    def _overlaps(self) -> Iterator[str]:
        for (_, upper, number), (lower, _, other) in pairwise(self._spans):
            if lower < upper:
                names = self._opened[number].seal.number, self._opened[other].seal.number
                yield f"entry {lower} is covered twice, by the seals {names[0]} and {names[1]}"

    def _out_of_time(self, row: bytes, number: int, drawn: int | None) -> Iterator[str]:
        """A sentence if the id was never drawn, or if the entry's time precedes a seal older than its id."""
        if number < 1 or (drawn is not None and number > drawn):
            yield f"entry {number} was added by hand: its id was never drawn from the sequence"
            return
        while self._clocks and self._clocks[-1].drawn < number:
            self._past = self._clocks.pop()
        if self._past and is_before(row.split(b"\t", 2)[1], self._past.made_at):
            yield (
                f"entry {number} was numbered after seal {self._past.number} was made "
                f"({canonical_rows.moment(self._past.made_at)}), and its time is before that: "
                "it was set by hand, or the server's clock was set back"
            )

    def _removed(self, place: int, due: int) -> str:
        harmed = self._opened[self._spans[place][2]]
        harmed.is_harmed = True
        harmed.position += 1
        return f"entry {due} was removed (seal {harmed.seal.number})"

    def _against(self, opened: _Open, row: bytes, number: int) -> Iterator[str]:
        at = opened.position * canonical_rows.HASH_BYTES
        kept = self._hashes(opened.seal.number)[at : at + canonical_rows.HASH_BYTES]
        opened.hashed.update(row + b"\n")
        opened.position += 1
        if canonical_rows.row_hash(row) != kept:
            opened.is_harmed = True
            yield f"entry {number} was edited (seal {opened.seal.number})"

    def _digests(self) -> Iterator[str]:
        for each in self._opened:
            number = each.seal.number
            if each.position != each.seal.rows:
                yield f"seal {number} says {each.seal.rows} entries and covers {each.position}"
            elif not each.is_harmed and each.hashed.hexdigest() != each.seal.digest:
                yield f"an entry of seal {number} was edited: the digest of its entries does not match"


def all_rows() -> Iterator[bytes]:
    """Every entry, 20,000 at a time: while a COPY runs, the connection can't read a seal's hashes."""
    first: int | None = -(2**63)  # an entry that was added by hand can have any id
    statement = f"id IN (SELECT id FROM {ours('audit_log')} WHERE id >= %s ORDER BY id LIMIT %s)"  # noqa: S608
    while first is not None and (some := list(canonical_rows.rows(statement, [first, _AT_ONCE]))):
        yield from some
        last = canonical_rows.id_of(some[-1])
        first = last + 1 if last < _LARGEST else None


def is_before(text: bytes, moment: datetime) -> bool:
    """True if a time in COPY's text format (UTC) is before ``moment``, also outside Python's range."""
    said = text.decode()
    if said == "-infinity" or said.endswith(" BC"):
        return True
    try:
        return datetime.fromisoformat(said) < moment
    except ValueError:  # infinity, or a year above 9999
        return False


def _spans(opened: Sequence[_Open]) -> list[_Span]:
    parts = (
        (part.lower, part.upper, place)
        for place, each in enumerate(opened)
        for part in canonical_rows.parts(each.seal) or ()
    )
    return sorted(
        (lower, upper, place) for lower, upper, place in parts if lower is not None and upper is not None
    )


def _next(spans: Sequence[_Span], place: int, due: int) -> tuple[int, int | None]:
    """The index of the span with the next sealed id, and that id (None at the end)."""
    if due + 1 < spans[place][1]:
        return place, due + 1
    place += 1
    return place, spans[place][0] if place < len(spans) else None


def _clocks(seals: Sequence[AuditSeal]) -> list[_Clock]:
    """The clocks of the seals that stored the last drawn id, the highest id first."""
    found: list[_Clock] = []
    for seal in seals:
        try:
            drawn = seen_by(seal).drawn
        except ValueError:  # edited: the check of the chain reports it
            continue
        if drawn is not None and (not found or seal.made_at > found[-1].made_at):
            found.append(_Clock(drawn, seal.made_at, seal.number))
    return sorted(found, key=lambda clock: -clock.drawn)
