"""django-allauth's hooks: its accounts are those of the desk, and it shows no messages of its own."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy

from anomalies.web.actor import client_address

# Where allauth's words differ from those of the pages.
_CONFIRM = {
    "mfa_reauthenticate": gettext_lazy("Use the authenticator app or a recovery code"),
    "mfa_reauthenticate:webauthn": gettext_lazy("Use a passkey"),
}


class AccountAdapter(DefaultAccountAdapter):
    """Signs in by the desk's backend; nobody signs up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Never: accounts are created by superusers and by the provider."""
        return False

    def login(self, request: HttpRequest, user: Any) -> None:
        """Log in, with the backend that reads accounts with their permissions."""
        user.backend = "anomalies.permissions.RoleBackend"
        super().login(request, user)

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """The start page."""
        return reverse("admin:index")

    def get_client_ip(self, request: HttpRequest) -> str:
        """The address that the audit log records."""
        return client_address(request) or "unknown"

    def is_reauthentication_required(self, **__: Any) -> bool:
        """True where one can confirm who one is: an account without password and factor has no way to."""
        request = context.request
        return bool(self.get_reauthentication_methods(request.user))

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """allauth's; not by password while local passwords are off."""
        found = super().get_reauthentication_methods(user)
        for way in found:
            way["description"] = _CONFIRM.get(way["id"], way["description"])
        return [way for way in found if settings.LOCAL_PASSWORDS or way["id"] != "reauthenticate"]

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """Show nothing: the pages of the desk say what was done."""

    def respond_user_inactive(self, request: HttpRequest, user: Any) -> HttpResponse:
        """Return to the login page."""
        return HttpResponseRedirect(reverse("admin:login"))


class FactorAdapter(DefaultMFAAdapter):
    """Names passkeys by the word of the pages."""

    def generate_authenticator_name(self, user: Any, type: Any) -> str:
        """Passkey 1, or the next number."""
        return f"Passkey {Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1}"
