"""The actor of a request for the audit log: user, client address and page."""

from __future__ import annotations

import ipaddress
from contextlib import AbstractContextManager, nullcontext

from django.conf import settings
from django.http import HttpRequest

from anomalies.audit import Actor, acting


def actor_of(request: HttpRequest) -> Actor:
    """Return the user, the client's address and the page, as the audit log stores them."""
    return Actor(request.user.get_username(), client_address(request), via=request.path)


def acting_for(request: HttpRequest) -> AbstractContextManager[None]:
    """Record a request's changes under its user, where Django's own pages make them; no-op for a read."""
    reads = request.method in ("GET", "HEAD", "OPTIONS") or not request.user.is_authenticated
    return nullcontext() if reads else acting(actor_of(request))


def client_address(request: HttpRequest) -> str | None:
    """Return the client's IP address: behind a configured proxy the one that it names, else the peer's."""
    address = request.META.get("REMOTE_ADDR", "")
    if settings.BEHIND_PROXY:
        # The proxy adds the last entry; those before it are sent by the client and can be forged.
        address = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip() or address
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return None  # a Unix socket, or a proxy that sends something else
