"""Reading: anomalies, their evidence and history, and statistics."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from anomalies import json_column
from anomalies.audit import history
from anomalies.models import Anomaly
from anomalies.queries import keyset
from anomalies.queries.bounded.filter_figures import figures_of
from anomalies.queries.bounded.filter_listing import listing_of
from anomalies.queries.bounded.pages import Page, page_after
from anomalies.queries.evidence_events import Head, Total, events
from anomalies.queries.keyset import CursorError, cursor_of

from .access import needs, reads_replica
from .filters import FilterParameters, filterset_of
from .problems import Problem, ProblemError
from .rows import COLUMNS, DETAILED, number, values_of, with_columns
from .schemas import (
    AnomalyDetail,
    AnomalyPage,
    Evidence,
    History,
    HistoryEntry,
    Stats,
)

router = Router(tags=["reading"])
READ = needs("read")
REFUSED = frozenset({400, 401, 403, 411, 429, 503})
ABSENT = REFUSED | {404}
ORDERS: dict[str, tuple[str, str]] = {
    "-timestamp": ("-timestamp", "-id"),
    "timestamp": ("timestamp", "id"),
    "-ncd_score": ("-ncd_score", "-id"),
    "ncd_score": ("ncd_score", "id"),
    "p_value": ("p_value", "id"),
    "-p_value": ("-p_value", "-id"),
}
PAGING = ("order", "limit", "cursor", "fields")


class Paging(Schema):
    """The order and the size of a page, the place where it begins, and the fields of its rows."""

    order: Literal["-timestamp", "timestamp", "-ncd_score", "ncd_score", "p_value", "-p_value"] = "-timestamp"
    limit: int = Field(100, ge=1, le=500)
    cursor: str = Field("", max_length=500, description="next_cursor of the page before")
    fields: str = Field("", max_length=1_000, description="names separated by commas; all without it")


@router.get("/anomalies", response={200: AnomalyPage, REFUSED: Problem}, exclude_unset=True, **READ)
@reads_replica
def list_anomalies(
    request: HttpRequest,
    filters: Query[FilterParameters],
    paging: Query[Paging],
) -> dict[str, Any]:
    """List the anomalies that match all filters, page by page."""
    columns = _chosen(paging.fields)
    listing = listing_of(filterset_of(request, PAGING))
    ordering = ORDERS[paging.order]
    shown = with_columns({*columns, *(name.lstrip("-") for name in ordering)})
    with read_cursor(paging.cursor) as cursor:
        page = page_after(listing, ordering, cursor, paging.limit, shown)
    return {
        "anomalies": [values_of(row, columns) for row in page.rows],
        "next_cursor": _next_cursor(page, ordering),
    }


def _chosen(fields: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in fields.split(",") if name.strip()))
    if unknown := [name for name in names if name not in COLUMNS]:
        message = f"no field {', '.join(unknown)[:200]}; there are {', '.join(COLUMNS)}"
        raise ProblemError(400, f"fields: {message}", [{"field": "fields", "message": message}])
    return names or COLUMNS


def _next_cursor(page: Page, ordering: tuple[str, ...]) -> str | None:
    """The cursor of the row at which reading stopped: the edge of a search, or the last row."""
    last = page.edge or (page.rows[-1] if page.rows else None)
    if not page.has_next or last is None:
        return None
    return written_cursor(last, ordering)


def written_cursor(row: Model, ordering: Sequence[str]) -> str:
    """The cursor of the page after this row."""
    return base64.urlsafe_b64encode(cursor_of(row, ordering).encode()).decode().rstrip("=")


@contextmanager
def read_cursor(cursor: str) -> Iterator[str]:
    """The place in the order that a cursor names. Raises ProblemError (400) where the order has no such."""
    try:
        yield _decoded(cursor)
    except CursorError as error:
        message = f"{error}; use next_cursor as it was given, with the same order"
        raise ProblemError(400, f"cursor: {message}", [{"field": "cursor", "message": message}]) from error


def page_of(
    rows: QuerySet[Any],
    ordering: Sequence[str],
    cursor: str,
    limit: int,
    columns: Callable[[QuerySet[Any]], QuerySet[Any]] = lambda found: found,
) -> tuple[list[Any], str | None]:
    """The rows of a page in this order, and the cursor of the next one, None at the end.

    ``columns`` adds columns to the rows beyond the cursor. Raises ProblemError as ``read_cursor``.
    """
    with read_cursor(cursor) as place:
        after = keyset.beyond(rows, ordering, place)
    found = list(columns(after).order_by(*ordering)[: limit + 1])
    shown = found[:limit]
    return shown, written_cursor(shown[-1], ordering) if len(found) > limit else None


def _decoded(cursor: str) -> str:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise CursorError("it is no cursor of this API") from error


@router.get("/anomalies/{uuid:anomaly_id}", response={200: AnomalyDetail, 304: None, ABSENT: Problem}, **READ)
def get_anomaly(request: HttpRequest, response: HttpResponse, anomaly_id: UUID) -> Any:
    """Return one anomaly. Its ETag is the version, which a write sends as If-Match."""
    rows = with_columns(DETAILED, json_column.OF_ONE_ROW)
    row = rows.filter(pk=anomaly_id).first()
    if row is None:
        raise absent(anomaly_id)
    if request.headers.get("If-None-Match") == etag(row.version):
        return HttpResponse(status=304, headers={"ETag": etag(row.version)})
    response["ETag"] = etag(row.version)
    return values_of(row, DETAILED)


def etag(version: int) -> str:
    """The entity tag of a version."""
    return f'"{version}"'


def absent(anomaly_id: UUID) -> ProblemError:
    """The problem of an id that no anomaly has."""
    return ProblemError(404, f"There is no anomaly {anomaly_id}.")


@router.get("/anomalies/{uuid:anomaly_id}/evidence", response={200: Evidence, ABSENT: Problem}, **READ)
def get_evidence(
    request: HttpRequest, anomaly_id: UUID, most: Annotated[int, Query(ge=1, le=10_000)] = 300
) -> dict[str, Any]:
    """Return the events of the baseline and of the window, the first ``most`` of each."""
    sides = ("baseline", "window")
    heads = {f"{side}_head": Head(f"{side}_data", most) for side in sides}
    totals = {f"{side}_total": Total(f"{side}_data") for side in sides}
    found = Anomaly.objects.filter(pk=anomaly_id).values(**heads, **totals).first()
    if found is None:
        raise absent(anomaly_id)
    return {
        side: {"total": found[f"{side}_total"], "events": _events(found[f"{side}_head"])} for side in sides
    }


def _events(head: str | None) -> list[dict[str, Any]]:
    return [
        {"text": event.text, "number": event.number, "bits": number(event.bits), "odd": event.odd}
        for event in events(head)
    ]


@router.get("/anomalies/{uuid:anomaly_id}/history", response={200: History, ABSENT: Problem}, **READ)
def get_history(
    request: HttpRequest, anomaly_id: UUID, most: Annotated[int, Query(ge=1, le=1_000)] = 200
) -> dict[str, Any]:
    """Return the audit log's newest entries about an anomaly, at most ``most``."""
    entries = history(anomaly_id, most)
    if not entries and not Anomaly.objects.filter(pk=anomaly_id).exists():
        raise absent(anomaly_id)
    return {"entries": [_entry(entry) for entry in entries]}


def _entry(entry: Any) -> dict[str, Any]:
    own = {name: getattr(entry, name) for name in HistoryEntry.model_fields if hasattr(entry, name)}
    changes = {name: {"before": before, "after": after} for name, (before, after) in entry.values.items()}
    return {**own, "decision_id": entry.batch, "changes": changes}


@router.get("/stats", response={200: Stats, REFUSED: Problem}, **READ)
@reads_replica
def get_stats(
    request: HttpRequest,
    filters: Query[FilterParameters],
) -> dict[str, Any]:
    """Return the figures by stream of the anomalies that match all filters."""
    return {"streams": [_plain(asdict(row)) for row in figures_of(filterset_of(request))]}


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.total_seconds() if isinstance(value, timedelta) else number(value)
        for name, value in values.items()
    }
