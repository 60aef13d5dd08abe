"""Anomalies by the names of the original server: lists, one anomaly, a new one, and changes of status.

A change of status is a decision of the desk, allowed and recorded as one. That server had no versions, so a
write needs no If-Match here; one that is sent counts.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID, uuid4

from django.db import transaction
from django.http import HttpRequest, QueryDict
from ninja import Query, Router, Schema
from ninja import Status as Answer
from pydantic import AwareDatetime, Field, FiniteFloat

from anomalies import json_column
from anomalies.ingest.programmatic import RowError, store
from anomalies.models import Anomaly, DismissalReason, Status, Stream
from anomalies.queries import hourly_rollup
from anomalies.queries.bounded.counts import COUNTED, count
from anomalies.queries.bounded.filter_listing import listing_of, selection_of
from anomalies.queries.bounded.listing import Listing
from anomalies.queries.bounded.pages import Page, page_after
from anomalies.queries.bounded.walks import NEWEST_FIRST
from anomalies.queries.filters import AnomalyFilter
from anomalies.thresholds import active_config
from anomalies.triage.decisions import MOVES, DecisionError, Outcome, add_note, decide
from anomalies.triage.snooze import wake

from ..access import caller, needs, reads_replica
from ..filters import checked
from ..problems import Problem, ProblemError
from ..reading import REFUSED, absent
from ..rows import json_value, values_of, with_columns
from ..writing import IfMatch, expected_version, invalid, refused

router = Router(tags=["original"])
_READ, _DECIDE = needs("read"), needs("decide")
_UNREAD = REFUSED | {404}
_UNSTORED = REFUSED | {413, 422}
_UNWRITTEN = REFUSED | {404, 409, 412, 413, 422}
_JSON = ("baseline_data", "window_data", "metadata")
# Names of the original server's parameters, and of the filters that they are.
_FILTERS = {
    "stream_type": "stream",
    "status": "status",
    "min_ncd_score": "ncd_min",
    "max_p_value": "p_max",
    "start_time": "since",
    "end_time": "until",
    "tags": "tags_any",
    "only_significant": "significant",
}
Fraction = Annotated[float, Field(ge=0, le=1)]
_DECISIONS = {move.to: action for action, move in MOVES.items()}


class OriginalAnomaly(Schema):
    """An anomaly with the columns of the original server; what is null is left out."""

    id: UUID
    timestamp: datetime
    stream_type: Stream
    ncd_score: float
    p_value: float
    status: Status
    glass_box_explanation: str
    detailed_explanation: str | None = None
    compression_baseline: float | None = None
    compression_window: float | None = None
    compression_combined: float | None = None
    compression_ratio_change: float | None = None
    baseline_entropy: float | None = None
    window_entropy: float | None = None
    entropy_change: float | None = None
    confidence_level: float
    is_statistically_significant: bool
    baseline_data: dict[str, Any] | None = None
    window_data: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    tags: list[str] | None = None
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    dismissed_by: str | None = None
    dismissed_at: datetime | None = None
    notes: str | None = None
    created_at: datetime
    updated_at: datetime


class OriginalPage(Schema):
    """A page of a list; ``total`` is exact where the roll-up counts the filter, else at most 10,000."""

    anomalies: list[OriginalAnomaly]
    total: int
    limit: int
    offset: int
    has_more: bool


class OriginalParameters(Schema):
    """The filters and the page, by the original names."""

    stream_type: str | None = None
    status: str | None = None
    min_ncd_score: str | None = None
    max_p_value: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    tags: str | None = None
    only_significant: str | None = None
    limit: int = Field(50, ge=1, le=1_000)
    offset: int = Field(0, ge=0, le=COUNTED)


class OriginalCreate(Schema):
    """A new anomaly. Its change of compression and its significance are computed, the latter by the active
    config's p-value threshold."""

    timestamp: AwareDatetime
    stream_type: Stream
    ncd_score: Fraction
    p_value: Fraction
    glass_box_explanation: str
    compression_baseline: FiniteFloat
    compression_window: FiniteFloat
    compression_combined: FiniteFloat
    confidence_level: Fraction
    baseline_data: dict[str, Any] | None = None
    window_data: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    tags: list[str] | None = None


class StatusUpdate(Schema):
    """A new status; ``notes`` are appended. A dismissal without a reason has the reason "other"."""

    status: Status
    notes: Annotated[str, Field(max_length=10_000)] | None = None
    dismissal_reason: DismissalReason = DismissalReason.OTHER


COLUMNS = tuple(OriginalAnomaly.model_fields)
IN_LISTS = tuple(
    name for name in COLUMNS if name not in ("baseline_data", "window_data", "detailed_explanation")
)


@router.get("/anomalies", response={200: OriginalPage, REFUSED: Problem}, exclude_none=True, **_READ)
@reads_replica
def list_original(request: HttpRequest, asked: Query[OriginalParameters]) -> dict[str, Any]:
    """List the anomalies that match all filters, newest first."""
    filterset = filterset_of(request, OriginalParameters.model_fields)
    listing = listing_of(filterset)
    shown = with_columns(IN_LISTS)
    page = page_after(listing, NEWEST_FIRST.names, "", asked.limit, shown, skipped=asked.offset)
    return {
        "anomalies": [original_values(row, IN_LISTS) for row in page.rows],
        "total": _total(filterset, listing, page),
        "limit": asked.limit,
        "offset": asked.offset,
        # Where a search stopped early the page is not full, and an offset leads no further.
        "has_more": page.has_next and len(page.rows) == asked.limit,
    }


