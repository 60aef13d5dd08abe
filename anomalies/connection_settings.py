"""The settings under which our connections work, whatever role, database, server or pooler they come through.

A connection that reaches the server itself keeps its settings: they are set once, when it is made. Behind a
pooler that hands out server connections by the transaction, the next statement may run elsewhere, and a
setting of the session would stay behind for whichever client comes next. There every transaction sets its
own, in the same message as its first statement: that costs no round trip and leaves nothing behind.

A pooler gives its clients process ids of its own, because it answers their requests to cancel. So a
connection whose process id is not that of pg_backend_pid() is pooled. Whether by session or by transaction
does not matter here: what works for the second works for the first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any

import psycopg
from django.db import NotSupportedError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.types.datetime import IntervalLoader, TimestamptzLoader

from anomalies.stored_times import is_held, nearest

# A role, a database or a server may have others. psycopg reads no other style of date and interval, and a
# rounded number would be taken for the value; code that locks rows and then reads them again relies on READ
# COMMITTED.
_WANTED = {
    "DateStyle": "ISO",
    "standard_conforming_strings": "on",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "array_nulls": "on",
    "quote_all_identifiers": "off",
    "gin_fuzzy_search_limit": "0",
    "default_transaction_isolation": "read committed",
}
# Poolers set these again for each client. Within a message they would come too late for what is in it.
_FOLLOWS_THE_CLIENT = ("DateStyle", "standard_conforming_strings")
_SINCE = {"transaction_timeout": 17_00_00}  # the first server version that knows it
_FURTHER = "driftlock_preambles"
_STANDS_ALONE = re.compile(r"\s*(SET\s+TRANSACTION|VACUUM|(CREATE|DROP)\s+DATABASE)\b", re.IGNORECASE)


Preamble = tuple[str, ...]  # statements that are sent before another one, in its message


def local(expressions: Mapping[str, str]) -> Preamble:
    """The preamble that sets these settings for a transaction; the values are SQL expressions."""
    calls = ", ".join(f"set_config('{name}', {value}, true)" for name, value in expressions.items())
    return (f"SELECT {calls}",) if calls else ()


def on_connection_created(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Receive Django's signal of this name: set what the session, or each of its transactions, needs.

    ``SESSION`` in the connection's entry of DATABASES may name settings beside those that every one needs.
    """
    if connection.vendor != "postgresql":
        return
    raw, wanted = connection.connection, _wanted(connection)
    _forget_pooler(connection)
    raw.adapters.register_loader("timestamptz", _loader_of(connection.timezone))
    former = _set_unless_pooled(raw, wanted)
    if former is None:
        return
    differing = {name: wanted[name] for name, value in former.items() if not _is_same(value, wanted[name])}
    _set(raw, {name: differing.pop(name) for name in _FOLLOWS_THE_CLIENT if name in differing})
    if "IntervalStyle" in differing:
        raw.adapters.register_loader("interval", _PostgresInterval)
    connection.execute_wrappers.insert(0, _Pooled(differing))


def is_pooled(connection: BaseDatabaseWrapper) -> bool:
    """Return True if a setting of the session may be lost, or reach another client."""
    return _pooled(connection) is not None


