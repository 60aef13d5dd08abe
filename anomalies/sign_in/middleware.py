"""The duty to give a second factor, before any page of the desk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from . import second_factor

_WITHOUT_IT = {"login", "logout"}


class SecondFactorMiddleware:
    """Leads whoever lacks a required second factor to its page; not used while none is required."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not settings.REQUIRE_MFA:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Redirect from a page of the desk: to giving a factor, for whoever has one, or to adding one."""
        found = request.resolver_match
        if found is None or found.app_name != "admin" or found.url_name in _WITHOUT_IT:
            return None
        if not (second_factor.is_missing(request) and admin.site.has_permission(request)):
            return None
        if second_factor.has_factor(request.user):
            return redirect_to_login(request.get_full_path(), reverse("mfa_reauthenticate"))
        return redirect("mfa_index")
