"""What a table's rows are, in one number: the same before and after, here and on another server.

A row is hashed as the text that PostgreSQL writes for it under fixed settings, and the hashes are summed, so
the order of the rows does not matter, and a lost, added, changed or doubled row does. It finds accidents; who
wants to deceive can make sums meet, and is the business of the audit log's seals.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection as default_connection
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from psycopg import sql

# What the text of a value depends on.
_AS_EVERYWHERE = """
    SELECT set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, YMD', true),
           set_config('IntervalStyle', 'iso_8601', true), set_config('extra_float_digits', '1', true),
           set_config('bytea_output', 'hex', true)
"""
# 60 bits of each half, so that a sum of 2^63 rows stays exact in numeric and the sign bit stays out of it.
_SUM = """
    SELECT count(*),
           coalesce(sum(('x' || left(hash, 15))::bit(60)::bigint), 0),
           coalesce(sum(('x' || right(hash, 15))::bit(60)::bigint), 0)
    FROM (SELECT encode(sha256(convert_to(ROW({columns})::text, 'UTF8')), 'hex') AS hash
          FROM ONLY {table} WHERE {where}) AS hashed
"""
_ALL = sql.SQL("true")


@dataclass(frozen=True, slots=True)
class Checksum:
    """The number of rows, and two sums of their hashes."""

    rows: int
    sums: str

    def __str__(self) -> str:
        return f"{self.rows} rows, {self.sums}"


def checksum(
    table: str,
    columns: Iterable[str] | None = None,
    connection: BaseDatabaseWrapper = default_connection,
    where: sql.Composable = _ALL,
) -> Checksum:
    """The checksum of a table's rows: of these columns, by default of all, in the table's own order;
    of the rows that ``where`` chooses.

    ``table`` is a name in the search path. Reads the whole table once; time and memory: one scan, constant.
    """
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(_AS_EVERYWHERE)
        names = list(columns) if columns is not None else _columns(cursor, table)
        statement = sql.SQL(_SUM).format(
            columns=sql.SQL(", ").join(map(sql.Identifier, names)), table=sql.Identifier(table), where=where
        )
        cursor.execute(statement)
        rows, first, second = cursor.fetchone()
    return Checksum(rows, f"{int(first):x}-{int(second):x}")


def _columns(cursor: CursorWrapper, table: str) -> list[str]:
    cursor.execute(
        """
        SELECT attname FROM pg_attribute
        WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
        """,
        [table],
    )
    return [name for (name,) in cursor.fetchall()]
