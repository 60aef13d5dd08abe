"""The page for a database that was lost or can't be written during a request: 503, and a safe retry.

A connection that is lost during COMMIT leaves it open whether the transaction was committed: PostgreSQL sends
no answer any more. The audit log has the answer: a decision's entries have its form's ``batch`` id. The page
looks it up at once and, by a button, as often as it takes until the database answers. Sent again under the
same id a decision is done once, whatever the answer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db import Error, InterfaceError, OperationalError, connection
from django.http import HttpRequest, QueryDict
from django.utils.http import url_has_allowed_host_and_scheme

from anomalies.audit import was_stored
from anomalies.safe_text import printable

log = logging.getLogger(__name__)

TEMPLATE = "503_database.html"
SENT_TO = "sent_to"  # the field with the address that a form was sent to
_READ_ONLY = "25006"
# Connection exceptions; a server that shuts down, has crashed or starts. psycopg has no code for a lost one.
_LOST = ("08", "57P")


def is_lost(exception: BaseException) -> bool:
    """True for an error of the connection, not of a statement."""
    sqlstate = getattr(exception.__cause__, "sqlstate", None)
    return isinstance(exception, OperationalError | InterfaceError) and (
        sqlstate is None or sqlstate.startswith(_LOST)
    )


def is_read_only(exception: BaseException) -> bool:
    """True where the server refuses to write: a standby, or one without room."""
    return isinstance(exception, Error) and getattr(exception.__cause__, "sqlstate", None) == _READ_ONLY


def context(request: HttpRequest, exception: BaseException) -> dict[str, Any]:
    """The page's context: whether the form's decision was stored, and its fields for sending it again.

    ``stored`` is None where there is no decision, or the database does not answer yet.
    """
    path, why = printable(request.path), printable(str(exception))
    log.warning("database lost: %s %s: %s", request.method, path, why)
    if not connection.in_atomic_block:
        connection.close()
    read_only = is_read_only(exception)
    if request.method != "POST":
        return {"path": request.get_full_path(), "read_only": read_only}
    found = about_decision(request)
    return found | {"writing": True, "read_only": read_only} | _undecided(found, read_only=read_only)


def _undecided(found: dict[str, Any], *, read_only: bool) -> dict[str, Any]:
    """The answer for a form that is no decision: a server that is read-only stored nothing."""
    return {} if found["decision"] else {"stored": False if read_only else None}


def about_decision(request: HttpRequest) -> dict[str, Any]:
    """The part of the page's context about a form: its decision's id, if it was stored, and its fields."""
    form = request.POST
    batch = _batch(form)
    return {
        "path": _sent_to(request),
        "decision": batch,
        "stored": _look_up(batch) if batch else None,
        "fields": list(_fields(form)) if batch else [],
    }


def _sent_to(request: HttpRequest) -> str:
    """The address that the form was sent to at first, on this site."""
    path = request.POST.get(SENT_TO, "")
    is_ours = path.startswith("/") and url_has_allowed_host_and_scheme(path, None)
    return path if is_ours else request.get_full_path()


def _batch(form: QueryDict) -> UUID | None:
    try:
        return UUID(form.get("batch", ""))
    except ValueError:
        return None


def _fields(form: QueryDict) -> Iterator[tuple[str, str]]:
    for name, values in form.lists():
        for value in values:
            if name != SENT_TO:
                yield name, str(value)


def _look_up(batch: UUID) -> bool | None:
    """Ask by a new connection if the decision is in the audit log; None if the database does not answer."""
    if connection.in_atomic_block:
        return None
    try:
        return was_stored(batch)
    except Error:
        return None
