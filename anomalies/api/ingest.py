"""Ingest: anomalies as lines of JSON in the body, by the way that ``manage.py ingest`` takes.

The body is read in parts and stored in batches, so memory does not grow with it. Every valid line is stored,
whatever is wrong with the lines beside it. An id in a line, or else one made from what the line says, is its
identity: a body that is sent again adds nothing, so a retry is safe. With an Idempotency-Key it is also
answered with the counts of the first request.
"""

from __future__ import annotations

import hashlib
import io
from typing import Annotated, Any

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest
from ninja import Query, Router, Schema

from anomalies.ingest import Reject, Stopped, Summary, ingest
from anomalies.safe_text import printable
from anomalies.sources.lines import ReadError, TooLarge, read_stream
from anomalies.triage.snooze import wake

from . import retries
from .access import caller, needs
from .problems import Problem, ProblemError
from .writing import Key

router = Router(tags=["ingest"])
SHOWN = 1_000  # errors in an answer
_ENCODINGS = ("", "identity", "gzip", "x-gzip", "zstd")
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
_BODY = {
    "requestBody": {
        "required": True,
        "description": "A line of JSON for each anomaly, columns as in docs/ingest.md; Content-Encoding may "
        "be gzip or zstd.",
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
    }
}


class LineError(Schema):
    """A line that was not stored, by its number from 1, and what mends it."""

    line: int
    field: str | None
    reason: str


class Ingested(Schema):
    """The result: lines read, stored as new, stored before, and rejected; the first 1,000 errors."""

    read: int
    new: int
    known: int
    rejected: int
    errors: list[LineError]


class IngestStopped(Problem):
    """An ingest that did not reach the end: lines up to ``last_line_kept`` are stored or rejected."""

    last_line_kept: int = 0
    result: Ingested | None = None


class _Body(io.RawIOBase):
    """The body of a request as a stream, with the SHA-256 of what was read and of the request's address.

    Raises TooLarge where more comes than was declared.
    """

    def __init__(self, request: HttpRequest, most: int) -> None:
        self._request = request
        self._left = most
        encoding = request.headers.get("Content-Encoding", "")
        self._digest = hashlib.sha256(f"{request.get_full_path()} {encoding}\n".encode())

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._request.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise TooLarge("more bytes than the body may have")
        self._digest.update(data)
        buffer[: len(data)] = data
        return len(data)

    def digest(self) -> str:
        """Read the rest of the body; return the SHA-256 of all of it."""
        while self.read(io.DEFAULT_BUFFER_SIZE):
            pass
        return self._digest.hexdigest()


@router.post(
    "/ingest",
    response={
        200: Ingested,
        frozenset({400, 401, 403, 411, 415, 422, 429}): Problem,
        frozenset({413, 503}): IngestStopped,
    },
    **needs("ingest", **_BODY),
)
def ingest_lines(
    request: HttpRequest,
    source: Annotated[
        str, Query(min_length=1, max_length=255, description="The name for the audit log.")
    ] = "api",
    key: Key = None,
) -> dict[str, Any]:
    """Store the anomalies of the body; those that are stored already stay unchanged."""
    _check_headers(request)
    body = _Body(request, settings.API_MAX_BODY_BYTES)
    name = retries.named(request, key)
    if found := retries.earlier(name):
        answer: dict[str, Any] = retries.answer_of(found, body.digest())
        return answer
    answer = _ingest(request, body, source)
    if name:
        retries.keep(name, body.digest(), answer)
    return answer


def _ingest(request: HttpRequest, body: _Body, source: str) -> dict[str, Any]:
    """Store the lines of a body; return the counts and errors. Raises ProblemError."""
    rejects: list[Reject] = []
    try:
        lines = read_stream(body, "the body", settings.INGEST_MAX_LINE_BYTES, settings.API_MAX_UNPACKED_BYTES)
        summary = ingest(
            lines,
            caller(request),
            lambda reject: _keep(rejects, reject),
            source=printable(source),
            progress=lambda _: _next_batch(request),
        )
    except Stopped as stopped:
        raise _stopped(stopped, rejects) from stopped
    _wake(request)
    return _result(summary, rejects)


def _check_headers(request: HttpRequest) -> None:
    """Raises ProblemError for a body that can't be read, before it is read."""
    if request.content_type in _FORMS:
        raise ProblemError(415, "The body is lines of JSON; send it as application/x-ndjson.")
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        message = f"Content-Encoding {printable(encoding, 60)} is not supported; use gzip, zstd or none."
        raise ProblemError(415, message, headers={"Accept-Encoding": "gzip, zstd"})
    if int(request.headers.get("Content-Length") or 0) > settings.API_MAX_BODY_BYTES:
        limit = f"{settings.API_MAX_BODY_BYTES:,} bytes (DRIFTLOCK_API_MAX_BODY_BYTES)"
        raise ProblemError(413, f"The body is larger than {limit}; nothing was read. Send it in parts.")


def _keep(rejects: list[Reject], reject: Reject) -> None:
    if len(rejects) < SHOWN:
        rejects.append(reject)


def _next_batch(request: HttpRequest) -> None:
    """Each batch has the time that a page has."""
    if deadline := getattr(request, "deadline", None):
        deadline.restart()


def _wake(request: HttpRequest) -> None:
    """End the snoozes that are due. What came in is stored, even where this fails; `wake` does it later."""
    try:
        wake(caller(request))
    except DatabaseError:
        return


def _result(summary: Summary, rejects: list[Reject]) -> dict[str, Any]:
    errors = [{"line": each.line, "field": each.field, "reason": each.reason} for each in rejects]
    counts = {name: getattr(summary, name) for name in ("read", "new", "known", "rejected")}
    return {**counts, "errors": errors}


def _stopped(stopped: Stopped, rejects: list[Reject]) -> ProblemError:
    """413 for a body that is too large as unpacked, 400 for a damaged archive, 503 for a failed database."""
    cause, kept = stopped.__cause__, stopped.summary.last_line_kept
    status = 413 if isinstance(cause, TooLarge) else 400 if isinstance(cause, ReadError) else 503
    why = "the database failed" if status == 503 else str(cause)
    done = f"lines 1–{kept:,} are stored or rejected" if kept else "no line was stored"
    detail = f"The ingest stopped: {printable(why, 300)}; {done}. You can safely send the whole body again."
    result = _result(stopped.summary, rejects)
    return ProblemError(status, detail, last_line_kept=kept, result=result)
