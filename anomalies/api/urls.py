"""The addresses of the HTTP API."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path
from django.views.decorators.csrf import csrf_exempt

from anomalies.web.problems import problem

from .application import api, original
from .original.metrics import metrics
from .otlp.receiver import urlpatterns as otlp


@csrf_exempt
def no_such_address(request: HttpRequest) -> HttpResponse:
    """Answer any other address under /api/ and /v1/."""
    return problem(404)


urlpatterns = [
    path("api/", api.urls),
    path("v1/", include(otlp)),
    path("v1/", original.urls),
    path("metrics", metrics, name="metrics"),
    re_path(r"^(?:api|v1)/", no_such_address, name="api-no-such-address"),
]
