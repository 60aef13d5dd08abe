"""Writing: decisions, undo, notes, assignment and snooze, by the functions of the desk.

A write about an anomaly names the version that it is about: If-Match with the ETag of a read, or ``*`` for
whatever version there is. A write without it is refused (428, RFC 6585), and so is one with another version
than the present one (412), as an out-of-date form at the desk is refused. An Idempotency-Key (a UUID) names
the write: sent again with it, it is done once and answered as at first (``retries``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from django.http import HttpRequest, HttpResponse
from ninja import Header, Router, Schema
from pydantic import AwareDatetime, Field

from anomalies.models import Anomaly, ApiAnswer, DismissalReason
from anomalies.triage.assignment import assign
from anomalies.triage.decisions import DecisionError, Outcome, add_note, decide
from anomalies.triage.snooze import Rule, end_snooze, snooze
from anomalies.triage.undo import NoSuchDecision, State, undo

from . import retries
from .access import caller, needs, token_of
from .problems import Problem, ProblemError
from .reading import absent, etag
from .schemas import Decided

router = Router(tags=["writing"])
DECIDE = needs("decide")
REFUSED = frozenset({400, 401, 403, 404, 409, 411, 412, 413, 422, 428, 429, 503})
_ETAG = re.compile(r'"(\d{1,18})"')
_LATEST_YEAR = 9998

IfMatch = Annotated[
    str | None, Header(alias="If-Match", description='The ETag of a read, such as "3", or *.')
]
Key = Annotated[UUID | None, Header(alias="Idempotency-Key", description="A UUID that names this write.")]
Note = Annotated[str, Field(max_length=10_000)]
Username = Annotated[str, Field(max_length=255)]


class Decision(Schema):
    """A decision; a dismissal needs a reason."""

    action: Literal["acknowledge", "dismiss", "investigate", "reopen"]
    reason: DismissalReason | None = None
    note: Note = ""


class Undo(Schema):
    """The decision to undo for this anomaly, as ``decision_id`` of a write or of the history."""

    decision_id: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[\x20-\x7e]+$")]
    note: Note = ""


class NewNote(Schema):
    """A note to append."""

    note: Note


class Assignment(Schema):
    """The assignee: a username, "me" for the owner of the token, or null for nobody."""

    to: Username | None


class Snooze(Schema):
    """The end of a snooze: the first that is met of a time, an NCD and so many more within 24 hours."""

    until: AwareDatetime | None = None
    ncd_above: float | None = None
    more: int | None = None


@router.post("/anomalies/{uuid:anomaly_id}/decision", response={200: Decided, REFUSED: Problem}, **DECIDE)
def decide_about(
    request: HttpRequest,
    response: HttpResponse,
    anomaly_id: UUID,
    body: Decision,
    if_match: IfMatch = None,
    key: Key = None,
) -> dict[str, Any]:
    """Acknowledge, dismiss, investigate or reopen an anomaly."""
    write = Write(request, response, anomaly_id, if_match, key)
    return write.take(
        partial(decide, body.action, [anomaly_id], caller(request), reason=body.reason, note=body.note)
    )


@router.post("/anomalies/{uuid:anomaly_id}/note", response={200: Decided, REFUSED: Problem}, **DECIDE)
def note_about(
    request: HttpRequest,
    response: HttpResponse,
    anomaly_id: UUID,
    body: NewNote,
    if_match: IfMatch = None,
    key: Key = None,
) -> dict[str, Any]:
    """Append a note without a decision."""

    def taken(seen: dict[UUID, int] | None, batch: UUID) -> Outcome:
        version = seen[anomaly_id] if seen else None
        return add_note(anomaly_id, caller(request), body.note, seen=version, batch=batch)

    return Write(request, response, anomaly_id, if_match, key).take(taken)


@router.post("/anomalies/{uuid:anomaly_id}/assignment", response={200: Decided, REFUSED: Problem}, **DECIDE)
def assign_to(
    request: HttpRequest,
    response: HttpResponse,
    anomaly_id: UUID,
    body: Assignment,
    if_match: IfMatch = None,
    key: Key = None,
) -> dict[str, Any]:
    """Assign an anomaly to somebody who may decide about it, or to nobody."""
    write = Write(request, response, anomaly_id, if_match, key)
    return write.take(partial(assign, [anomaly_id], assignee(request, body.to), caller(request)))


def assignee(request: HttpRequest, to: str | None) -> str | None:
    """The username of an assignee; "me" is the owner of the token."""
    return token_of(request).owner.get_username() if to == "me" else to


@router.post("/anomalies/{uuid:anomaly_id}/snooze", response={200: Decided, REFUSED: Problem}, **DECIDE)
def snooze_until(
    request: HttpRequest,
    response: HttpResponse,
    anomaly_id: UUID,
    body: Snooze,
    if_match: IfMatch = None,
    key: Key = None,
) -> dict[str, Any]:
    """Snooze an anomaly, or replace the rule of its snooze."""
    write = Write(request, response, anomaly_id, if_match, key)
    return write.take(partial(snooze, [anomaly_id], rule_of(body), caller(request)))


def rule_of(body: Snooze) -> Rule:
    """The rule of a snooze. Raises ProblemError (422) for a time that no database holds in every zone."""
    if body.until is not None and body.until.year > _LATEST_YEAR:
        raise invalid(f"until: choose a time before the year {_LATEST_YEAR + 1}.")
    return Rule(body.until, body.ncd_above, body.more)


@router.delete("/anomalies/{uuid:anomaly_id}/snooze", response={200: Decided, REFUSED: Problem}, **DECIDE)
def wake(
    request: HttpRequest,
    response: HttpResponse,
    anomaly_id: UUID,
    if_match: IfMatch = None,
    key: Key = None,
) -> dict[str, Any]:
    """End the snooze of an anomaly."""
    write = Write(request, response, anomaly_id, if_match, key)
    return write.take(partial(end_snooze, [anomaly_id], caller(request)))


@router.post("/anomalies/{uuid:anomaly_id}/undo", response={200: Decided, REFUSED: Problem}, **DECIDE)
def undo_for(
    request: HttpRequest, response: HttpResponse, anomaly_id: UUID, body: Undo, key: Key = None
) -> dict[str, Any]:
    """Undo a decision for this anomaly.

    It needs no If-Match: it applies only while the anomaly is as that decision left it (else 409).
    """
    own, name = key or uuid4(), retries.named(request, key)
    if found := retries.earlier(name):
        return _again(response, found, request)
    try:
        state = undo(body.decision_id, caller(request), own, note=body.note, only=anomaly_id)
    except NoSuchDecision as error:
        raise ProblemError(404, str(error)) from error
    except DecisionError as error:
        raise invalid(str(error)) from error
    if not state.undone:
        raise _not_undone(state)
    answer = answer_about(response, anomaly_id, own)
    retries.keep(name, retries.digest_of(request), answer)
    return answer


def _again(response: HttpResponse, found: ApiAnswer, request: HttpRequest) -> dict[str, Any]:
    """The kept answer to a write, with its ETag. Raises ProblemError (422) where the request is another."""
    answer: dict[str, Any] = retries.answer_of(found, retries.digest_of(request))
    response["ETag"] = etag(answer["version"])
    return answer


def _not_undone(state: State) -> ProblemError:
    if state.already:
        return ProblemError(409, "It is undone already.")
    if state.left:
        return ProblemError(409, f"It can't be undone: {state.left[0].why}.")
    return ProblemError(404, "That decision was not about this anomaly.")


class Write:
    """A write about one anomaly: the expected version, the name of the write, and the answer.

    Raises ProblemError (428, 400) for a request without a readable If-Match.
    """

    def __init__(
        self,
        request: HttpRequest,
        response: HttpResponse,
        anomaly_id: UUID,
        if_match: str | None,
        key: UUID | None,
    ) -> None:
        self.request = request
        self.response = response
        self.id = anomaly_id
        self.name = retries.named(request, key)
        self.version = expected_version(if_match)
        self.seen = None if self.version is None else {anomaly_id: self.version}
        self.batch = key or uuid4()

    def take(self, write: Callable[..., Outcome]) -> dict[str, Any]:
        """Do it and return the anomaly's state; raises ProblemError where it was refused."""
        if found := retries.earlier(self.name):
            return _again(self.response, found, self.request)
        try:
            outcome = write(seen=self.seen, batch=self.batch)
        except DecisionError as error:
            raise invalid(str(error)) from error
        if outcome.refused:
            raise refused(outcome, self.version)
        answer = answer_about(self.response, self.id, self.batch)
        retries.keep(self.name, retries.digest_of(self.request), answer)
        return answer


