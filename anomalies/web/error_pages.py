"""Error pages in the admin's frame; they read nothing from the database."""

from __future__ import annotations

import logging
import sys
from typing import Any

from django.conf import settings
from django.db import DataError, Error
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from anomalies.safe_text import printable

from . import lost_connection
from .kept_note import keep_note

log = logging.getLogger(__name__)

# Cancelled by statement_timeout (or by an operator); a lock that was not available.
_TOO_LONG = {"57014", "55P03"}

# Reasons why Django refuses a form whose Origin or Referer it has checked before.
_TOKEN = ("CSRF token", "CSRF cookie")

_LAST_RESORT = (
    '<!DOCTYPE html><html lang="en"><title>Driftlock</title><h1>Internal error</h1>'
    "<p>The error is in the server's log. Try again; if it persists, tell the administrator.</p></html>"
)


def error_page(template: str, status: int, **context: Any) -> HttpResponse:
    """Render a page without user, messages or anything else from the database; it is never cached."""
    try:
        page: str = render_to_string(template, context)
    except Exception:  # static files that were never collected, for one
        log.exception("cannot render the error page %s", template)
        page = _LAST_RESORT
    return HttpResponse(page, status=status, headers={"Cache-Control": "no-store"})


def database_error_page(request: HttpRequest, exception: BaseException | None) -> HttpResponse | None:
    """Return a page for a database error or one caused by it.

    503 after the time limit, and where the connection was lost or is read-only; 400 for bad values.

    None for any other exception.
    """
    while exception is not None:
        if getattr(exception.__cause__, "sqlstate", None) in _TOO_LONG and isinstance(exception, Error):
            return _too_long(request)
        if lost_connection.is_lost(exception) or lost_connection.is_read_only(exception):
            found = lost_connection.context(request, exception)
            return error_page(lost_connection.TEMPLATE, 503, **found)
        if isinstance(exception, DataError):
            log.warning("invalid value: %s %s: %s", request.method, printable(request.path), exception)
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
    """Return 400 for an invalid request, or 503 where a session could not be saved in time."""
    return database_error_page(request, exception) or error_page("400.html", 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return 403: the user lacks a permission."""
    return error_page("403.html", 403)


def form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return 403 for a form without its CSRF token, and keep its note; nothing is kept from another site."""
    log.warning("form refused: %s", reason)
    is_ours = reason.startswith(_TOKEN) and ("Origin" in request.headers or request.is_secure())
    is_kept = is_ours and keep_note(request)
    return error_page("403_csrf.html", 403, path=request.get_full_path(), is_kept=is_kept)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return 404: there is no such page."""
    return error_page("404.html", 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Return 500, or 503 or 400 if a database error is the cause."""
    return database_error_page(request, sys.exc_info()[1]) or error_page("500.html", 500)
