"""Who is behind a request, for the record."""

from __future__ import annotations

import ipaddress
from contextlib import AbstractContextManager, nullcontext

from django.conf import settings
from django.http import HttpRequest

from anomalies.audit import Actor, acting


def actor_of(request: HttpRequest) -> Actor:
    """The user, the client's address and the page, as the audit log bears them."""
    return Actor(request.user.get_username(), client_address(request), via=request.path)


def acting_for(request: HttpRequest) -> AbstractContextManager[None]:
    """The record's context for what a request changes by other ways than ours; nothing for one that reads."""
    reads = request.method in ("GET", "HEAD", "OPTIONS") or not request.user.is_authenticated
    return nullcontext() if reads else acting(actor_of(request))


def client_address(request: HttpRequest) -> str | None:
    """The client's IP address; behind a configured proxy the one that the proxy saw, else the peer's."""
    address = request.META.get("REMOTE_ADDR", "")
    if settings.BEHIND_PROXY:
        # The last entry is the proxy's own; the ones before it are whatever the client sent.
        address = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip() or address
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return None  # a Unix socket, or a proxy that sends something else
