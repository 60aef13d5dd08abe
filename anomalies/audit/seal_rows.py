"""Reading and writing the rows of ``audit_seals``, with the schema named, in a transaction of ``pinned``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.backends.utils import CursorWrapper

from anomalies.models import AuditSeal
from anomalies.schema.search_path import ours

_AT_ONCE = 32  # seals with their hashes in memory, at most 80 kB each
_LOOKED_BACK = 50  # seals: a transaction that outlasts so many delays settling
_FIELDS = tuple(field.attname for field in AuditSeal._meta.concrete_fields)
_COLUMNS = ", ".join(_FIELDS)
# A time outside Python's range was set by hand; clamped into the range it fails the signature, as it should.
_MADE_AT = "greatest('0001-01-02Z', least(made_at, '9999-12-30Z')) AS made_at"
_READ = _COLUMNS.replace("made_at", _MADE_AT)


@dataclass(frozen=True, slots=True)
class Seen:
    """The state of the ids when a seal was made.

    ``newest`` is the newest committed id, ``oldest`` the oldest running transaction, ``following`` the next
    transaction number, ``drawn`` the last id that the sequence gave (None in seals that did not store it).
    """

    newest: int
    oldest: int
    following: int
    drawn: int | None = None

    def __str__(self) -> str:
        known = (self.newest, self.oldest, self.following, self.drawn)
        return ":".join(str(number) for number in known if number is not None)


def seen_by(seal: AuditSeal) -> Seen:
    """The parsed ``seen`` of a seal. Raises ValueError if its text was edited."""
    numbers = [int(part) for part in seal.seen.split(":")]
    if len(numbers) not in (3, 4):
        raise ValueError(f"seal {seal.number} says {len(numbers)} numbers")
    return Seen(*numbers)


def all_seals(cursor: CursorWrapper) -> Iterator[AuditSeal]:
    """Every seal, ordered by number, read 32 at a time."""
    last = None
    while some := _read(cursor, "%s::bigint IS NULL OR number > %s", [last, last], _AT_ONCE):
        yield from some
        last = some[-1].number


def row_hashes(cursor: CursorWrapper, number: int) -> bytes:
    """The concatenated row hashes of the seal ``number``."""
    cursor.execute(f"SELECT row_hashes FROM {ours('audit_seals')} WHERE number = %s", [number])  # noqa: S608
    (hashes,) = cursor.fetchone()
    return bytes(hashes)


def newest_seal(cursor: CursorWrapper) -> AuditSeal | None:
    """The seal with the highest number; None if there is none."""
    found = _read(cursor, "number = (SELECT max(number) FROM {seals})", [], 1)
    return found[0] if found else None


def recent_seals(cursor: CursorWrapper) -> list[AuditSeal]:
    """The last 50 seals, from which the next one derives the settled ids."""
    condition = "number IN (SELECT number FROM {seals} ORDER BY number DESC LIMIT %s)"
    return _read(cursor, condition, [_LOOKED_BACK], _LOOKED_BACK)


def seals_above(cursor: CursorWrapper, settled: int) -> list[AuditSeal]:
    """The seals that cover an id above ``settled``."""
    condition = "upper(ids) > %s OR upper_inf(ids) OR lower_inf(ids)"
    return _read(cursor, condition, [settled], None)


def seals_over(cursor: CursorWrapper, ids: list[int]) -> list[AuditSeal]:
    """The seals from the first one that covers one of these entries to the last."""
    one = "SELECT FROM unnest(%s::bigint[]) AS id WHERE ids @> id"
    first = f"SELECT min(number) FROM {{seals}} WHERE EXISTS ({one})"  # noqa: S608 - of ours alone
    return _read(cursor, f"number >= ({first})", [ids], None)


def place_of_next(cursor: CursorWrapper, after: int) -> tuple[int, str | None]:
    """The first free number above ``after`` and the head of the seal before it (None for the first)."""
    cursor.execute(
        f"SELECT number, head FROM {ours('audit_seals')} AS seal WHERE number >= %(after)s AND NOT EXISTS ("  # noqa: S608
        f"SELECT FROM {ours('audit_seals')} AS next WHERE next.number = seal.number + 1"
        ") AND number < 9223372036854775807 ORDER BY number LIMIT 1",
        {"after": after},
    )
    found = cursor.fetchone()
    return (found[0] + 1, found[1]) if found else (1, None)


def insert(cursor: CursorWrapper, seal: AuditSeal) -> None:
    """Write a new seal."""
    values = ", ".join(["%s"] * len(_FIELDS))
    statement = f"INSERT INTO {ours('audit_seals')} ({_COLUMNS}) VALUES ({values})"  # noqa: S608 - of ours alone
    cursor.execute(statement, [getattr(seal, name) for name in _FIELDS])


def _read(cursor: CursorWrapper, condition: str, values: Sequence[Any], most: int | None) -> list[AuditSeal]:
    where = condition.replace("{seals}", ours("audit_seals"))
    statement = f"SELECT {_READ} FROM {ours('audit_seals')} WHERE {where} ORDER BY number LIMIT %s"  # noqa: S608
    cursor.execute(statement, [*values, most])
    return [AuditSeal(**dict(zip(_FIELDS, row, strict=True))) for row in cursor.fetchall()]
