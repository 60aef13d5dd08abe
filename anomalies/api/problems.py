"""The errors of the API: what a view raises, and how the validation of ninja is said as a problem."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError

from anomalies.web.problems import problem

CHALLENGE = {"WWW-Authenticate": "Bearer"}
UNKNOWN = "Send a valid API token as Authorization: Bearer …; create one at /admin/anomalies/apitoken/."


class FieldError(Schema):
    """A field or parameter that is wrong, and what mends it."""

    field: str
    message: str


class Problem(Schema):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = None
    current_version: int | None = None
    expected_version: int | None = None
    current_status: str | None = None


class ProblemError(Exception):
    """An error that ends a request with a problem of this status."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.response = problem(status, detail, errors, headers, **more)


def add_handlers(api: NinjaAPI) -> None:
    """Let every exception of a view become a problem; one that nobody expects is Django's to handle."""
    api.add_exception_handler(ProblemError, _raised)
    api.add_exception_handler(AuthenticationError, _unauthorized)
    api.add_exception_handler(ValidationError, _invalid)
    api.add_exception_handler(HttpError, _http_error)
    api.add_exception_handler(RequestDataTooBig, lambda request, error: problem(413))
    api.add_exception_handler(Http404, lambda request, error: problem(404, str(error)))
    api.add_exception_handler(Exception, _unexpected)


def _raised(request: HttpRequest, error: Any) -> HttpResponse:
    response: HttpResponse = error.response
    return response


def _unauthorized(request: HttpRequest, error: Any) -> HttpResponse:
    return problem(401, UNKNOWN, headers=CHALLENGE)


def _http_error(request: HttpRequest, error: Any) -> HttpResponse:
    return problem(error.status_code, str(error))


def _unexpected(request: HttpRequest, error: Any) -> HttpResponse:
    raise error


def _invalid(request: HttpRequest, error: Any) -> HttpResponse:
    """Return 400 for an address, 422 for a body that is JSON and not what is asked for."""
    status = 422 if any(each["loc"][0] == "body" for each in error.errors) else 400
    errors = [{"field": _field(each["loc"]), "message": str(each["msg"])} for each in error.errors]
    return problem(status, "Invalid values: " + _sentence(errors), errors)


def _field(loc: Iterable[Any]) -> str:
    """The name in the request: ninja puts "body" or "query" and the view's parameter before it."""
    names = [str(part) for part in loc][1:]
    return ".".join(names[1:] or names)


def _sentence(errors: Sequence[Mapping[str, str]]) -> str:
    return "; ".join(f"{each['field']}: {each['message']}" for each in errors)
