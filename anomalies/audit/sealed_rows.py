"""The entries of the audit log against the ids and hashes of the seals, in one pass over both.

Entries come in the order of their ids, and so do the ranges that seals cover; each entry is hashed into
the seal that covers it. An id that a seal covers and no entry has was removed; an entry that no seal covers
is new, or was added where nothing can be committed any more.
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
_SEALS_AT_ONCE = 32  # whose hashes are in memory: late entries of a seal lie among those of the next ones
_LARGEST = 2**63 - 1  # of bigint

_Span = tuple[int, int, int]  # the first id, the one after the last, and the place of the seal


@dataclass(slots=True)
class _Open:
    """A seal whose rows are being read: what was hashed so far, and whether one of them is gone or edited."""

    seal: AuditSeal
    hashed: Any = field(default_factory=hashlib.sha256)
    position: int = 0
    is_harmed: bool = False


@dataclass(frozen=True, slots=True)
class _Clock:
    """The last id that was ``drawn`` when a seal was made, and when that was."""

    drawn: int
    made_at: datetime
    number: int


class SealedRows:
    """One pass: ``read`` entries, of which ``unsealed`` are covered by no seal.

    ``hashes`` reads the hashes of the rows of the seal with a number.
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
        """What is wrong with them; ``drawn`` is the last id that the sequence gave, if that is known."""
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
        """An entry that the sequence did not number, or whose time is before a seal that is older than its
        id."""
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
                yield f"an entry of seal {number} was edited: the digest of them all is another"


def all_rows() -> Iterator[bytes]:
    """Every entry, some at a time: while COPY runs, no seal's hashes could be read."""
    first: int | None = -(2**63)  # an entry that was added by hand can have any id
    statement = f"id IN (SELECT id FROM {ours('audit_log')} WHERE id >= %s ORDER BY id LIMIT %s)"  # noqa: S608
    while first is not None and (some := list(canonical_rows.rows(statement, [first, _AT_ONCE]))):
        yield from some
        last = canonical_rows.id_of(some[-1])
        first = last + 1 if last < _LARGEST else None


def is_before(text: bytes, moment: datetime) -> bool:
    """Whether a time as COPY writes it, in UTC, is before a moment; PostgreSQL knows times that Python does
    not."""
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
    """The place of the next id that a seal covers, and the id."""
    if due + 1 < spans[place][1]:
        return place, due + 1
    place += 1
    return place, spans[place][0] if place < len(spans) else None


def _clocks(seals: Sequence[AuditSeal]) -> list[_Clock]:
    """When which id was the last one drawn, by the seals that wrote it down, the last seal first."""
    found: list[_Clock] = []
    for seal in seals:
        try:
            drawn = seen_by(seal).drawn
        except ValueError:  # it was edited, which the chain says
            continue
        if drawn is not None and (not found or seal.made_at > found[-1].made_at):
            found.append(_Clock(drawn, seal.made_at, seal.number))
    return sorted(found, key=lambda clock: -clock.drawn)