def filterset_of(request: HttpRequest, known: Collection[str]) -> AnomalyFilter:
    """The FilterSet of the original names, which errors have too; ``known`` are the address's parameters."""
    data = QueryDict(mutable=True)
    for name, ours in _FILTERS.items():
        if value := ",".join(request.GET.getlist(name)):
            data[ours] = value.lower() if name == "only_significant" else value
    if data.get("significant") == "false":  # there it means "all"
        del data["significant"]
    names = {ours: name for name, ours in _FILTERS.items()}
    return checked(request, data, known, names)


def _total(filterset: AnomalyFilter, listing: Listing, page: Page) -> int:
    """The number of rows, from the page's reading if that counted them."""
    selection = selection_of(filterset)
    if page.pairs is not None and (selection is None or not page.is_least):
        return sum(n for _, _, n in json.loads(page.pairs))
    if selection is None or not hourly_rollup.is_built():
        return count(listing, is_frequent=page.is_walked).least
    return sum(int(row["total_anomalies"]) for row in hourly_rollup.figures(selection))


def original_values(row: Any, columns: tuple[str, ...]) -> dict[str, Any]:
    """The columns as the original types hold them: no NaN, and JSON as an object."""
    values = values_of(row, columns)
    values = {
        name: None if value in ("NaN", "Infinity", "-Infinity") else value for name, value in values.items()
    }
    for name in _JSON:
        if values.get(name) is not None and not isinstance(values[name], dict):
            values[name] = {"events" if name != "metadata" else "value": values[name]}
    if values["tags"] is not None:
        values["tags"] = [tag for tag in values["tags"] if tag is not None]
    return values


@router.post(
    "/anomalies", response={201: OriginalAnomaly, _UNSTORED: Problem}, exclude_none=True, **needs("ingest")
)
def create_original(request: HttpRequest, body: OriginalCreate) -> Answer[dict[str, Any]]:
    """Store an anomaly, and end the snoozes that it ends."""
    values = body.model_dump(exclude_none=True)
    for name in _JSON:
        if name in values:
            values[name] = json.dumps(values[name]).encode()
    change = body.compression_window - body.compression_baseline
    is_significant = body.p_value < active_config().p_value_threshold
    key = uuid4()
    more: dict[str, Any] = {"id": key, "is_statistically_significant": is_significant}
    if body.compression_baseline:
        more["compression_ratio_change"] = change / body.compression_baseline * 100
    try:
        store([{**values, **more}], caller(request), "api")
    except RowError as error:
        raise invalid(str(error)) from error
    wake(caller(request))
    return Answer(201, _one(key))


@router.get(
    "/anomalies/{uuid:anomaly_id}",
    response={200: OriginalAnomaly, _UNREAD: Problem},
    exclude_none=True,
    **_READ,
)
def get_original(request: HttpRequest, anomaly_id: UUID) -> dict[str, Any]:
    """Return one anomaly with its evidence."""
    return _one(anomaly_id)


def _one(anomaly_id: UUID) -> dict[str, Any]:
    plain = [name for name in COLUMNS if name not in _JSON]
    rows = json_column.as_text(Anomaly.objects.only(*plain), _JSON, json_column.OF_ONE_ROW)
    row = rows.filter(pk=anomaly_id).first()
    if row is None:
        raise absent(anomaly_id)
    for name in _JSON:
        setattr(row, name, json_value(getattr(row, f"{name}_text")))
    del row.metadata_text
    return original_values(row, COLUMNS)


@router.patch(
    "/anomalies/{uuid:anomaly_id}/status",
    response={200: OriginalAnomaly, _UNWRITTEN: Problem},
    exclude_none=True,
    **_DECIDE,
)
def set_status(
    request: HttpRequest, anomaly_id: UUID, body: StatusUpdate, if_match: IfMatch = None
) -> dict[str, Any]:
    """Decide about an anomaly by naming its new status; from a decided one it is reopened first.

    A status that it has already is no decision: only the note is added.
    """
    seen = None if if_match is None else expected_version(if_match)
    try:
        with transaction.atomic():
            _set_status(request, anomaly_id, body, seen)
    except DecisionError as error:
        raise invalid(str(error)) from error
    return _one(anomaly_id)


def _set_status(request: HttpRequest, anomaly_id: UUID, body: StatusUpdate, seen: int | None) -> None:
    """Write in the transaction that is open. Raises ProblemError, DecisionError."""
    rows = Anomaly.objects.filter(pk=anomaly_id).select_for_update()
    found = rows.values_list("status", "version").first()
    if found is None:
        raise absent(anomaly_id)
    status, present = found
    note, batch = (body.notes or "").strip(), uuid4()
    if body.status == status:
        _stay(request, anomaly_id, note, seen, present)
        return
    action, take = (
        _DECISIONS[body.status],
        partial(decide, ids=[anomaly_id], actor=caller(request), batch=batch),
    )
    expected = None if seen is None else {anomaly_id: seen}
    if status not in MOVES[action].sources:
        _done(take("reopen", seen=expected), seen)
        seen = expected = None
    reason = body.dismissal_reason if action == "dismiss" else None
    _done(take(action, reason=reason, note=note, seen=expected), seen)


def _stay(request: HttpRequest, anomaly_id: UUID, note: str, seen: int | None, present: int) -> None:
    """Add the note, if there is one, to an anomaly that has the status already."""
    if seen not in (None, present):
        words = f"Nothing was changed: the anomaly is in version {present} by now."
        raise ProblemError(412, words, current_version=present, expected_version=seen)
    if note:
        _done(add_note(anomaly_id, caller(request), note), seen)


def _done(outcome: Outcome, expected: int | None) -> None:
    if outcome.refused:
        raise refused(outcome, expected)
