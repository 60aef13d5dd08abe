"""The durations of requests for the page "Performance", while DRIFTLOCK_TIMINGS is on."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse

from anomalies.queries.performance.timings import Timings

from .request_metrics import method_of

timings = Timings()


class TimingMiddleware:
    """Counts each request by method and route, with the time to the beginning of its answer.

    A route and not an address, so that their number is bounded; what no route answers is not counted. A
    status of 500 or more counts as failed.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not settings.TIMINGS:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        if request.resolver_match:
            status = response.status_code
            error = f"status {status}" if status >= 500 else ""
            name = f"{method_of(request)} /{request.resolver_match.route}"
            timings.add("request", name, time.perf_counter() - began, error)
        return response
