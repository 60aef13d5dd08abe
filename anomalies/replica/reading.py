"""Blocks that read from the replica: it takes the place of the default connection, for this thread alone.

Whatever fails there is done again on the primary, as a whole. Only what reads may be given to these
functions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from .state import ALIAS, Standing, Status, close_quietly, replica
from .timeout import socket_closed_after

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Around = Callable[[], AbstractContextManager[Any]]
# Errors of one statement: a conflict with what is replayed, a lock that is replayed, a time limit. Another
# statement may well succeed, so the replica stays in use.
_OF_A_STATEMENT = {"40001", "55P03", "57014"}
_PRIMARY = "driftlock_primary"


def is_reading() -> bool:
    """True within a block that reads from the replica."""
    return connections[DEFAULT_DB_ALIAS].alias == ALIAS


def usable(position: int | None) -> Status | None:
    """The state of the replica, if it is fresh enough and has replayed this position; else None."""
    status = replica.ask()
    is_usable = status.standing == Standing.USED and status.position >= (position or 0)
    return status if is_usable else None


def read(answer: Callable[[], Answer], around: Around, before_repeating: Callable[[], None]) -> Answer:
    """The answer as the replica gives it; if anything fails there, that of the primary.

    ``around`` gives the context for the replica's connection; ``before_repeating`` is called before the
    primary is asked. An error that the answer has suppressed counts too.
    """
    watch = _Watch()
    try:
        with _replica_as_default(watch), _in_time(), around():
            found = answer()
    except Exception as error:
        watch.note_cause(error)
        if watch.error is None:
            raise
    else:
        if watch.error is None:
            return found
    _leave(watch.error)
    before_repeating()
    return answer()


@contextmanager
def on_primary() -> Iterator[None]:
    """Inside, the default connection is the primary's, also within a block that reads from the replica."""
    with _as_default(getattr(connections[DEFAULT_DB_ALIAS], _PRIMARY, connections[DEFAULT_DB_ALIAS])):
        yield


class Stream:
    """Pieces that are read from the replica one by one and, where it fails, go on at the primary.

    ``begin`` gives pairs of a place and a piece: those after a place, all for None. A place of None repeats
    nothing and begins nothing.
    """

    def __init__(self, begin: Callable[[Any], Iterator[tuple[Any, bytes]]]) -> None:
        self._begin = begin
        self._rows = begin(None)
        self._place: Any = None
        self._given = False
        self._is_on_replica = True

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> bytes:
        """The next piece."""
        if not self._is_on_replica:
            return self._took(next(self._rows))
        watch = _Watch()
        try:
            with _replica_as_default(watch):
                return self._took(next(self._rows))
        except Exception as error:
            watch.note_cause(error)
            if watch.error is None:
                raise
        _leave(watch.error)
        self._is_on_replica = False
        self._rows = self._begin(self._place)
        return self._took(next(self._rows))

    def _took(self, found: tuple[Any, bytes]) -> bytes:
        place, piece = found
        self._place = place or self._place
        return piece

    def close(self) -> None:
        """End the statement where the client has gone away."""
        close: Any = getattr(self._rows, "close", lambda: None)
        if not self._is_on_replica:
            close()
            return
        with _replica_as_default(_Watch()):
            close()


class _Watch:
    """An execute wrapper of Django's connection that keeps the first error."""

    def __init__(self) -> None:
        self.error: Error | None = None

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        """The result of the statement."""
        try:
            return execute(sql, params, many, context)
        except Error as error:
            self.error = self.error or error
            raise

    def note_cause(self, error: BaseException | None) -> None:
        """Keep the database's error that caused this one: of rows that were fetched, it has no statement."""
        wrapper: Any = connections[ALIAS]
        kinds = (Error, wrapper.Database.Error)
        while error is not None and self.error is None:
            self.error = error if isinstance(error, kinds) else None
            error = error.__cause__ or error.__context__


@contextmanager
def _replica_as_default(watch: _Watch) -> Iterator[None]:
    wrapper: Any = connections[ALIAS]
    primary = connections[DEFAULT_DB_ALIAS]
    setattr(wrapper, _PRIMARY, primary)
    with _as_default(wrapper), wrapper.execute_wrapper(watch):
        yield


@contextmanager
def _as_default(wrapper: BaseDatabaseWrapper) -> Iterator[None]:
    former = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = wrapper
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS] = former


@contextmanager
def _in_time() -> Iterator[None]:
    """A server that has stopped answering keeps no time limit; a second after it the socket is shut."""
    wrapper = connections[ALIAS]
    if not settings.PAGE_SECONDS:
        yield
        return
    with socket_closed_after(settings.PAGE_SECONDS + 1, lambda: wrapper.connection):
        yield


def _leave(error: Error) -> None:
    """Close this thread's connection; after an error of more than one statement, ask no more for a while."""
    close_quietly()
    cause: Any = error.__cause__ if error.__cause__ is not None else error
    if getattr(cause, "sqlstate", None) in _OF_A_STATEMENT:
        log.info("read again from the primary: %s", str(error).strip())
    else:
        replica.failed(error)
