"""Pages for what went wrong, in the admin's frame: none of them asks the database for anything."""

from __future__ import annotations

import logging
import sys
from typing import Any

from django.conf import settings
from django.db import DataError, Error
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from anomalies.safe_text import printable

log = logging.getLogger(__name__)

# Cancelled by statement_timeout (or by an operator); a lock that was not to be had.
_TOO_LONG = {"57014", "55P03"}

_LAST_RESORT = (
    '<!DOCTYPE html><html lang="en"><title>Driftlock</title><h1>Something broke here</h1>'
    "<p>It is in the server's log. Try again, and tell whoever runs this if it stays.</p></html>"
)


def error_page(template: str, status: int, **context: Any) -> HttpResponse:
    """A page without user, messages or anything else that is read from the database; never cached."""
    try:
        page: str = render_to_string(template, context)
    except Exception:  # static files that were never collected, for one
        log.exception("the page %s can't be shown", template)
        page = _LAST_RESORT
    return HttpResponse(page, status=status, headers={"Cache-Control": "no-store"})


def database_error_page(request: HttpRequest, exception: BaseException | None) -> HttpResponse | None:
    """A page for what the database refused: 503 where it took too long, 400 where a value can't be one.

    None for any other exception, and none that came of such a one.
    """
    while exception is not None:
        if getattr(exception.__cause__, "sqlstate", None) in _TOO_LONG and isinstance(exception, Error):
            return _too_long(request)
        if isinstance(exception, DataError):
            log.warning("not understood: %s %s: %s", request.method, printable(request.path), exception)
            return error_page("400.html", 400)
        exception = exception.__context__
    return None


def _too_long(request: HttpRequest) -> HttpResponse:
    log.warning(
        "took longer than %g s: %s %s", settings.PAGE_SECONDS, request.method, printable(request.path)
    )
    deadline = getattr(request, "deadline", None)
    path = request.get_full_path()
    return error_page(
        "503.html",
        503,
        seconds=settings.PAGE_SECONDS,
        reading=request.method in ("GET", "HEAD", "OPTIONS"),
        committed=deadline is not None and deadline.committed,
        path=path,
        plain_path=path.partition("?")[0],
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: what was asked is not understood; or 503, where that came of a session not saved in time."""
    return database_error_page(request, exception) or error_page("400.html", 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: whoever asks may not."""
    return error_page("403.html", 403)


def form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: a form without its token, or from another site."""
    log.warning("form refused: %s", reason)
    return error_page("403_csrf.html", 403, path=request.get_full_path())


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: there is no such page."""
    return error_page("404.html", 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """500: something broke; or 503 or 400, where the database says why."""
    return database_error_page(request, sys.exc_info()[1]) or error_page("500.html", 500)
