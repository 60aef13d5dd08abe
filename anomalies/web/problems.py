"""Problem details (RFC 9457): what a program gets in place of an error page, as application/problem+json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

MEDIA_TYPE = "application/problem+json"
# The addresses that programs use; every error there is a problem.
_PREFIXES = ("/api/", "/v1/")
_DETAILS = {
    400: "The request is malformed; docs/api.md describes the requests of this address.",
    404: "This address does not exist; /api/openapi.json lists the addresses.",
    405: "This address does not support this method; the header Allow lists the supported methods.",
    411: "Send the header Content-Length; a body of unknown length is not read.",
    413: "The body is larger than this address accepts; send it in parts.",
    500: "The server failed; its log has the details.",
    503: "The database did not answer in time. No change was made in part; try again.",
}


def is_for_programs(request: HttpRequest) -> bool:
    """True for an address of the HTTP API."""
    return request.path.startswith(_PREFIXES)


def problem(
    status: int,
    detail: str = "",
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> HttpResponse:
    """An answer of this status; ``errors`` names fields with messages, ``more`` are further members."""
    body: dict[str, Any] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    body["detail"] = detail or _DETAILS.get(status, HTTPStatus(status).description)
    if errors:
        body["errors"] = [dict(each) for each in errors]
    said = {"Cache-Control": "no-store", **(headers or {})}
    return JsonResponse({**body, **more}, status=status, content_type=MEDIA_TYPE, headers=said)


class OwnForm(HttpResponse):
    """An error in the form of its own protocol, which is no error page."""


def is_error_page(response: HttpResponse) -> bool:
    """True for an error that is neither a problem nor in the form of another protocol."""
    is_said = response.get("Content-Type") == MEDIA_TYPE or isinstance(response, OwnForm)
    return response.status_code >= 400 and not is_said


def as_problem(response: HttpResponse) -> HttpResponse:
    """An error page as the problem of its status, with the headers that say what to do."""
    kept = {name: response[name] for name in ("Allow", "Retry-After") if name in response}
    return problem(response.status_code, headers=kept)
