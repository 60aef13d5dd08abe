"""The second factor of a session, the duty to give one, and the removal of lost factors."""

from __future__ import annotations

from allauth.account.internal.flows.login import clear_authentication_records, get_authentication_records
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest

# In the session: that a factor counts which django-allauth did not ask for in it.
_GIVEN = "second_factor"


def is_missing(request: HttpRequest) -> bool:
    """True if no second factor was given in this session; reads the session only."""
    if not request.user.is_authenticated:
        return False
    given = any(each["method"] == "mfa" for each in get_authentication_records(request, request.user))
    return not (given or request.session.get(_GIVEN))


def kinds(user: AbstractBaseUser | AnonymousUser) -> frozenset[str]:
    """The kinds of factors of an account: totp, webauthn, recovery_codes."""
    return frozenset(Authenticator.objects.filter(user_id=user.pk).values_list("type", flat=True))


def has_factor(user: AbstractBaseUser | AnonymousUser) -> bool:
    """True for an account that is asked for a second factor at its next login."""
    return bool(kinds(user) - {"recovery_codes"})


def remember_added(request: HttpRequest) -> None:
    """A factor that was added in this session has been shown to work in it."""
    request.session[_GIVEN] = "added"


def forget_removed(request: HttpRequest) -> None:
    """Forget that a factor was given, if the account has none any more."""
    if has_factor(request.user):
        return
    clear_authentication_records(request)
    if request.session.get(_GIVEN) == "added":
        del request.session[_GIVEN]


def remember_provider(request: HttpRequest) -> None:
    """The provider has asked for several factors."""
    request.session[_GIVEN] = "provider"


def reset(user: AbstractBaseUser) -> int:
    """Remove all factors of an account, and its recovery codes; returns the number of rows."""
    removed: int = Authenticator.objects.filter(user_id=user.pk).delete()[0]
    return removed
