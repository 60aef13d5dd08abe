"""Signal receivers that write logins, logouts, failed logins and lockouts to the audit log."""

from __future__ import annotations

from typing import Any

from axes.signals import user_locked_out
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from anomalies.audit import Actor, record_event

from .actor import client_address

NOBODY = "(no name)"


@receiver(user_logged_in)
def record_login(request: HttpRequest, user: AbstractBaseUser, **_: Any) -> None:
    """Record a login."""
    _record("login", user.get_username(), request)


@receiver(user_logged_out)
def record_logout(request: HttpRequest, user: AbstractBaseUser | None, **_: Any) -> None:
    """Record a logout of a user who was logged in."""
    if user is not None:
        _record("logout", user.get_username(), request)


@receiver(user_login_failed)
def record_failed_login(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """Record a failed login, under the name that was tried."""
    _record("login failed", str(credentials.get("username") or NOBODY), request)


@receiver(user_locked_out)
def record_lockout(request: HttpRequest, username: str | None = None, **_: Any) -> None:
    """Record a lockout."""
    _record("locked out", username or NOBODY, request)


def _record(action: str, username: str, request: HttpRequest | None) -> None:
    address = client_address(request) if request is not None else None
    via = request.path if request is not None else None
    record_event(action, Actor(username, address, via))
