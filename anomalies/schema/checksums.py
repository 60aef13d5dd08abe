"""Checksums of a table's rows, comparable over time and between servers.

Theory: a row is hashed (SHA-256) as the text that PostgreSQL writes for it under fixed settings, and the
hashes are added up. Addition is commutative, so the order of the rows does not matter, while a missing,
added, changed or doubled row changes the sum (with 2 × 60 bits, an accident goes unnoticed with a probability
of about 2^-120). Sums of hashes this short don't resist a deliberate forger (D. Wagner, "A generalized
birthday problem", CRYPTO 2002); against forgers the audit log has seals.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection as default_connection
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from psycopg import sql

# The settings that the text of a value depends on.
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
    """The number of rows and two sums of their hashes, in hexadecimal."""

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
    """The checksum of the rows that ``where`` selects, over ``columns`` (by default all, in table order).

    ``table`` is a name in ``schema``, or else in the search path. Takes one scan of the table and constant
    memory.
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
    """The checksums of the parts of a table; ``part`` is an SQL expression for the number of a row's part.

    Parts without rows are absent.
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
