"""Lockout after failed logins: how they are counted, and the page that a locked-out person sees."""

from __future__ import annotations

import ipaddress
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse

from anomalies.safe_text import escaped

from .actor import client_address
from .error_pages import error_page

# In tenths, in the order of AXES_LOCKOUT_PARAMETERS: a user from one address, a user from any address, an
# address for any user. An office behind one address makes typing mistakes, and nobody should be able to lock
# a colleague out everywhere from a single place.
_WEIGHTS = (10, 1, 1)


class LockoutHandler(AxesDatabaseHandler):
    """Counts failed logins: AXES_FAILURE_LIMIT of one user from one address lock that user out from there.

    Ten times as many of one user from all addresses, or from one address for all users, do the same.
    """

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Return the count that is compared with the limit: the largest of the three, by weight."""
        sums: list[int] = [
            attempts.aggregate(sum=Sum("failures_since_start"))["sum"] or 0
            for attempts in self.get_user_attempts(request, credentials)
        ]
        return max(count * weight // 10 for count, weight in zip(sums, _WEIGHTS, strict=True))

    def reset_user_attempts(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Delete this user's failures from this address, and no others, after a successful login."""
        count: int = self.filter_user_attempts(request, credentials)[0].delete()[0]
        return count


def attempts_address(request: HttpRequest) -> str | None:
    """Return the address that failed logins are counted by: for IPv6 the /64 network of one person."""
    address = client_address(request)
    if address is None or ":" not in address:
        return address
    return str(ipaddress.ip_network(f"{address.partition('%')[0]}/64", strict=False).network_address)


def attempts_username(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str | None:
    """Return the name that failed logins are counted by: as typed, made printable and cut to its column."""
    username = (credentials or request.POST).get("username")
    return escaped(username)[:255] if username else username


def locked_out(request: HttpRequest, response: Any = None, credentials: Any = None) -> HttpResponse:
    """Return 429 with the duration of the lockout; the same for a correct and for a wrong password."""
    pause = settings.AXES_COOLOFF_TIME
    page = error_page("429.html", 429, minutes=round(pause.total_seconds() / 60))
    page["Retry-After"] = str(int(pause.total_seconds()))
    return page
