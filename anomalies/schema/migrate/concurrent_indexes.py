"""Indexes built CONCURRENTLY, so that an interrupted build is completed by the next run.

Such a build takes several transactions. An interrupted one leaves an invalid index, which every write
maintains and no query uses. And since a migration with several builds can't be one transaction, its first
index may exist although the migration is not recorded. Each build and each drop therefore checks the present
state first, which makes it idempotent (PostgreSQL's documentation, "Building Indexes Concurrently").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.ddl_references import Statement
from django.db.models import Index, Model
from psycopg import sql

from ..own_schema import OwnSchemaEditor
from .lock_retries import GaveUp, Patience
from .locks import in_the_way_of_a_build, in_the_way_of_a_drop, is_lock_trouble

# A partitioned table's index is invalid until every partition has its part; indexes being built are left out.
_INVALID = """
    SELECT class.relname, indrelid::regclass::text, indislive
    FROM pg_index JOIN pg_class AS class ON class.oid = indexrelid
    WHERE class.relkind = 'i' AND NOT (indisvalid AND indisready AND indislive)
      AND pg_table_is_visible(indrelid)
      AND indexrelid NOT IN (SELECT index_relid FROM pg_stat_progress_create_index)
    ORDER BY class.relname
"""
_FOUND = """
    SELECT indisvalid AND indisready AND indislive, pg_get_indexdef(indexrelid)
    FROM pg_index JOIN pg_class AS class ON class.oid = indexrelid
    WHERE class.relname = %s AND indrelid = to_regclass(%s)
"""
_DEFINITION_OF_THE_SAMPLE = """
    SELECT pg_get_indexdef(oid) FROM pg_class WHERE relname = %s AND relnamespace = pg_my_temp_schema()
"""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An index that a build or a drop CONCURRENTLY left invalid."""

    name: str
    table: str
    live: bool


def unfinished(connection: BaseDatabaseWrapper) -> list[Unfinished]:
    """The invalid indexes of the tables in the search path, except those that are being built now."""
    return [Unfinished(*row) for row in _rows(connection, _INVALID)]


def mend(connection: BaseDatabaseWrapper, patience: Patience, models: Iterable[type[Model]]) -> None:
    """Rebuild the invalid indexes of the models; indexes of other programs are not changed."""
    ours = {index.name: (model, index) for model in models for index in model._meta.indexes}
    for index in unfinished(connection):
        rebuilt = index.name.rpartition("_cc")[0]  # PostgreSQL's names are …_ccnew, …_ccold, …_ccnew1
        if index.name in ours and index.live:
            patience.say(f"rebuilding the unfinished index {index.name} of {index.table}")
            _run(connection, "REINDEX INDEX CONCURRENTLY {}", index.name)
        elif index.name in ours:  # its drop was interrupted: PostgreSQL can't rebuild it
            with Editor(patience, connection, atomic=False) as editor:
                editor.add_index(*ours[index.name], concurrently=True)
        elif rebuilt in ours:
            patience.say(f"dropping {index.name}, which an interrupted rebuild left")
            _run(connection, "DROP INDEX CONCURRENTLY IF EXISTS {}", index.name)


class Editor(OwnSchemaEditor):
    """Django's schema editor, with builds and drops CONCURRENTLY that complete an interrupted one."""

    def __init__(self, patience: Patience, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._patience = patience

    def add_index(self, model: type[Model], index: Index, concurrently: bool = False) -> None:
        """Add the index unless it exists. Raises GaveUp, after dropping the invalid index if possible."""
        if not concurrently or self.collect_sql:
            super().add_index(model, index, concurrently)
            return
        table, what = model._meta.db_table, f"building index {index.name}"
        self._patience.wait_for(what, lambda: in_the_way_of_a_build(self.connection, table, self._grace))
        found = _rows(self.connection, _FOUND, index.name, self.quote_name(table))
        if found and found[0][0] and _same(found[0][1], self._definition(model, index)):
            self._patience.say(f"index {index.name} is there already, whole; it stays")
            return
        if found and not found[0][0]:
            self._patience.say(f"index {index.name} is unfinished; dropping it and building it again")
            self.remove_index(model, index, concurrently=True)
        self._build(model, index)

    def remove_index(self, model: type[Model], index: Index, concurrently: bool = False) -> None:
        """Drop the index. Raises GaveUp if a transaction is in the way for too long."""
        if concurrently and not self.collect_sql:
            table, what = model._meta.db_table, f"dropping index {index.name}"
            self._patience.wait_for(what, lambda: in_the_way_of_a_drop(self.connection, table, self._grace))
        super().remove_index(model, index, concurrently)

    @property
    def _grace(self) -> float:
        """Seconds; transactions younger than that are waited for by the statement itself, not before it."""
        return self._patience.limits.lock_timeout

    def _build(self, model: type[Model], index: Index) -> None:
        try:
            super().add_index(model, index, concurrently=True)
        except OperationalError as error:
            if not is_lock_trouble(error):
                raise
            left = (
                ""
                if self._drop_at_once(index)
                else f"; index {index.name} is left unfinished, for the next run"
            )
            raise GaveUp(f"gave up building index {index.name}: {str(error).strip()}{left}") from error

    def _drop_at_once(self, index: Index) -> bool:
        try:
            _run(self.connection, "DROP INDEX CONCURRENTLY IF EXISTS {}", index.name)
        except OperationalError:
            return False
        return True

    def _definition(self, model: type[Model], index: Index) -> str:
        """PostgreSQL's text of the index, from a temporary empty copy of the table, which shadows it."""
        statement = index.create_sql(model, self)
        assert isinstance(statement, Statement)
        table = sql.Identifier(model._meta.db_table)
        with transaction.atomic(using=self.connection.alias), self.connection.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE TEMP TABLE {} (LIKE {})").format(table, table))
            cursor.execute(str(statement))
            cursor.execute(_DEFINITION_OF_THE_SAMPLE, [index.name])
            definition: str = cursor.fetchone()[0]
            transaction.set_rollback(True, using=self.connection.alias)
        return definition


def _same(definition: str, other: str) -> bool:
    """True if two definitions are equal except for the table's schema."""
    return _parts(definition) == _parts(other)


def _parts(definition: str) -> tuple[str, str]:
    before, _, after = definition.partition(" USING ")
    return before.partition(" ON ")[0], after


def _run(connection: BaseDatabaseWrapper, statement: str, name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(sql.Identifier(name)))


def _rows(connection: BaseDatabaseWrapper, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
