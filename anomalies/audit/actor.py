"""The actor of a change, passed to the database's triggers for the length of one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.db import connection, transaction


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or a program: its ``username``, the client's IP ``address`` (None without a request), and
    ``via``: the path of the request or the name of the command; ``token``: the prefix of the API token that
    the request was made with."""

    username: str
    address: str | None = None
    via: str | None = None
    token: str | None = None


@contextmanager
def acting(actor: Actor, **context: Any) -> Iterator[None]:
    """A transaction in which every audit entry names ``actor`` and holds ``context``.

    The settings are local to the transaction, so a pooled connection carries no actor into the next one.
    Inside another ``acting`` the inner one applies until its end, then the outer one again. All entries of
    one ``acting`` share a ``batch``, a random UUID unless ``context`` gives one.
    """
    given = {"via": actor.via, "token": actor.token, "batch": str(uuid4()), **context}
    values = (
        actor.username,
        actor.address or "",
        json.dumps({name: value for name, value in given.items() if value is not None}),
    )
    with transaction.atomic():
        former = _exchange(values)
        yield
        _exchange(former)


# The former values are read before the new ones are set: MATERIALIZED keeps that order.
_EXCHANGE = """
    WITH former AS MATERIALIZED (
        SELECT coalesce(pg_catalog.current_setting('driftlock.username', true), '') AS username,
               coalesce(pg_catalog.current_setting('driftlock.address', true), '') AS address,
               coalesce(pg_catalog.current_setting('driftlock.context', true), '') AS context
    )
    SELECT username, address, context,
           pg_catalog.set_config('driftlock.username', %s, true),
           pg_catalog.set_config('driftlock.address', %s, true),
           pg_catalog.set_config('driftlock.context', %s, true)
    FROM former
"""


def _exchange(values: tuple[str, ...]) -> tuple[str, ...]:
    """Set the three settings for this transaction and return their former values."""
    with connection.cursor() as cursor:
        cursor.execute(_EXCHANGE, values)
        return tuple(cursor.fetchone()[:3])
