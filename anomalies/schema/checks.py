"""System checks of the database, for ``manage.py check --deploy`` and ``check --database default``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DEFAULT_DB_ALIAS, connections
from django.db import Error as DatabaseFailure

from . import preflight
from .poolers import PoolMode, needs_a_session, pool_mode

_NO_ANSWER = "driftlock.E002"


@register(Tags.database)
def database_is_fit(databases: Sequence[str] | None, **_: Any) -> list[CheckMessage]:
    """The reasons why ``migrate`` would refuse these databases, or could not work through their pooler."""
    return [message for alias in databases or () for message in _messages(alias)]


@register("deployment", deploy=True)
def default_database_is_fit(databases: Sequence[str] | None, **_: Any) -> list[CheckMessage]:
    """The same reasons for the default database, unless the command line names it.

    Nothing if no server answers, because settings are also checked where the database can't be reached.
    """
    found = [] if databases else _messages(DEFAULT_DB_ALIAS)
    return [message for message in found if message.id != _NO_ANSWER]


def _messages(alias: str) -> list[CheckMessage]:
    connection = connections[alias]
    try:
        mode = pool_mode(connection)
        if mode == PoolMode.TRANSACTION:
            why, _, mend = needs_a_session(connection, mode).rpartition("\n")
            return [
                Warning(f"migrate, schema, backup and restore would refuse: {why}", mend, id="driftlock.W001")
            ]
        return [Error(one.why, one.mend, id="driftlock.E001") for one in preflight.refusals(connection)]
    except DatabaseFailure as error:
        return [Error(f"The database does not answer: {str(error).strip()}", id=_NO_ANSWER)]
