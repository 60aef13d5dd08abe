"""Checks of the rows of an adopted database: unchanged by the adoption, and valid under our constraints.

Other programs may write during the adoption. By PostgreSQL's MVCC, a row's ``xmin`` is the transaction that
wrote its present version, so row versions written after the snapshot of the first checksum are left out of
the second. A row that was changed or deleted since then is missing from the second checksum and makes it
differ. Checksums are therefore computed for 256 parts of a table: a row changed by another program affects
its own part only, and there the number of rows must have decreased.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import ProgrammingError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from psycopg import sql

from ..catalog import Catalog
from ..checksums import checksums_of_parts
from ..drift import Difference
from ..migrate.migration_state import APP
from ..own_schema import schema_of_tables
from ..repairs import NOTHING, Step, table_of
from .drift_triage import Finding
from .golang_migrate import CONTRACT, AdoptError

PARTS = 256


@dataclass(frozen=True, slots=True)
class Sums:
    """The checksums of a table in one ``snapshot``, over the ``columns`` read.

    ``parts`` maps the part's number as text to its number of rows and its sums, in the form of the JSON.
    """

    table: str
    columns: list[str]
    snapshot: str
    parts: dict[str, list[int | str]]

    @property
    def rows(self) -> int:
        """The number of rows of all parts."""
        return sum(int(rows) for rows, _ in self.parts.values())


def look(table: str, columns: list[str]) -> Sums:
    """The present sums of a table's rows."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT pg_current_snapshot()::text")
        (snapshot,) = cursor.fetchone()
        return Sums(table, columns, snapshot, _parts(table, columns, sql.SQL("true")))


def contract_columns() -> dict[str, list[str]]:
    """The contract's columns by table, which exist in every state of the schema."""
    loader = MigrationExecutor(connection).loader
    models = loader.project_state((APP, CONTRACT)).apps.get_app_config(APP).get_models()
    return {m._meta.db_table: [field.column for field in m._meta.concrete_fields] for m in models}


def compare_with(before: Sums) -> str:
    """A sentence about the rows that existed at ``before``: unchanged, or changed by other programs.

    Raises AdoptError if a row differs and no write by another program explains it.
    """
    snapshot = sql.Literal(before.snapshot)
    now = _parts(before.table, before.columns, _SEEN.format(snapshot=snapshot))
    differing = {part for part in {*before.parts, *now} if before.parts.get(part) != now.get(part)}
    doubtful = _doubtful(before.table, snapshot) if differing else set()
    gone = 0
    for part in differing:
        missing = _rows(before.parts, part) - _rows(now, part)
        if missing <= 0 and part not in doubtful:
            raise AdoptError(
                f"{before.table}: rows are not as they were, and no other program changed them; "
                "compare with your backup before you go on"
            )
        gone += max(missing, 0)
    if not differing:
        return f"{before.table}: {before.rows} rows; every row is as it was"
    beside = sum(_rows(now, part) for part in differing)
    return (
        f"{before.table}: {before.rows} rows; other programs changed or deleted {gone} of them, "
        f"{beside} were summed together with those, and all others are as they were"
    )


def _parts(table: str, columns: list[str], where: sql.Composable) -> dict[str, list[int | str]]:
    found = checksums_of_parts(table, columns, where=where, schema=schema_of_tables(connection), part=_PART)
    return {str(part): [checksum.rows, checksum.sums] for part, checksum in found.items()}


def _named(table: str) -> sql.Identifier:
    return sql.Identifier(schema_of_tables(connection), table)


def _rows(parts: dict[str, list[int | str]], part: str) -> int:
    return int(parts[part][0]) if part in parts else 0


