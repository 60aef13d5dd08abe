"""Comments about an anomaly: read in the order of time, added and withdrawn; @username names somebody.

A comment changes no version, so adding one needs no If-Match. An Idempotency-Key becomes the comment's id.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field

from anomalies.models import LONGEST_COMMENT, Anomaly
from anomalies.queries.card.thread import thread_of, with_thread
from anomalies.triage.comments import CommentError, NoSuchComment, add, withdraw
from anomalies.triage.decisions import DecisionError

from .. import retries
from ..access import caller
from ..problems import Problem, ProblemError
from ..reading import ABSENT, READ, absent
from ..writing import DECIDE, Key, invalid

router = Router(tags=["comments"])
REFUSED = ABSENT | {413, 422}


class NewComment(Schema):
    """A comment; @username in its text names somebody who may see anomalies."""

    text: Annotated[str, Field(max_length=LONGEST_COMMENT)]


class CommentRow(Schema):
    """A comment; ``named`` are the users whom its text names, and a withdrawn one has no text."""

    id: UUID
    author: str
    text: str | None
    named: list[str]
    created_at: datetime
    withdrawn_at: datetime | None


class Comments(Schema):
    """The comments about an anomaly, the oldest first, at most the newest 200."""

    comments: list[CommentRow]


class AddedComment(CommentRow):
    """A stored comment; ``unknown`` are the @names that nobody has who may see anomalies."""

    unknown: list[str]


@router.get("/anomalies/{uuid:anomaly_id}/comments", response={200: Comments, ABSENT: Problem}, **READ)
def get_comments(request: HttpRequest, anomaly_id: UUID) -> dict[str, Any]:
    """Return the comments about an anomaly, the oldest first."""
    row = with_thread(Anomaly.objects.only("id")).filter(pk=anomaly_id).first()
    if row is None:
        raise absent(anomaly_id)
    return {"comments": [asdict(comment) for comment in thread_of(row)]}


@router.post(
    "/anomalies/{uuid:anomaly_id}/comments", response={201: AddedComment, REFUSED: Problem}, **DECIDE
)
def add_comment(
    request: HttpRequest, anomaly_id: UUID, body: NewComment, key: Key = None
) -> Status[dict[str, Any]]:
    """Add a comment to an anomaly."""
    name = retries.named(request, key)
    if found := retries.earlier(name):
        return Status(201, retries.answer_of(found, retries.digest_of(request)))
    try:
        added = add(anomaly_id, body.text, caller(request), key)
    except NoSuchComment as error:
        raise absent(anomaly_id) from error
    except DecisionError as error:
        raise invalid(str(error)) from error
    answer = {field: getattr(added.comment, field) for field in CommentRow.model_fields}
    answer["unknown"] = list(added.unknown)
    retries.keep(name, retries.digest_of(request), answer)
    return Status(201, answer)


@router.delete(
    "/anomalies/{uuid:anomaly_id}/comments/{uuid:comment_id}",
    response={200: Comments, REFUSED: Problem},
    **DECIDE,
)
def withdraw_comment(request: HttpRequest, anomaly_id: UUID, comment_id: UUID) -> dict[str, Any]:
    """Withdraw a comment of one's own; the audit log keeps its text. A withdrawn one stays so."""
    try:
        withdraw(anomaly_id, comment_id, caller(request))
    except NoSuchComment as error:
        raise ProblemError(404, str(error)) from error
    except CommentError as error:
        raise ProblemError(403, str(error)) from error
    return get_comments(request, anomaly_id)
