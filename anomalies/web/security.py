"""The doors: who is locked out after failed logins, and what every answer tells the browser to refuse."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse

from anomalies.safe_text import escaped

from .actor import client_address
from .error_pages import error_page

# In tenths, in the order of AXES_LOCKOUT_PARAMETERS: a user from one address, a user from anywhere, an
# address for anybody. An office behind one address makes typing mistakes, and nobody should be able to lock a
# colleague out of every place from a single one.
_WEIGHTS = (10, 1, 1)

HEADERS = {
    # The admin needs no inline script and no inline style, so none is allowed, ours or a visitor's.
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    ),
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_DEBUG_PAGES = {404, 500}
_METHODS = ("GET", "HEAD", "POST")


class HeadersMiddleware:
    """Sets HEADERS on every answer; Django's own debug pages, which style themselves inline, go without."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not (settings.DEBUG and response.status_code in _DEBUG_PAGES):
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
        return response


class MethodsMiddleware:
    """Answers GET, HEAD and POST; any other method is 405, where Django's admin would show the page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method in _METHODS:
            return self.get_response(request)
        page = error_page("405.html", 405)
        page["Allow"] = ", ".join(_METHODS)
        return page


class Guard(AxesDatabaseHandler):
    """Counts failed logins; AXES_FAILURE_LIMIT of one user from one address close the door to the two.

    So do ten times as many of one user from all addresses, or from one address for all users.
    """

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """The count that is held against the limit: the largest of the three, by weight."""
        sums = [
            attempts.aggregate(sum=Sum("failures_since_start"))["sum"] or 0
            for attempts in self.get_user_attempts(request, credentials)
        ]
        return max(count * weight // 10 for count, weight in zip(sums, _WEIGHTS, strict=True))

    def reset_user_attempts(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """After a login that succeeded: forget this user's failures from this address, and no others."""
        count, _ = self.filter_user_attempts(request, credentials)[0].delete()
        return count


def attempts_address(request: HttpRequest) -> str | None:
    """The address that failed logins are counted by: of IPv6 the network, which one person has whole."""
    address = client_address(request)
    if address is None or ":" not in address:
        return address
    return str(ipaddress.ip_network(f"{address.partition('%')[0]}/64", strict=False).network_address)


def attempts_username(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str | None:
    """The name that failed logins are counted by: what was typed, made printable and cut to its column."""
    username = (credentials or request.POST).get("username")
    return escaped(username)[:255] if username else username


def locked_out(request: HttpRequest, response: Any = None, credentials: Any = None) -> HttpResponse:
    """429, with how long the door stays closed; the same for a right password and for a wrong one."""
    pause = settings.AXES_COOLOFF_TIME
    page = error_page("429.html", 429, minutes=round(pause.total_seconds() / 60))
    page["Retry-After"] = str(int(pause.total_seconds()))
    return page
