"""The account of a person whom an OpenID Connect provider names: found, linked or created, with its roles.

An account is found by issuer and subject. The first sign-in links an account whose e-mail address is the one
that the provider has verified: only a superuser of the desk can set an account's address, so both sides vouch
for it. A superuser's account is never linked by an address, since then whoever administers the provider could
take it over.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction

from anomalies.audit import Actor, acting
from anomalies.permissions import ROLES

from .claims import LONGEST_SUBJECT, Claims, roles_of
from .configured import oidc

_LONGEST_NAME = 150


class SignInRefused(Exception):
    """The person may not sign in; the message says why."""


def account_of(claims: Claims, address: str | None, via: str) -> User:
    """The account of this person, with the roles of the groups that the provider named.

    Raises SignInRefused; a role that the person no longer has is removed even then.
    """
    roles = roles_of(claims, oidc().roles)
    actor = Actor(claims.username, address, via)
    try:
        account = _with_roles(claims, roles, actor)
    except (IntegrityError, LinkError):  # a simultaneous sign-in has created the account, or one of that name
        account = _with_roles(claims, roles, actor)
    if account is None or not roles:
        raise SignInRefused("None of your groups has a role here.")
    if not (account.is_active and account.is_staff):
        raise SignInRefused("Your account is deactivated.")
    return account


def _with_roles(claims: Claims, roles: set[str], actor: Actor) -> User | None:
    """The account, created if the person has a role; None for a stranger without one."""
    with transaction.atomic():
        account = _known(claims) or _by_email(claims)
        if account is None and roles:
            account = _created(claims, actor)
        if account is not None:
            _set_roles(account, roles, claims, actor)
    return account


def _known(claims: Claims) -> User | None:
    link = SocialAccount.objects.select_for_update(of=("self",)).select_related("user")
    found = link.filter(provider=claims.issuer, uid=claims.subject).first()
    return found.user if found else None


def _by_email(claims: Claims) -> User | None:
    """Link the account of this verified address, if there is exactly one and nothing is linked to it."""
    if not claims.email:
        return None
    found = list(User.objects.select_for_update().filter(email__iexact=claims.email)[:2])
    if len(found) != 1:
        return None
    account = found[0]
    if account.is_superuser or SocialAccount.objects.filter(user=account).exists():
        return None
    link(account, claims.issuer, claims.subject)
    return account


def _created(claims: Claims, actor: Actor) -> User:
    account = User(username=_free(claims.username), email=claims.email, is_staff=True)
    account.set_unusable_password()
    with _recorded(account, claims, actor):
        account.save()
        link(account, claims.issuer, claims.subject)
    return account


def _free(name: str) -> str:
    """This name, or with the first free number if another account has it: names are not given twice."""
    taken = User.objects.filter(username__istartswith=name[: _LONGEST_NAME - 8])
    names = {each.lower() for each in taken.values_list("username", flat=True)}
    found, number = name, 1
    while found.lower() in names:
        number += 1
        found = f"{name[: _LONGEST_NAME - 8]}-{number}"
    return found


class LinkError(Exception):
    """The person can't be linked to the account; the message says why."""


def link(account: User, issuer: str, subject: str) -> None:
    """Let this person sign in to the account. Raises LinkError for a person who has an account already."""
    if not 0 < len(subject) <= LONGEST_SUBJECT or "\0" in subject:
        raise LinkError(f"A subject has 1 to {LONGEST_SUBJECT} characters.")
    try:
        with transaction.atomic():
            SocialAccount.objects.create(user=account, provider=issuer, uid=subject)
    except IntegrityError as error:
        raise LinkError(
            f"{subject} is linked to an account already; `accounts unlink` removes a link."
        ) from error


def unlink(account: User) -> int:
    """Remove the links of the account; returns their number."""
    removed: int = SocialAccount.objects.filter(user=account).delete()[0]
    return removed


def _set_roles(account: User, roles: set[str], claims: Claims, actor: Actor) -> None:
    """Give the account these roles and take the other roles from it; groups that are no roles stay."""
    held = set(account.groups.filter(name__in=ROLES).values_list("name", flat=True))
    if held == roles:
        return
    with _recorded(account, claims, actor):
        account.groups.remove(*Group.objects.filter(name__in=held - roles))
        account.groups.add(*Group.objects.filter(name__in=roles - held))


def _recorded(account: User, claims: Claims, actor: Actor) -> AbstractContextManager[Any]:
    """Changes in the name of the account, with the provider whose word they follow."""
    someone = Actor(account.username, actor.address, actor.via)
    return acting(someone, provider=claims.issuer, subject=claims.subject)
