"""Counts and durations of requests for Prometheus, while DRIFTLOCK_METRICS is on.

A label is the route and not the address, so their number is bounded. With PROMETHEUS_MULTIPROC_DIR all
processes of a machine are counted together, else each counts for itself (prometheus-client's multiprocess
mode).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

_METHODS = {"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"}
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ours = CollectorRegistry()
REQUESTS = Counter(
    "driftlock_http_requests", "Requests answered.", ("method", "route", "status"), registry=_ours
)
DURATIONS = Histogram(
    "driftlock_http_request_seconds",
    "The time from a request to the beginning of its answer.",
    ("method", "route"),
    buckets=_SECONDS,
    registry=_ours,
)
READS = Counter(
    "driftlock_replica_reads",
    "Requests that may read from the replica, by the server that was chosen.",
    ("server",),
    registry=_ours,
)


def method_of(request: HttpRequest) -> str:
    """Return the request's method; "other" for one that a client made up, since a label must be bounded."""
    return request.method if request.method in _METHODS else "other"


class MetricsMiddleware:
    """Counts each request and its duration by route; not used while DRIFTLOCK_METRICS is off."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not settings.METRICS:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        method = method_of(request)
        response = self.get_response(request)
        route = request.resolver_match.route if request.resolver_match else ""
        REQUESTS.labels(method, route, str(response.status_code)).inc()
        DURATIONS.labels(method, route).observe(time.perf_counter() - began)
        return response


def registry() -> CollectorRegistry:
    """The registry of the requests: of all processes of this machine, or of this one."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return _ours
    found = CollectorRegistry()
    MultiProcessCollector(found)  # type: ignore[no-untyped-call]
    return found
