"""The rows of ``audit_seals``, read and written with their schema named, inside a transaction of
``pinned``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.backends.utils import CursorWrapper

from anomalies.models import AuditSeal
from anomalies.schema.search_path import ours

_AT_ONCE = 32  # seals with their hashes in memory: 80 kB each at most
_LOOKED_BACK = 50  # seals: the longest transaction that settling waits for, in seals
_FIELDS = tuple(field.attname for field in AuditSeal._meta.concrete_fields)
_COLUMNS = ", ".join(_FIELDS)
# A time that Python does not know was set by hand; cut to one that it knows, it is not what was signed.
_MADE_AT = "greatest('0001-01-02Z', least(made_at, '9999-12-30Z')) AS made_at"
_READ = _COLUMNS.replace("made_at", _MADE_AT)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a seal knew of ids: the ``newest`` committed one; the ``oldest`` transaction that ran and the
    number ``following`` the last one; the last id that was ``drawn``, None in seals that did not write it
    down."""

    newest: int
    oldest: int
    following: int
    drawn: int | None = None

    def __str__(self) -> str:
        known = (self.newest, self.oldest, self.following, self.drawn)
        return ":".join(str(number) for number in known if number is not None)


def seen_by(seal: AuditSeal) -> Seen:
    """What a seal saw. Raises ValueError where its text was edited into something else."""
    numbers = [int(part) for part in seal.seen.split(":")]
    if len(numbers) not in (3, 4):
        raise ValueError(f"seal {seal.number} says {len(numbers)} numbers")
    return Seen(*numbers)


def all_seals(cursor: CursorWrapper) -> Iterator[AuditSeal]:
    """Every seal in the order of its number, a few at a time."""
    last = None
    while some := _read(cursor, "%s::bigint IS NULL OR number > %s", [last, last], _AT_ONCE):
        yield from some
        last = some[-1].number


def row_hashes(cursor: CursorWrapper, number: int) -> bytes:
    """The hashes of the rows of one seal."""
    cursor.execute(f"SELECT row_hashes FROM {ours('audit_seals')} WHERE number = %s", [number])  # noqa: S608
    return bytes(cursor.fetchone()[0])


def newest_seal(cursor: CursorWrapper) -> AuditSeal | None:
    """The seal with the highest number."""
    found = _read(cursor, "number = (SELECT max(number) FROM {seals})", [], 1)
    return found[0] if found else None


def recent_seals(cursor: CursorWrapper) -> list[AuditSeal]:
    """The last seals, from which the next one knows what is settled."""
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
    """The first free number above ``after``, and the head of the seal that stands before it."""
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