_PART = sql.SQL(f"hashtext(id::text) & {PARTS - 1}")
# The row's full 64-bit transaction number: xmin is its lower half.
_BORN = """
    ((pg_snapshot_xmax({snapshot}::pg_snapshot)::text::bigint >> 32 << 32) + xmin::text::bigint
     - CASE WHEN xmin::text::bigint > pg_snapshot_xmax({snapshot}::pg_snapshot)::text::bigint & 4294967295
            THEN 4294967296 ELSE 0 END)
"""
_SEEN = sql.SQL(f"pg_visible_in_snapshot({_BORN}::text::xid8, {{snapshot}}::pg_snapshot)")
# A snapshot does not list the subtransactions of running transactions: their rows seem to be older.
_DOUBTFUL = sql.SQL(
    f"""
    SELECT DISTINCT {{part}} FROM {{table}}
    WHERE {_BORN} >= pg_snapshot_xmin({{snapshot}}::pg_snapshot)::text::bigint
      AND pg_visible_in_snapshot({_BORN}::text::xid8, {{snapshot}}::pg_snapshot)
    """  # noqa: S608 - put together of what stands here
)


def _doubtful(table: str, snapshot: sql.Composable) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(_DOUBTFUL.format(part=_PART, table=_named(table), snapshot=snapshot))
        return {str(part) for (part,) in cursor.fetchall()}


# --- fit for our rules ------------------------------------------------------------------------------------


def unfit(contract: Catalog, live: Catalog) -> Iterator[Finding]:
    """Findings for rows that violate a rule to be added, and for a missing default config (0004)."""
    for (kind, name), expected in contract.items():
        found = live.get((kind, name))
        table = name.split(".")[0] if kind == "column" else table_of(Difference(kind, name, expected, found))
        if found == expected or ("table", table) not in live:
            continue
        if condition := _condition(kind, name, expected):
            count, ids = _rows_against(table, condition)
            if count:
                some = f"{', '.join(ids)}{' …' if count > len(ids) else ''}"
                difference = Difference(kind, name, expected, found)
                yield Finding("blocking", difference, f"{count} rows break it: {some}")
    if ("table", "detection_config") in live and ("column", "detection_config.is_active") in live:
        yield from _no_config()


def _condition(kind: str, name: str, expected: str) -> str | None:
    if kind == "constraint" and expected.startswith("CHECK"):
        return expected.removeprefix("CHECK ")
    if kind == "column" and " NOT NULL" in expected:
        return f'("{name.split(".")[1]}" IS NOT NULL)'
    if kind == "index" and name.startswith("idx_detection_config_active "):
        configs = _named("detection_config").as_string(None)
        return f"(NOT is_active OR (SELECT count(*) FROM {configs} WHERE is_active) < 2)"  # noqa: S608
    return None


def _rows_against(table: str, condition: str) -> tuple[int, list[str]]:
    broken = sql.SQL("SELECT id::text FROM {} WHERE NOT ({})").format(_named(table), sql.SQL(condition))
    with connection.cursor() as cursor:
        try:
            with transaction.atomic():
                cursor.execute(
                    sql.SQL("SELECT count(*), (array_agg(id))[1:5] FROM ({}) AS broken").format(broken)
                )
        except ProgrammingError:  # a column is missing or has another type, which is reported anyway
            return 0, []
        count, ids = cursor.fetchone()
    return count, ids or []


_DEFAULT_CONFIG = """
    INSERT INTO {configs} (is_active) SELECT true WHERE NOT EXISTS (SELECT FROM {configs})
"""


def _no_config() -> Iterator[Finding]:
    configs = _named("detection_config")
    counts = sql.SQL("SELECT count(*), count(*) FILTER (WHERE is_active) FROM {}")
    with connection.cursor() as cursor:
        cursor.execute(counts.format(configs))
        rows, active = cursor.fetchone()
    difference = Difference("row", "detection_config", "an active one", None)
    if not rows:
        make = " ".join(_DEFAULT_CONFIG.format(configs=configs.as_string(None)).split())
        # Not undone, as 0004: the row may have been changed since then, and it does no harm.
        step = Step(make, NOTHING)
        yield Finding("repaired", difference, "there is none; the defaults are added", (step,))
    elif not active:
        yield Finding("harmless", difference, "none is active; activate one before detecting")
