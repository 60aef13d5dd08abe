"""Indexes built CONCURRENTLY, whole or begun anew.

Such a build is several transactions. One that was cut off leaves an index that every write keeps up and no
query uses: invalid. And of a migration with several builds, which can't be one transaction, the first may be
there while the migration is not recorded. So each build and each drop looks first at what is there.
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

# A partitioned table's index is invalid until every partition has its part; one being built is not left over.
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
    """The invalid indexes of the tables in the search path, but those that somebody is building now."""
    return [Unfinished(*row) for row in _rows(connection, _INVALID)]


def mend(connection: BaseDatabaseWrapper, patience: Patience, models: Iterable[type[Model]]) -> None:
    """Rebuild what is unfinished among the models' indexes; others are the business of who made them."""
    ours = {index.name: (model, index) for model in models for index in model._meta.indexes}
    for index in unfinished(connection):
        rebuilt = index.name.rpartition("_cc")[0]  # PostgreSQL's names are …_ccnew, …_ccold, …_ccnew1
        if index.name in ours and index.live:
            patience.say(f"rebuilding the unfinished index {index.name} of {index.table}")
            _run(connection, "REINDEX INDEX CONCURRENTLY {}", index.name)
        elif index.name in ours:  # all but dropped: PostgreSQL rebuilds such a one no more
            with Editor(patience, connection, atomic=False) as editor:
                editor.add_index(*ours[index.name], concurrently=True)
        elif rebuilt in ours:
            patience.say(f"dropping {index.name}, which an interrupted rebuild left")
            _run(connection, "DROP INDEX CONCURRENTLY IF EXISTS {}", index.name)


class Editor(OwnSchemaEditor):
    """Django's, with builds and drops CONCURRENTLY that go on where a former one was cut off."""

    def __init__(self, patience: Patience, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._patience = patience

    def add_index(self, model: type[Model], index: Index, concurrently: bool = False) -> None:
        """Raises GaveUp; where it can, it then leaves nothing behind."""
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
        """Raises GaveUp."""
        if concurrently and not self.collect_sql:
            table, what = model._meta.db_table, f"dropping index {index.name}"
            self._patience.wait_for(what, lambda: in_the_way_of_a_drop(self.connection, table, self._grace))
        super().remove_index(model, index, concurrently)

    @property
    def _grace(self) -> float:
        """Seconds: younger transactions are not waited for beforehand, the statement itself outwaits them."""
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
        """What PostgreSQL makes of the index, read off an empty sample of the table that hides it."""
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
    """Whether two definitions differ in the table's schema at most."""
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
