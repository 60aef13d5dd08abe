"""Requests that read from the replica, and the positions of those who wrote.

After a request that may have written, its answer carries the primary's position: a signed cookie at the desk,
the header ``Driftlock-Position`` at the HTTP API. Until the replica has replayed it, whoever sends it reads
from the primary. The cookie lasts as long as a replica in use may be behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.conf import settings
from django.contrib.messages.storage import default_storage
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponseBase

from anomalies.replica import positions, reading
from anomalies.replica.state import is_configured

from .problems import is_for_programs
from .request_metrics import READS

HEADER = "Driftlock-Position"
_SAFE = ("GET", "HEAD")
_MARGIN = 10  # seconds: of measuring an age, and of the way to the browser
_SALT = "driftlock.position"


def from_replica(
    request: HttpRequest, answer: Callable[[], Any], position: Callable[[], int | None] | None = None
) -> Any:
    """The answer of a view that only reads: from the replica where that may be, else from the primary.

    ``position`` is what the replica must have replayed, by default that of the request's cookie. A template
    response is rendered, since that reads too.
    """
    if not is_configured() or request.method not in _SAFE or reading.is_reading():
        return answer()
    status = reading.usable(position() if position else _position_of(request))
    READS.labels("replica" if status else "primary").inc()
    if status is None:
        return answer()
    behind = settings.REPLICA_MAX_LAG * 1000 if status.since_commit is None else max(0, status.since_commit)
    seen: Any = request
    seen.read_behind = str(behind)
    return reading.read(
        lambda: _rendered(answer()), lambda: _limits(request), lambda: _forget_attempt(request)
    )


def streamed_from_replica(
    request: HttpRequest, begin: Callable[[Any], Iterator[tuple[Any, bytes]]]
) -> Iterator[bytes]:
    """The pieces of a stream, from the replica where that may be; ``begin`` as in ``reading.Stream``."""
    if is_configured():
        status = reading.usable(_position_of(request))
        READS.labels("replica" if status else "primary").inc()
        if status:
            return reading.Stream(begin)
    return (piece for _, piece in begin(None))


def _rendered(response: Any) -> Any:
    render = getattr(response, "render", None)
    return render() if callable(render) else response


def _limits(request: HttpRequest) -> AbstractContextManager[None]:
    deadline: Any = getattr(request, "deadline", None)
    return deadline.elsewhere() if deadline else nullcontext()


def _forget_attempt(request: HttpRequest) -> None:
    """Forget what the failed attempt said and used up: its messages and its time."""
    one: Any = request
    one.read_behind = ""
    if hasattr(request, "_messages"):
        one._messages = default_storage(request)
    if hasattr(request, "deadline"):
        one.deadline.restart()


def _cookie() -> str:
    prefix = "__Host-" if settings.SESSION_COOKIE_SECURE else ""
    return f"{prefix}driftlock-position"


def _position_of(request: HttpRequest) -> int | None:
    kept = request.get_signed_cookie(_cookie(), default=None, salt=_SALT, max_age=_lasts())
    return positions.parsed(kept) if kept else None


def _lasts() -> int:
    """The seconds after which every replica in use has replayed what was written."""
    most: int = settings.REPLICA_MAX_LAG
    return most + _MARGIN


class PositionMiddleware:
    """Gives who may have written the primary's position; not used without a replica."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if not is_configured():
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not _may_have_written(request):
            return response
        text = positions.written(positions.current())
        if is_for_programs(request):
            response.headers[HEADER] = text
        else:
            self._keep(response, text)
        return response

    def _keep(self, response: HttpResponseBase, text: str) -> None:
        response.set_signed_cookie(
            _cookie(),
            text,
            salt=_SALT,
            max_age=_lasts(),
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )


def note_write(request: HttpRequest) -> None:
    """Say that a request of a method that reads has written something, such as the entry of an export."""
    one: Any = request
    one.has_written = True


def _may_have_written(request: HttpRequest) -> bool:
    return request.method not in (*_SAFE, "OPTIONS") or getattr(request, "has_written", False)
