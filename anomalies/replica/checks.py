"""System checks of the replica, for ``manage.py check --deploy``: why reads would not go there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.core.checks import CheckMessage, Warning, register
from django.db import Error, connections

from .fitness import is_of_another_server, unapplied
from .state import ALIAS, is_configured

_ID = "driftlock.W002"
_STANDBY = "SELECT pg_is_in_recovery(), current_setting('hot_standby_feedback')"


@register("deployment", deploy=True)
def replica_is_fit(databases: Sequence[str] | None, **_: Any) -> list[CheckMessage]:
    """The reasons why the replica would not be read from, or would often be left."""
    if not is_configured():
        return []
    try:
        return list(_messages())
    except Error as error:
        return [
            Warning(
                f"The replica does not answer: {str(error).strip()}",
                "All reads go to the primary until it does. See DATABASE_REPLICA_URL.",
                id=_ID,
            )
        ]


def _messages() -> Iterator[CheckMessage]:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(_STANDBY)
        is_standby, feedback = cursor.fetchone()
    if not is_standby:
        yield Warning(
            "DATABASE_REPLICA_URL names a server that is no standby: it was promoted, or never was one.",
            "Nothing is read from it. After a failover DATABASE_URL must name it; see docs/scaling.md.",
            id=_ID,
        )
        return
    if is_of_another_server(connections[ALIAS]):
        yield Warning(
            "DATABASE_REPLICA_URL names a standby of another server than DATABASE_URL's.",
            "Make it from this primary: pg_basebackup -R, see docs/scaling.md.",
            id=_ID,
        )
    if missing := unapplied(connections[ALIAS]):
        yield Warning(
            f"The replica lacks {missing:,} migrations of this version.",
            "Run manage.py migrate, or wait until the replica has replayed it.",
            id=_ID,
        )
    if feedback != "on":
        yield Warning(
            "hot_standby_feedback is off on the replica: vacuum on the primary will cancel long reads there.",
            "On the replica: ALTER SYSTEM SET hot_standby_feedback = on; SELECT pg_reload_conf();",
            id=_ID,
        )
