"""The original server's addresses about itself: its version, its config and its figures."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from django.db import connection, transaction
from django.http import HttpRequest
from ninja import Router, Schema

from ..access import needs
from ..configs import NewConfig, added, config_values, configs
from ..problems import Problem, ProblemError
from ..reading import ABSENT, REFUSED
from ..schemas import Config
from ..writing import REFUSED as UNWRITTEN
from ..writing import IfMatch, expected_version
from .stream import open_streams

router = Router(tags=["original"])
_READ = needs("read")


class Connections(Schema):
    """Connections to the database: all, those that work, and those that wait for work."""

    open: int
    in_use: int
    idle: int


class Performance(Schema):
    """Figures of the server; ``sse_connections`` are the streams that the answering process serves."""

    sse_connections: int
    database: Connections


class Version(Schema):
    """The version of Driftlock."""

    version: str


@router.get("/version", response={200: Version}, auth=None)
def get_version(request: HttpRequest) -> dict[str, str]:
    """Return the version of Driftlock."""
    try:
        return {"version": version("driftlock")}
    except PackageNotFoundError:  # a checkout
        return {"version": "development"}


@router.get("/config", response={200: Config, ABSENT: Problem}, **_READ)
def get_active_config(request: HttpRequest) -> dict[str, Any]:
    """Return the active detection config."""
    row = configs().filter(is_active=True).first()
    if row is None:
        raise ProblemError(404, "No detection config is active.")
    return config_values(row)


@router.patch("/config", response={200: Config, UNWRITTEN: Problem}, **needs("configure"))
def change_active_config(request: HttpRequest, body: NewConfig, if_match: IfMatch = None) -> dict[str, Any]:
    """Store the active config with these changes as a new one, and make that the active one.

    A config that anomalies name never changes, so their thresholds can be looked up later.
    """
    seen = None if if_match is None else expected_version(if_match)
    with transaction.atomic():
        return added(request, body, seen, is_active=True)


_CONNECTIONS = """
    SELECT count(*), count(*) FILTER (WHERE state = 'active'), count(*) FILTER (WHERE state = 'idle')
    FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user
"""


@router.get("/metrics/performance", response={200: Performance, REFUSED: Problem}, **_READ)
def get_performance(request: HttpRequest) -> dict[str, Any]:
    """Return the connections of this database user, and the open streams of this process."""
    with connection.cursor() as cursor:
        cursor.execute(_CONNECTIONS)
        found = dict(zip(("open", "in_use", "idle"), cursor.fetchone(), strict=True))
    return {"sse_connections": open_streams(), "database": found}
