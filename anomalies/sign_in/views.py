"""Signing in through the OpenID Connect provider: to its page, and back."""

from __future__ import annotations

import logging

from allauth.account.utils import perform_login
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from anomalies.audit import Actor, record_event
from anomalies.safe_text import printable
from anomalies.web.actor import client_address
from anomalies.web.error_pages import error_page

from . import second_factor
from .accounts import SignInRefused, account_of
from .configured import oidc
from .openid import ProviderError, answer_of_provider, redirect_to_provider

log = logging.getLogger(__name__)

_FAILED = gettext_lazy(
    "The sign-in did not succeed. Start again from the login page; the server's log has the reason."
)


@never_cache
@require_safe
def begin(request: HttpRequest) -> HttpResponse:
    """Redirect to the provider; ``next`` is the page to be on afterwards."""
    oidc()
    wanted = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    try:
        return redirect_to_provider(request, wanted if is_ours else reverse("admin:index"))
    except ProviderError as error:
        log.warning("the OpenID Connect provider can't be used: %s", printable(str(error)))
        return _page(_("The sign-in provider can't be used at present. Try again later."), 503)


@never_cache
@require_safe
def callback(request: HttpRequest) -> HttpResponse:
    """Sign in whom the provider names, or show why not."""
    oidc()
    subject = "(no name)"
    try:
        claims, onward = answer_of_provider(request)
        subject = claims.username
        account = account_of(claims, client_address(request), request.path)
    except ProviderError as error:
        log.warning("sign-in by OpenID Connect failed: %s", printable(str(error)))
        return _refused(request, subject, str(error), str(_FAILED))
    except SignInRefused as error:
        return _refused(
            request, subject, str(error), _("%(why)s Ask an administrator of Driftlock.") % {"why": error}
        )
    response: HttpResponse = perform_login(request, account, redirect_url=onward)
    if claims.is_multi_factor:
        second_factor.remember_provider(request)
    return response


def _refused(request: HttpRequest, username: str, reason: str, words: str) -> HttpResponse:
    actor = Actor(username, client_address(request), request.path)
    record_event("login failed", actor, provider=oidc().issuer, reason=reason)
    return _page(words, 403)


def _page(words: str, status: int) -> HttpResponse:
    return error_page("sign_in_refused.html", status, words=words)
