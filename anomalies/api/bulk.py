"""Bulk: one decision, assignment or snooze about everything that matches a filter, as on the desk.

A preview freezes the matching anomalies with their versions and returns their number, by pattern too. The
confirmation writes about exactly these, in parts, for a few seconds at a time: it is sent again until
``is_finished``, also after an interruption, and never writes twice. Anomalies that changed since the preview
are skipped, with the reason. An undo takes back the whole, in the same way.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, Literal, TypeVar
from uuid import UUID, uuid5

from django.conf import settings
from django.http import HttpRequest
from ninja import Query, Router, Schema, Status

from anomalies.models import BulkSet, DismissalReason
from anomalies.queries.bounded.filter_listing import listing_of
from anomalies.queries.bounded.matches import first
from anomalies.queries.bounded.walks import NEWEST_FIRST
from anomalies.queries.filters import in_words
from anomalies.queries.patterns.selection import by_pattern
from anomalies.triage import frozen_selection as selections
from anomalies.triage.assignment import assign
from anomalies.triage.decisions import MOVES, DecisionError, Outcome
from anomalies.triage.snooze import snooze
from anomalies.triage.undo import NoSuchDecision, outcome, steps

from .access import caller, needs, token_of
from .filters import FilterParameters, filterset_of
from .problems import Problem, ProblemError
from .schemas import BulkPreview, BulkState, BulkUndone
from .writing import REFUSED, Note, Snooze, Username, assignee, invalid, rule_of

T = TypeVar("T")
router = Router(tags=["bulk"])
DECIDE = needs("decide")
PATTERNS = 20  # of a preview
SECONDS = 2.0  # for which one request works


class BulkAsked(Schema):
    """The action that a preview is about."""

    action: Literal["acknowledge", "dismiss", "investigate", "reopen", "assign", "snooze"]


class BulkConfirmation(Snooze):
    """The values of the action: a decision's reason and note, an assignment's "to", or a snooze's end.

    The first confirmation's values hold for the whole selection.
    """

    reason: DismissalReason | None = None
    note: Note = ""
    to: Username | None = None


_TAKES = {"assign": {"to"}, "snooze": set(Snooze.model_fields)}
_OF_DECISIONS = {"reason", "note"}


@router.post("/bulk", response={201: BulkPreview, REFUSED: Problem}, **DECIDE)
def preview_bulk(
    request: HttpRequest, filters: Query[FilterParameters], body: BulkAsked
) -> Status[dict[str, Any]]:
    """Freeze the anomalies that match all filters, the newest DRIFTLOCK_BULK_ROWS of them."""
    filterset, limit = filterset_of(request), settings.BULK_ROWS
    found = first(listing_of(filterset), NEWEST_FIRST.names, limit + 1)
    asked = selections.freeze(
        found.rows,
        _owner(request),
        body.action,
        in_words(filterset),
        request.GET.urlencode(),
        limit=limit,
        is_part=found.is_part,
    )
    patterns = [asdict(each) for each in by_pattern(asked.pk, PATTERNS)]
    expires = asked.created_at + selections.KEPT
    named = {"filter": asked.words, "is_capped": asked.is_capped, "expires_at": expires}
    return Status(201, {**_state(asked), **named, "patterns": patterns})


@router.get("/bulk/{uuid:bulk_id}", response={200: BulkState, REFUSED: Problem}, **DECIDE)
def get_bulk(request: HttpRequest, bulk_id: UUID) -> dict[str, Any]:
    """Return how far a selection is written, and what was skipped."""
    return _state(_selection(request, bulk_id))


@router.post("/bulk/{uuid:bulk_id}/confirmation", response={200: BulkState, REFUSED: Problem}, **DECIDE)
def confirm_bulk(request: HttpRequest, bulk_id: UUID, body: BulkConfirmation) -> dict[str, Any]:
    """Write about the selection, for a few seconds; send it again until ``is_finished``."""
    asked = _selection(request, bulk_id)
    try:
        if asked.started_at is None:
            asked = _begin(request, asked, body)
        for now in within_a_slice(request, _parts(request, asked)):
            asked = now
    except DecisionError as error:
        raise invalid(str(error)) from error
    return _state(BulkSet.objects.get(pk=asked.pk))


@router.post("/bulk/{uuid:bulk_id}/undo", response={200: BulkUndone, REFUSED: Problem}, **DECIDE)
def undo_bulk(request: HttpRequest, bulk_id: UUID) -> dict[str, Any]:
    """Undo what a selection wrote, for a few seconds; send it again until ``is_finished``.

    Anomalies that changed since are skipped.
    """
    asked = _selection(request, bulk_id)
    return undone(request, asked.pk, uuid5(asked.pk, "undo"), "The selection has changed no anomaly")


def undone(request: HttpRequest, batch: UUID, own: UUID, nothing: str) -> dict[str, Any]:
    """The state of a decision's undo after a slice of work; ``own`` is the undo's own batch.

    Raises ProblemError: 409 that begins with ``nothing`` where there is no such decision.
    """
    try:
        for _ in within_a_slice(request, steps(str(batch), caller(request), own)):
            pass
    except NoSuchDecision as error:
        raise ProblemError(409, f"{nothing}, so there is nothing to undo.") from error
    except DecisionError as error:
        raise invalid(str(error)) from error
    found = outcome(str(batch), own)
    return {
        "id": batch,
        "undone": found.undone + found.already,
        "is_finished": found.open == 0,
        "skipped": [asdict(each) for each in found.left],
    }


def _owner(request: HttpRequest) -> str:
    return token_of(request).owner.get_username()


def _selection(request: HttpRequest, bulk_id: UUID) -> BulkSet:
    asked = selections.frozen(bulk_id, _owner(request))
    if asked is None:
        raise ProblemError(
            404, f"There is no selection {bulk_id} of yours; selections are kept for two days."
        )
    return asked


def _begin(request: HttpRequest, asked: BulkSet, body: BulkConfirmation) -> BulkSet:
    """Store the values of the action, once. Raises ProblemError, DecisionError."""
    takes = _TAKES.get(asked.action, _OF_DECISIONS)
    if others := sorted(body.model_fields_set - takes):
        errors = [{"field": name, "message": f"does not belong to {asked.action}"} for name in others]
        raise ProblemError(422, f"{', '.join(others)}: not a value of {asked.action}.", errors)
    if asked.action in MOVES:
        return selections.begin(asked, body.reason, body.note)
    if asked.action == "assign" and "to" not in body.model_fields_set:
        message = "name the assignee, or null for nobody"
        raise ProblemError(422, f"to: {message}.", [{"field": "to", "message": message}])
    _write(request, asked.action, body)({}, asked.pk)  # refuses values that can't be written
    return selections.begin(asked, None, json.dumps(body.model_dump(mode="json", include=takes)))


def _parts(request: HttpRequest, asked: BulkSet) -> Iterator[BulkSet]:
    if asked.action in MOVES:
        return selections.decide_parts(asked, caller(request))
    values = BulkConfirmation(**json.loads(asked.note)) if asked.done_to < asked.rows else BulkConfirmation()
    return selections.write_parts(asked, _write(request, asked.action, values))


def _write(
    request: HttpRequest, action: str, values: BulkConfirmation
) -> Callable[[dict[UUID, int], UUID], Outcome]:
    """The function that writes an assignment or a snooze about anomalies by their versions."""

    def write(seen: dict[UUID, int], batch: UUID) -> Outcome:
        how: dict[str, Any] = {"seen": seen, "batch": batch}
        if action == "snooze":
            return snooze(seen, rule_of(values), caller(request), **how)
        return assign(seen, assignee(request, values.to), caller(request), **how)

    return write


def within_a_slice(request: HttpRequest, parts: Iterator[T]) -> Iterator[T]:
    """Parts of work until SECONDS are over; each part has the time of a page."""
    until = time.monotonic() + SECONDS
    for part in parts:
        yield part
        if deadline := getattr(request, "deadline", None):
            deadline.restart()
        if time.monotonic() >= until:
            return


def _state(asked: BulkSet) -> dict[str, Any]:
    found = selections.result(asked)
    return {
        "id": asked.pk,
        "action": asked.action,
        "rows": asked.rows,
        "done_to": asked.done_to,
        "written": found.decided,
        "is_started": asked.started_at is not None,
        "is_finished": asked.started_at is not None and asked.done_to >= asked.rows,
        "skipped": [asdict(each) for each in found.left],
    }