@contextmanager
def session_of_its_own(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Inside, a pooled connection keeps its settings: for a pooler that is known to pool by session."""
    connection.ensure_connection()
    former = _pooled(connection)
    if former is not None:
        _forget_pooler(connection)
        _set(connection.connection, _wanted(connection))
    try:
        yield
    finally:
        if former is not None:
            connection.execute_wrappers.insert(0, former)


@contextmanager
def each_transaction(connection: BaseDatabaseWrapper, preamble: Callable[[], Preamble]) -> Iterator[None]:
    """Inside, each transaction of the connection begins with this preamble too, if the connection is
    pooled."""
    preambles = _further(connection)
    preambles.append(preamble)
    try:
        yield
    finally:
        preambles.remove(preamble)


def renew(connection: BaseDatabaseWrapper) -> None:
    """Send a pooled connection's preambles with the next statement too: one of them has changed."""
    if pooled := _pooled(connection):
        pooled.depth = None


class _Pooled:
    """An execute wrapper of Django's connection that sends preambles with each transaction's first
    statement."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        values = {name: sql.Literal(value).as_string(None) for name, value in settings.items()}
        level = values.pop("default_transaction_isolation", None)
        self._settings = local(values)
        # Django says it with each BEGIN; a statement outside of transactions has no BEGIN.
        self._level = ("SET TRANSACTION ISOLATION LEVEL READ COMMITTED",) if level else ()
        # Of atomic blocks when the preambles were sent in this transaction; None: they were not yet.
        self.depth: int | None = None

    def __call__(
        self, execute: Callable[..., Any], query: Any, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        """The result of the statement."""
        connection = context["connection"]
        text = query.as_string(connection.connection) if isinstance(query, sql.Composable) else str(query)
        if not self._is_due(connection) or _STANDS_ALONE.match(text):
            return execute(query, params, many, context)
        self.depth = _depth(connection)
        preamble = self._preamble(connection)
        if many or _takes_one_statement(connection, context["cursor"].cursor):
            with _in_one_transaction(connection, context["cursor"].cursor):
                for statement in preamble:
                    _run(connection, statement)
                return execute(text, params, many, context)
        before = "".join(f"{statement}; " for statement in preamble)
        if params is not None:
            before = before.replace("%", "%%")
        result = execute(before + text, params, many, context)
        for _ in preamble:
            context["cursor"].cursor.nextset()
        return result

    def _is_due(self, connection: Any) -> bool:
        # A rollback to a savepoint takes back what was set after it.
        status = connection.connection.info.transaction_status
        if status == TransactionStatus.INTRANS:
            return self.depth is None or _depth(connection) < self.depth
        return bool(status != TransactionStatus.INERROR)

    def _preamble(self, connection: BaseDatabaseWrapper) -> Preamble:
        level = () if connection.in_atomic_block else self._level
        further = (statement for one in _further(connection) for statement in one())
        return (*level, *self._settings, *further)


class _PostgresInterval(IntervalLoader):
    """Reads an interval in PostgreSQL's own style, which each transaction sets whatever the session has."""

    def __init__(self, oid: int, context: Any = None) -> None:
        super().__init__(oid, context)
        self._load_method = self._load_postgres


class _AnyTime(TimestamptzLoader):
    """Reads any ``timestamptz``; ``timezone`` is that of the connection, at which Django looks too."""

    timezone: tzinfo | None = None

    def load(self, data: Any) -> datetime:
        """Return the time in the connection's zone."""
        try:
            found = super().load(data).replace(tzinfo=self.timezone)
            if 1 < found.year < 9999 or is_held(found):
                return found
        except psycopg.DataError:
            pass
        return nearest(bytes(data).decode(), self.timezone)


@lru_cache
def _loader_of(zone: tzinfo | None) -> type[TimestamptzLoader]:
    """The loader of a zone. Django keeps the loader of a connection as long as its zone is the same."""
    return type("_AnyTimeOfZone", (_AnyTime,), {"timezone": zone})


def _further(connection: Any) -> list[Callable[[], Preamble]]:
    """The preambles of ``each_transaction``, kept where they are found again: with Django's connection."""
    if not hasattr(connection, _FURTHER):
        setattr(connection, _FURTHER, [])
    preambles: list[Callable[[], Preamble]] = getattr(connection, _FURTHER)
    return preambles


def _depth(connection: Any) -> int:
    depth: int = len(connection.savepoint_ids) + connection.in_atomic_block
    return depth


def _is_in_pipeline(connection: Any) -> bool:
    return bool(connection.connection.pgconn.pipeline_status != PipelineStatus.OFF)


def _takes_one_statement(connection: Any, cursor: Any) -> bool:
    return _is_in_pipeline(connection) or isinstance(cursor, psycopg.ServerCursor)


@contextmanager
def _in_one_transaction(connection: BaseDatabaseWrapper, cursor: Any) -> Iterator[None]:
    """Run the statements inside in one transaction: the one that is open, or the pipeline's, or a new one."""
    if connection.in_atomic_block or _is_in_pipeline(connection):
        yield
    elif isinstance(cursor, psycopg.ServerCursor):
        raise NotSupportedError("Behind a pooler, read by a server-side cursor inside atomic().")
    else:
        with transaction.atomic(using=connection.alias):
            yield


def _run(connection: BaseDatabaseWrapper, statement: str) -> None:
    with connection.wrap_database_errors:
        connection.connection.execute(statement)


def _wanted(connection: BaseDatabaseWrapper) -> dict[str, str]:
    version = connection.connection.info.server_version
    wanted = {**_WANTED, **connection.settings_dict.get("SESSION", {})}
    return {name: value for name, value in wanted.items() if version >= _SINCE.get(name, 0)}


def _set_unless_pooled(raw: Any, wanted: Mapping[str, str]) -> dict[str, str | None] | None:
    """Set them, in one round trip; or, where the connection is pooled, what they are."""
    own = sql.SQL("pg_backend_pid() = {}").format(raw.info.backend_pid)
    setting = sql.SQL(
        "CASE WHEN {own} THEN set_config({name}, {value}, false) ELSE current_setting({name}, true) END"
    )
    columns = [setting.format(own=own, name=name, value=value) for name, value in wanted.items()]
    query = sql.SQL("SELECT {}, {}").format(own, sql.SQL(", ").join(columns))
    is_own, *values = raw.execute(query).fetchone()
    return None if is_own else dict(zip(wanted, values, strict=True))


def _set(raw: Any, settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        raw.execute("SELECT set_config(%s, %s, false)", [name, value])


def _is_same(found: str | None, wanted: str) -> bool:
    return found is not None and found.split(",")[0].strip() == wanted


def _pooled(connection: BaseDatabaseWrapper) -> _Pooled | None:
    return next((one for one in connection.execute_wrappers if isinstance(one, _Pooled)), None)


def _forget_pooler(connection: BaseDatabaseWrapper) -> None:
    if pooled := _pooled(connection):
        connection.execute_wrappers.remove(pooled)
