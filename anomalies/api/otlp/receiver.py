"""The receiver of OTLP/HTTP: a request is read, checked, stored durably and then answered.

Nothing is judged here. What can't be read is refused with the reason; what is valid beside it is stored.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from anomalies.ingest.otlp import keep
from anomalies.safe_text import printable
from anomalies.sources.otlp import (
    SIGNALS,
    BodyError,
    BodyTooLarge,
    Received,
    RequestError,
    received,
    unpacked,
)

from ..access import Token
from ..problems import CHALLENGE, UNKNOWN, ProblemError
from . import pressure
from .answers import JSON, PROTOBUF, error, success

_ENCODINGS = {"": "", "identity": "", "gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd"}
_token = Token("ingest")


class _RefusedError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers or {}


def _receiver(signal: str) -> Callable[[HttpRequest], HttpResponse]:
    @csrf_exempt
    def receive(request: HttpRequest) -> HttpResponse:
        is_json = request.content_type == JSON
        try:
            found = _received(request, signal, is_json)
        except _RefusedError as refused:
            return error(refused.status, printable(refused.detail), is_json, refused.headers)
        except ProblemError as problem:
            return _of_problem(problem.response, is_json)
        return success(signal, is_json, found.refused, printable(found.reason))

    return receive


def _received(request: HttpRequest, signal: str, is_json: bool) -> Received:
    """Read and store a request. Raises _RefusedError, and ProblemError for its token."""
    _check_method(request)
    _check_token(request)
    body = _body(request)
    try:
        found = received(body, signal, is_json)
    except RequestError as wrong:
        raise _RefusedError(400, str(wrong)) from wrong
    try:
        keep(found.batches)
    except (DatabaseError, InterfaceError) as lost:
        wait = {"Retry-After": str(pressure.RETRY_AFTER)}
        raise _RefusedError(503, "The database failed; nothing was stored. Send it again.", wait) from lost
    pressure.add(sum(len(batch.body) for batch in found.batches))
    return found


def _check_method(request: HttpRequest) -> None:
    if request.method != "POST":
        raise _RefusedError(405, "Send an export request by POST.", {"Allow": "POST"})


def _check_token(request: HttpRequest) -> None:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or _token.authenticate(request, secret.strip()) is None:
        raise _RefusedError(401, UNKNOWN, CHALLENGE)


def _body(request: HttpRequest) -> bytes:
    """The unpacked body. Raises _RefusedError, unread where its headers or the spool refuse it."""
    if request.content_type not in (PROTOBUF, JSON):
        shown = printable(request.content_type or "none", 60)
        raise _RefusedError(415, f"Content-Type is {shown}; send {PROTOBUF} or {JSON}.")
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        accepted = {"Accept-Encoding": "gzip, zstd"}
        message = f"Content-Encoding {printable(encoding, 60)} is not supported; use gzip, zstd or none."
        raise _RefusedError(415, message, accepted)
    most = settings.OTLP_MAX_BODY_BYTES
    if int(request.headers.get("Content-Length") or 0) > most:
        raise _RefusedError(413, _too_large(most))
    if pressure.is_full():
        wait = {"Retry-After": str(pressure.RETRY_AFTER)}
        raise _RefusedError(429, f"{_FULL}; send it again in {pressure.RETRY_AFTER} s.", wait)
    try:
        return unpacked(request.read(), _ENCODINGS[encoding], most)
    except BodyTooLarge as wrong:
        raise _RefusedError(413, _too_large(most)) from wrong
    except BodyError as wrong:
        raise _RefusedError(400, str(wrong)) from wrong


_FULL = (
    "As much as may wait (DRIFTLOCK_OTLP_MAX_WAITING_BYTES) waits to be judged; "
    "check that `manage.py work` runs"
)


def _too_large(most: int) -> str:
    limit = f"{most:,} bytes (DRIFTLOCK_OTLP_MAX_BODY_BYTES)"
    return f"The body has more than {limit}; send fewer records a request."


def _of_problem(problem: HttpResponse, is_json: bool) -> HttpResponse:
    """The error of a token as a Status, with the headers that say what to do."""
    kept = {name: problem[name] for name in ("Retry-After", "WWW-Authenticate") if name in problem}
    return error(problem.status_code, json.loads(problem.content)["detail"], is_json, kept)


urlpatterns = [path(signal, _receiver(signal), name=f"otlp-{signal}") for signal in SIGNALS]
