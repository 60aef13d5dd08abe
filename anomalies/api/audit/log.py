"""The entries of the audit log: each change, with who made it, when and from where."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import AwareDatetime, Field

from anomalies import json_column, permissions
from anomalies.models import AuditLog

from ..access import needs_too, reads_replica
from ..filters import refuse_unknown
from ..problems import Problem, ProblemError
from ..reading import ABSENT, REFUSED, page_of
from ..rows import json_value

router = Router(tags=["audit"])
SEE = needs_too("read", permissions.can_see_audit_log)
ORDERS = {"-timestamp": ("-timestamp", "-id"), "timestamp": ("timestamp", "id")}
_JSON = ("old_values", "new_values", "metadata")
_EQUAL = ("resource_type", "resource_id", "username", "action")


class AuditParameters(Schema):
    """The filters, the order and the page of a list of entries."""

    resource_type: str = Field("", max_length=50, description='Such as "anomaly" or "triage rule".')
    resource_id: Annotated[UUID | None, Field(description="An anomaly's id.")] = None
    username: str = Field("", max_length=255, description="Who made the change.")
    action: str = Field("", max_length=50, description='Such as "dismiss" or "undo".')
    since: Annotated[AwareDatetime | None, Field(description="The first time.")] = None
    until: Annotated[AwareDatetime | None, Field(description="The time before which entries end.")] = None
    order: Literal["-timestamp", "timestamp"] = "-timestamp"
    limit: int = Field(100, ge=1, le=500)
    cursor: str = Field("", max_length=500, description="next_cursor of the page before")


class AuditEntry(Schema):
    """An entry of the audit log: the values before and after, and what else is known about the change.

    ``metadata`` has the ``batch`` (an undo's ``decision_id``), ``via``, ``token`` and ``note`` where they are
    given.
    """

    id: int
    timestamp: datetime
    username: str
    ip_address: str | None
    action: str
    resource_type: str
    resource_id: UUID | None
    old_values: Any = None
    new_values: Any = None
    metadata: Any = None


class AuditPage(Schema):
    """A page of entries. ``next_cursor`` begins the next one; null at the end of the list."""

    entries: list[AuditEntry]
    next_cursor: str | None


@router.get("/audit", response={200: AuditPage, REFUSED: Problem}, **SEE)
@reads_replica
def list_audit_entries(request: HttpRequest, asked: Query[AuditParameters]) -> dict[str, Any]:
    """List the entries of the audit log that match all filters, page by page.

    An entry appears once its transaction is committed, so a program that follows the log in the order
    "timestamp" reads the last minutes again.
    """
    refuse_unknown(request, AuditParameters.model_fields)
    ordering = ORDERS[asked.order]
    shown, next_cursor = page_of(_matching(asked), ordering, asked.cursor, asked.limit, _with_json)
    return {"entries": [_values(row) for row in shown], "next_cursor": next_cursor}


def _with_json(entries: QuerySet[Any]) -> QuerySet[Any]:
    return json_column.as_text(entries, _JSON)


def _matching(asked: AuditParameters) -> QuerySet[AuditLog]:
    """The entries that match all filters. PostgreSQL stores no NUL, so a text with one matches nothing."""
    wanted = {name: value for name in _EQUAL if (value := getattr(asked, name))}
    if any("\0" in str(value) for value in wanted.values()):
        return AuditLog.objects.none()
    if asked.resource_id:
        wanted.setdefault("resource_type", "anomaly")
    if asked.since:
        wanted["timestamp__gte"] = asked.since
    if asked.until:
        wanted["timestamp__lt"] = asked.until
    return AuditLog.objects.filter(**wanted)


@router.get("/audit/{int:entry_id}", response={200: AuditEntry, ABSENT: Problem}, **SEE)
def get_audit_entry(request: HttpRequest, entry_id: int) -> dict[str, Any]:
    """Return one entry of the audit log."""
    rows = AuditLog.objects.filter(pk=entry_id) if entry_id < 2**63 else AuditLog.objects.none()
    row = json_column.as_text(rows, _JSON).first()
    if row is None:
        raise ProblemError(404, f"There is no audit entry {entry_id}.")
    return _values(row)


def _values(row: Any) -> dict[str, Any]:
    plain = {name: getattr(row, name) for name in AuditEntry.model_fields if name not in _JSON}
    return plain | {name: json_value(getattr(row, f"{name}_text")) for name in _JSON}
