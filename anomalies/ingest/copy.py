"""Store a batch of rows: those in the table stay as they are, the others are inserted by COPY.

These batches go through a temporary table instead: the table refuses a row, another program wrote one of its
rows at that time, or only some rows leave out a column that has a default, which COPY does not support.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection, transaction

from anomalies.audit import Actor, acting

from .binary_copy import HEADER, TRAILER, encoder
from .database_refusals import Candidate, Refused, find_refused, is_refusal
from .rows import COLUMNS, NOT_GIVEN
from .validation_errors import Reject

_SENT_AT_ONCE = 256 * 1024  # bytes

_NAMES = ", ".join(COLUMNS)
_STAGE = f"CREATE TEMP TABLE ingest_staging AS SELECT {_NAMES} FROM anomalies WITH NO DATA"  # noqa: S608
_DEFAULTS = """
    SELECT attname, pg_get_expr(adbin, adrelid)
    FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
    WHERE adrelid = 'anomalies'::regclass
"""
# Each row by itself: one statement finds all that the table refuses.
_TRIAL = """
    DO $trial$
    DECLARE
        key uuid;
    BEGIN
        FOR key IN SELECT id FROM pg_temp.ingest_staging LOOP
            BEGIN
                INSERT INTO anomalies ({names}) SELECT {values} FROM pg_temp.ingest_staging WHERE id = key
                ON CONFLICT (id) DO NOTHING;
            EXCEPTION WHEN OTHERS THEN
                INSERT INTO pg_temp.ingest_refused VALUES (key, SQLSTATE, SQLERRM);
            END;
        END LOOP;
    END
    $trial$
"""


def insert(
    candidates: list[Candidate], actor: Actor, numbered: str = "line", **context: Any
) -> tuple[int, list[Reject]]:
    """Insert those whose id is not there yet, in one transaction; how many, and what PostgreSQL refused.

    The audit log gets one entry per INSERT with ``context`` and the numbers of its first and last row, as
    ``first_line`` and ``last_line`` or whatever ``numbered`` calls them; none where nothing is new. A refused
    row does not keep the others out. Raises DatabaseError for any other trouble, and then nothing of the
    batch is in.
    """
    new, rejects = 0, []
    with transaction.atomic():
        while fresh := _not_there_yet(candidates):
            more, refused = _insert(fresh, actor, numbered, context)
            new += more
            rejects += refused
            candidates = _same_id_as(refused, candidates)
    return new, rejects


def _not_there_yet(candidates: list[Candidate]) -> list[Candidate]:
    """In the order of their ids: writers of the same rows then wait for each other and never deadlock."""
    if not candidates:
        return []
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


def _insert(
    fresh: list[Candidate], actor: Actor, numbered: str, context: dict[str, Any]
) -> tuple[int, list[Reject]]:
    """All of them; what PostgreSQL refuses is found and left out, and the others go in together."""
    rejects: list[Reject] = []
    if fresh and _insert_straight(fresh, actor, context | _span(fresh, numbered)):
        return len(fresh), rejects
    while fresh:
        about = context | _span(fresh, numbered)
        try:
            with acting(actor, **about), _staged(fresh):
                return _insert_staged(), rejects
        except DatabaseError as error:
            if not is_refusal(error):
                raise
            found = find_refused(fresh, error, _try_each)
        rejects += found
        left_out = {reject.line for reject in found}
        fresh = [each for each in fresh if each.line not in left_out]
    return 0, rejects


def _span(fresh: list[Candidate], numbered: str) -> dict[str, int]:
    numbers = [each.line for each in fresh]
    return {f"first_{numbered}": min(numbers), f"last_{numbered}": max(numbers)}


def _insert_straight(fresh: list[Candidate], actor: Actor, about: dict[str, Any]) -> bool:
    """All of them by one COPY, or none, and then it says so."""
    columns = _given(fresh)
    if columns is None:
        return False
    try:
        with acting(actor, **about):
            _copy("anomalies", columns, fresh)
    except DatabaseError as error:
        if not is_refusal(error):
            raise
        return False
    return True


def _given(fresh: list[Candidate]) -> list[str] | None:
    """The columns but those that every row leaves to a default; None where some rows do and some don't."""
    left_out = set()
    for name in _defaults():
        given = sum(getattr(each.row, name) not in (None, NOT_GIVEN) for each in fresh)
        if given == 0:
            left_out.add(name)
        elif given < len(fresh):
            return None
    return [name for name in COLUMNS if name not in left_out]


def _copy(table: str, columns: Sequence[str], fresh: list[Candidate]) -> None:
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(statement) as copy,
    ):
        for piece in pieces(fresh, columns):
            copy.write(piece)


@contextmanager
def _staged(fresh: list[Candidate]) -> Iterator[None]:
    """The rows in a table of their own, which has no constraints."""
    with connection.cursor() as cursor:
        cursor.execute(_STAGE)
        _copy("pg_temp.ingest_staging", COLUMNS, fresh)
        yield
        cursor.execute("DROP TABLE pg_temp.ingest_staging")


def _insert_staged() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO anomalies ({_NAMES}) SELECT {_values()} "  # noqa: S608 -- names of the catalog
            "FROM pg_temp.ingest_staging ON CONFLICT (id) DO NOTHING"
        )
        new: int = cursor.rowcount
    return new


def _values() -> str:
    """NULL in a column with a default means "not given"."""
    defaults = _defaults()
    return ", ".join(f"coalesce({name}, {defaults[name]})" if name in defaults else name for name in COLUMNS)


def _defaults() -> dict[str, str]:
    """The table's own, as SQL, of the columns that a row may have."""
    with connection.cursor() as cursor:
        cursor.execute(_DEFAULTS)
        return {name: words for name, words in cursor.fetchall() if name in COLUMNS}


def _try_each(fresh: list[Candidate]) -> list[Refused]:
    """Return the rows that the table refuses; every attempt is rolled back."""
    before = transaction.savepoint()
    with _staged(fresh), connection.cursor() as cursor:
        cursor.execute("CREATE INDEX ON pg_temp.ingest_staging (id)")
        cursor.execute("CREATE TEMP TABLE ingest_refused (id uuid, sqlstate text, words text)")
        cursor.execute(_TRIAL.format(names=_NAMES, values=_values()))
        cursor.execute("TABLE pg_temp.ingest_refused")
        found = [Refused(*row) for row in cursor.fetchall()]
    transaction.savepoint_rollback(before)
    return found


def pieces(candidates: list[Candidate], columns: Sequence[str] = COLUMNS) -> Iterator[bytes]:
    """The rows as COPY's binary format, a quarter of a MiB at a time."""
    encode, waiting = encoder(columns), bytearray(HEADER)
    for candidate in candidates:
        waiting += encode(candidate.row)
        if len(waiting) >= _SENT_AT_ONCE:
            yield bytes(waiting)
            waiting = bytearray()
    yield bytes(waiting + TRAILER)
