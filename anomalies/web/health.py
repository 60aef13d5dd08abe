"""Probes: /healthz says that the process answers, /readyz that it can serve.

They are answered before the host name is checked and before the redirect to HTTPS, because an orchestrator
probes by IP and in plain HTTP; they show nothing but their state.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpResponse

from .problems import problem


def _said(text: str) -> HttpResponse:
    return HttpResponse(f"{text}\n", content_type="text/plain", headers={"Cache-Control": "no-store"})


def alive() -> HttpResponse:
    """Return 200: the process answers."""
    return _said("ok")


def ready() -> HttpResponse:
    """Return 200 where the database answers and has every migration of this version, else 503."""
    try:
        applied = MigrationRecorder(connection).applied_migrations()
    except Error:
        return problem(503, "The database does not answer.", headers={"Retry-After": "5"})
    pending = len(_migrations() - set(applied))
    if pending:
        return problem(503, f"Migrations that are not applied: {pending:,}. Run: manage.py migrate")
    return _said("ready")


@cache
def _migrations() -> set[tuple[str, str]]:
    """The names of all migrations that this version has."""
    return set(MigrationLoader(None, ignore_no_migrations=True).disk_migrations or ())


PROBES: dict[str, Callable[[], HttpResponse]] = {"/healthz": alive, "/readyz": ready}
