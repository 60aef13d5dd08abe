"""A batch of rows into the table: what is there already stays as it is, the rest goes in by COPY."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection, transaction

from ..audit import Actor, acting
from .refusals import Reject
from .rows import COLUMNS, Row
from .wire import HEADER, TRAILER, encode

# SQLSTATE classes that say "this row", not "this server": data, integrity, and a limit of an index.
_REFUSALS = ("22", "23", "54")
_SENT_AT_ONCE = 256 * 1024  # bytes

_NAMES = ", ".join(COLUMNS)
_STAGE = f"CREATE TEMP TABLE ingest_staging AS SELECT {_NAMES} FROM anomalies WITH NO DATA"  # noqa: S608
_COPY = f"COPY pg_temp.ingest_staging ({_NAMES}) FROM STDIN (FORMAT BINARY)"
_DEFAULTS = """
    SELECT attname, pg_get_expr(adbin, adrelid)
    FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
    WHERE adrelid = 'anomalies'::regclass
"""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that passed every check, and the line that it came from."""

    line: int
    data: bytes
    row: Row


def insert(candidates: list[Candidate], actor: Actor, **context: Any) -> tuple[int, list[Reject]]:
    """Insert those whose id is not there yet, in one transaction; how many, and what PostgreSQL refused.

    The audit log gets one entry per INSERT with ``context`` and its first and last line; none where nothing
    is new. A refused row does not keep the others out. Raises DatabaseError for any other trouble, and then
    nothing of the batch is in.
    """
    new, rejects = 0, []
    with transaction.atomic():
        while fresh := _not_there_yet(candidates):
            more, refused = _insert(fresh, actor, context)
            new += more
            rejects += refused
            candidates = _same_id_as(refused, candidates)
    return new, rejects


def _not_there_yet(candidates: list[Candidate]) -> list[Candidate]:
    if not candidates:
        return []
    """In the order of their ids: writers of the same rows then wait for each other and never deadlock."""
    first = {_id(each): each for each in reversed(candidates)}
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM anomalies WHERE id = ANY(%s)", [list(first)])
        for (known,) in cursor.fetchall():
            del first[known]
    return [first[key] for key in sorted(first)]


def _id(candidate: Candidate) -> UUID:
    assert candidate.row.id is not None
    return candidate.row.id


def _same_id_as(refused: list[Reject], candidates: list[Candidate]) -> list[Candidate]:
    """The lines that were left out for one with the same id, which was refused: now it is their turn."""
    lines = {reject.line for reject in refused}
    ids = {_id(each) for each in candidates if each.line in lines}
    return [each for each in candidates if _id(each) in ids and each.line not in lines]


def _insert(fresh: list[Candidate], actor: Actor, context: dict[str, Any]) -> tuple[int, list[Reject]]:
    """All of them; where PostgreSQL refuses, each half by itself, down to the row it means."""
    lines = [each.line for each in fresh]
    try:
        with acting(actor, **context, first_line=min(lines), last_line=max(lines)):
            return _copy(fresh), []
    except DatabaseError as error:
        reason = _refusal(error)
        if reason is None:
            raise
    if len(fresh) == 1:
        return 0, [Reject(fresh[0].line, None, f"PostgreSQL refuses it: {reason}", fresh[0].data)]
    middle = len(fresh) // 2
    halves = [_insert(half, actor, context) for half in (fresh[:middle], fresh[middle:])]
    return sum(new for new, _ in halves), [reject for _, rejects in halves for reject in rejects]


def _refusal(error: DatabaseError) -> str | None:
    """PostgreSQL's words where it refuses a row; None where something else is the matter."""
    diagnostic = getattr(error.__cause__, "diag", None)
    if diagnostic is None or (diagnostic.sqlstate or "")[:2] not in _REFUSALS:
        return None
    return diagnostic.message_primary or str(error)


def _copy(fresh: list[Candidate]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_STAGE)
        with connection.wrap_database_errors, cursor.copy(_COPY) as copy:
            for piece in pieces(fresh):
                copy.write(piece)
        cursor.execute(_insert_statement())
        new: int = cursor.rowcount
        cursor.execute("DROP TABLE pg_temp.ingest_staging")
    return new


def pieces(candidates: list[Candidate]) -> Iterator[bytes]:
    """The rows as COPY's binary format, a quarter of a MiB at a time."""
    waiting = bytearray(HEADER)
    for candidate in candidates:
        waiting += encode(candidate.row)
        if len(waiting) >= _SENT_AT_ONCE:
            yield bytes(waiting)
            waiting = bytearray()
    yield bytes(waiting + TRAILER)


def _insert_statement() -> str:
    """NULL in a column with a default means "not given"; the defaults are asked of the table itself."""
    with connection.cursor() as cursor:
        cursor.execute(_DEFAULTS)
        defaults = dict(cursor.fetchall())
    values = [f"coalesce({name}, {defaults[name]})" if name in defaults else name for name in COLUMNS]
    return (
        f"INSERT INTO anomalies ({_NAMES}) SELECT {', '.join(values)} "  # noqa: S608 -- names of the catalog
        "FROM pg_temp.ingest_staging ON CONFLICT (id) DO NOTHING"
    )
