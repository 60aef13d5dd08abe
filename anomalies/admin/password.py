"""Changing one's own password: a wrong old one counts as a failed login.

Whoever finds a desk unlocked could otherwise try passwords here for as long as the session lasts.
"""

from __future__ import annotations

from axes.handlers.proxy import AxesProxyHandler
from django.contrib import admin
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest, HttpResponse
from django.urls import path

from .doors import locked_out


def password_change(request: HttpRequest) -> HttpResponse:
    """Django's own view, behind the same door as the login."""
    credentials = {"username": request.user.get_username()}
    if request.method == "POST" and not AxesProxyHandler.is_allowed(request, credentials):
        return locked_out(request)
    response = admin.site.password_change(request)
    form = getattr(response, "context_data", {}).get("form")
    if request.method == "POST" and form is not None and form.has_error("old_password", "password_incorrect"):
        user_login_failed.send(sender=__name__, credentials=credentials, request=request)
    return response


urlpatterns = [path("", admin.site.admin_view(password_change, cacheable=True), name="password_change")]
