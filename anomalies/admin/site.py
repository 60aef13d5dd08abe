"""The admin site: start page, and a change of password that is recorded and locked out like the login."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.signals import user_login_failed
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies.queries import saved_filters
from anomalies.sign_in.password_login import PasswordLogin
from anomalies.web.actor import acting_for
from anomalies.web.lockout import locked_out
from anomalies.web.replica_reads import from_replica

from .list.saved_filters import link_of
from .overview import OverviewSite
from .preferences import PreferencesView


class DeskSite(OverviewSite):
    """Django's admin site; failed changes of one's own password are counted as failed logins.

    Somebody who finds a computer unlocked could otherwise try passwords there until the session ends.
    """

    site_header = site_title = "Driftlock"
    index_title = gettext_lazy("Desk")
    enable_nav_sidebar = False

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Django's own, and the page of preferences."""
        preferences = path("preferences/", PreferencesView.as_view(), name="preferences")
        return [preferences, *super().get_urls()]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Django's own, with the ways to log in."""
        ways = {"oidc": settings.OIDC, "local_passwords": settings.LOCAL_PASSWORDS}
        ways |= {"require_mfa": settings.REQUIRE_MFA}
        return {**super().each_context(request), **ways}

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Django's page; a second factor is asked for after the password."""
        if request.method == "GET" and self.has_permission(request):
            return redirect("admin:index")
        context = {
            **self.each_context(request),
            "title": _("Log in"),
            "subtitle": None,
            "app_path": request.get_full_path(),
            "username": request.user.get_username(),
        }
        if "next" not in request.GET and "next" not in request.POST:
            context["next"] = reverse("admin:index")
        request.current_app = self.name
        view = PasswordLogin.as_view(
            extra_context={**context, **(extra_context or {})},
            authentication_form=AdminAuthenticationForm,
            template_name="admin/login.html",
        )
        return cast(HttpResponse, view(request))

    def index(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Redirect to the user's start page, a saved filter, unless the index itself is asked for."""
        show = partial(self._index, request, extra_context)
        return cast(HttpResponse, from_replica(request, show))

    def _index(self, request: HttpRequest, extra_context: dict[str, Any] | None) -> HttpResponse:
        start = saved_filters.start_of(request.user) if request.method == "GET" and not request.GET else None
        return redirect(link_of(start)) if start else super().index(request, extra_context)

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show or save Django's form; a wrong old password counts as a failed login.

        404 while local passwords are switched off.
        """
        if not settings.LOCAL_PASSWORDS:
            raise Http404
        credentials = {"username": request.user.get_username()}
        if request.method == "POST" and not AxesProxyHandler.is_allowed(request, credentials):
            return locked_out(request)
        with acting_for(request):
            response = super().password_change(request, extra_context)
        form = getattr(response, "context_data", {}).get("form")
        if form is not None and form.has_error("old_password", "password_incorrect"):
            user_login_failed.send(sender=__name__, credentials=credentials, request=request)
        return response