def expected_version(if_match: str | None) -> int | None:
    """The version of an If-Match header; None for ``*``. Raises ProblemError (428, 400)."""
    if if_match is None:
        message = 'Send If-Match with the ETag of the version that this is about, such as "3".'
        raise ProblemError(428, message, [{"field": "If-Match", "message": "is missing"}])
    if if_match.strip() == "*":
        return None
    found = _ETAG.fullmatch(if_match.strip())
    if not found:
        message = 'must be one ETag of this API, such as "3", or *'
        raise ProblemError(400, f"If-Match {message}.", [{"field": "If-Match", "message": message}])
    return int(found[1])


def refused(outcome: Outcome, expected: int | None) -> ProblemError:
    """The problem of an anomaly that was skipped: absent, changed since, or in a status that forbids it.

    It names the present version and the one that the request ``expected``, null for any.
    """
    (refusal,) = outcome.refused
    if refusal.status is None:
        return absent(refusal.id)
    version = Anomaly.objects.filter(pk=refusal.id).values_list("version", flat=True).first()
    return ProblemError(
        412 if refusal.changed else 409,
        f"Nothing was changed: {refusal.why}.",
        current_version=version,
        expected_version=expected,
        current_status=refusal.status,
    )


def invalid(message: str) -> ProblemError:
    """The problem of a body that says what can't be done."""
    return ProblemError(422, message)


def answer_about(response: HttpResponse, anomaly_id: UUID, batch: UUID) -> dict[str, Any]:
    """The anomaly's state after a write, and its ETag."""
    row = Anomaly.objects.filter(pk=anomaly_id).values("id", "status", "version").first()
    if row is None:
        raise absent(anomaly_id)
    response["ETag"] = etag(row["version"])
    return {**row, "decision_id": str(batch)}
