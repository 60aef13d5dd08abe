"""The language, time zone and date format of a request: the user's own, else the browser's and the desk's."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers

from anomalies.languages.formats import ISO, using

from .problems import is_for_programs


class LanguageMiddleware:
    """Answers a person in the language that they chose, else in one that their browser asks for.

    Programs get English, whatever they send: they compare texts. What is chosen comes with the user's row
    (``permissions.RoleBackend``), so that no page needs one more statement for it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_for_programs(request):
            return self.get_response(request)
        chosen: Any = getattr(request.user, "preferences", None)
        language = _language(chosen, request)
        with (
            translation.override(language),
            _zone(chosen.zone if chosen else ""),
            using(chosen.formats if chosen else ISO),
        ):
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        if not (chosen and chosen.language):
            patch_vary_headers(response, ("Accept-Language",))
        return response


def _language(chosen: Any, request: HttpRequest) -> str:
    if chosen and chosen.language in dict(settings.LANGUAGES):
        return str(chosen.language)
    return translation.get_language_from_request(request)


def _zone(name: str) -> AbstractContextManager[None]:
    """Show times in the zone of this name; in the desk's where that is none, or unknown here."""
    try:
        return timezone.override(zoneinfo.ZoneInfo(name)) if name else nullcontext()
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return nullcontext()
