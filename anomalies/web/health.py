"""Probes: /healthz says that the process answers, /readyz that it can serve.

They are answered before the host name is checked and before the redirect to HTTPS, because an orchestrator
probes by IP and in plain HTTP; they show nothing but their state.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import Error, connection
from django.http import HttpResponse

from anomalies.replica.fitness import unapplied
from anomalies.replica.state import is_configured, replica

from .problems import problem


def _said(text: str) -> HttpResponse:
    return HttpResponse(f"{text}\n", content_type="text/plain", headers={"Cache-Control": "no-store"})


def alive() -> HttpResponse:
    """Return 200: the process answers."""
    return _said("ok")


def ready() -> HttpResponse:
    """Return 200 where the database answers and has every migration of this version, else 503.

    A second line says how the replica stands, if there is one; without it reads go to the primary.
    """
    try:
        pending = unapplied(connection)
    except Error:
        return problem(503, "The database does not answer.", headers={"Retry-After": "5"})
    if pending:
        return problem(503, f"Migrations that are not applied: {pending:,}. Run: manage.py migrate")
    return _said(f"ready\n{_replica()}" if is_configured() else "ready")


def _replica() -> str:
    status = replica.ask()
    age = "" if status.age is None else f", at most {status.age:.1f} s behind"
    return f"replica: {status.standing}{age}"


PROBES: dict[str, Callable[[], HttpResponse]] = {"/healthz": alive, "/readyz": ready}
