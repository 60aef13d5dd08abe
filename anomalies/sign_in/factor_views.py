"""The pages of second factors: django-allauth's views in the desk's frame, with the desk's lockout.

Wrong codes and passwords count as failed logins of the account: five from one address lock it out there for a
while, and nobody elsewhere.
"""

from __future__ import annotations

from typing import Any, cast

from allauth.account.views import ReauthenticateView
from allauth.mfa.base.views import AuthenticateView, IndexView
from allauth.mfa.base.views import ReauthenticateView as ReauthenticateByCodeView
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView, ViewRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from allauth.mfa.webauthn.views import AddWebAuthnView, ReauthenticateWebAuthnView, RemoveWebAuthnView
from axes.handlers.proxy import AxesProxyHandler
from django.contrib import admin
from django.contrib.auth.signals import user_login_failed
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse, reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.generic import View
from django.views.generic.base import ContextMixin

from anomalies.web.actor import acting_for
from anomalies.web.lockout import locked_out

from . import second_factor


class _InFrame(ContextMixin, View):
    """A page in the frame of the admin."""

    http_method_names = ("get", "head", "post")
    title: Any = gettext_lazy("Second factors")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """allauth's context, and the admin's."""
        found = {**admin.site.each_context(self.request), "title": self.title}
        return {**found, **super().get_context_data(**kwargs)}


@method_decorator(never_cache, name="dispatch")
class _OwnPage(_InFrame):
    """A page of one's own account, whose changes are recorded."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Serve staff; whoever is not logged in gets the login page."""
        if not admin.site.has_permission(request):
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        with acting_for(request):
            return super().dispatch(request, *args, **kwargs)


class _Guessed(View):
    """A form whose wrong answers count as failed logins of an account."""

    def username(self) -> str:
        """The name of the account."""
        return self.request.user.get_username()

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Check the answer, unless the account is locked out at this address."""
        if not AxesProxyHandler.is_allowed(request, {"username": self.username()}):
            return locked_out(request)
        response: HttpResponse = cast(Any, super()).post(request, *args, **kwargs)
        return response

    def form_invalid(self, form: Any) -> HttpResponse:
        """Count the answer, and show the form again."""
        credentials = {"username": self.username()}
        user_login_failed.send(sender=__name__, credentials=credentials, request=self.request)
        response: HttpResponse = cast(Any, super()).form_invalid(form)
        return response


class _Adds(_OwnPage):
    """A form that adds a factor, which counts as given in this session."""

    def form_valid(self, form: Any) -> HttpResponse:
        """Add the factor."""
        response: HttpResponse = cast(Any, super()).form_valid(form)
        second_factor.remember_added(self.request)
        return response


class SecondFactor(_Guessed, _InFrame, AuthenticateView):
    """The second step of a login."""

    template_name = "sign_in/second_factor.html"
    title = gettext_lazy("Second factor")

    def username(self) -> str:
        """The name of the account whose password was right."""
        name: str = self.stage.login.user.get_username()
        return name

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The kinds of factors that the account has, with the rest."""
        kinds = second_factor.kinds(self.stage.login.user)
        return {**super().get_context_data(**kwargs), "factors": kinds}


class Factors(_OwnPage, IndexView):
    """One's factors."""

    template_name = "sign_in/factors.html"


class AddApp(_Adds, ActivateTOTPView):
    """Adds an authenticator app."""

    template_name = "sign_in/add_app.html"
    title = gettext_lazy("Add an authenticator app")


class _Confirmed(_OwnPage):
    """A change that is confirmed; ``words`` asks, ``button`` answers."""

    template_name = "sign_in/confirm.html"
    words: Any = ""
    button: Any = gettext_lazy("Remove")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """The question and the answer, with the rest."""
        return {"words": self.words, "button": self.button, **super().get_context_data(**kwargs)}

    def form_valid(self, form: Any) -> HttpResponse:
        """Make the change; without a factor, none counts as given."""
        response: HttpResponse = cast(Any, super()).form_valid(form)
        second_factor.forget_removed(self.request)
        return response


class RemoveApp(_Confirmed, DeactivateTOTPView):
    """Removes the authenticator app."""

    words = gettext_lazy("Remove the authenticator app?")


class RecoveryCodes(_OwnPage, ViewRecoveryCodesView):
    """The recovery codes that are left."""

    template_name = "sign_in/recovery_codes.html"
    title = gettext_lazy("Recovery codes")


class NewRecoveryCodes(_Confirmed, GenerateRecoveryCodesView):
    """Replaces the recovery codes."""

    words = gettext_lazy("Make new recovery codes? The present ones become invalid.")
    button = gettext_lazy("Make new codes")


class AddPasskey(_Adds, AddWebAuthnView):
    """Adds a passkey."""

    template_name = "sign_in/add_passkey.html"
    title = gettext_lazy("Add a passkey")


class RemovePasskey(_Confirmed, RemoveWebAuthnView):
    """Removes a passkey."""

    words = gettext_lazy("Remove this passkey?")
    success_url = reverse_lazy("mfa_index")


class _ConfirmsIdentity(_OwnPage):
    """Asks who it is before factors can be changed."""

    template_name = "sign_in/confirm_identity.html"
    title = gettext_lazy("Confirm that it is you")


class ConfirmByPassword(_Guessed, _ConfirmsIdentity, ReauthenticateView):
    """Asks for the password."""


class ConfirmByCode(_Guessed, _ConfirmsIdentity, ReauthenticateByCodeView):
    """Asks for a code of the app or a recovery code."""


class ConfirmByPasskey(_ConfirmsIdentity, ReauthenticateWebAuthnView):
    """Asks for a passkey."""

    template_name = "sign_in/confirm_by_passkey.html"
