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
    SELECT part, count(*),
           sum(('x' || left(hash, 15))::bit(60)::bigint),
           sum(('x' || right(hash, 15))::bit(60)::bigint)
    FROM (SELECT encode(sha256(convert_to(ROW({columns})::text, 'UTF8')), 'hex') AS hash, {part} AS part
          FROM ONLY {table} WHERE {where}) AS hashed
    GROUP BY part
"""
_ALL = sql.SQL("true")
_ONE = sql.SQL("0")


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
    schema: str | None = None,
) -> Checksum:
    """The checksum of a table's rows: of these columns, by default of all, in the table's own order;
    of the rows that ``where`` chooses.

    ``table`` is a name in ``schema``, or else in the search path. Reads the whole table once; time and
    memory: one scan, constant.
    """
    parts = checksums_of_parts(table, columns, connection, where, schema)
    return parts.get(0, Checksum(0, "0-0"))


def checksums_of_parts(
    table: str,
    columns: Iterable[str] | None = None,
    connection: BaseDatabaseWrapper = default_connection,
    where: sql.Composable = _ALL,
    schema: str | None = None,
    part: sql.Composable = _ONE,
) -> dict[int, Checksum]:
    """The same by parts of the table: ``part`` is an expression that gives each row the number of its part.

    A part without rows is left out.
    """
    name = sql.Identifier(schema, table) if schema else sql.Identifier(table)
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute(_AS_EVERYWHERE)
        names = list(columns) if columns is not None else _columns(cursor, name.as_string(None))
        chosen = sql.SQL(", ").join(map(sql.Identifier, names))
        cursor.execute(sql.SQL(_SUM).format(columns=chosen, table=name, where=where, part=part))
        return {
            number: Checksum(rows, f"{int(first):x}-{int(second):x}")
            for number, rows, first, second in cursor.fetchall()
        }


def _columns(cursor: CursorWrapper, table: str) -> list[str]:
    cursor.execute(
        """
        SELECT attname FROM pg_attribute
        WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
        """,
        [table],
    )
    return [name for (name,) in cursor.fetchall()]
