"""API tokens: made and revoked by their owner, and looked up at each call.

A token is ``driftlock_`` and 256 random bits in base64url. Its SHA-256 is stored: a fast hash is enough,
since nobody can try 2^256 secrets, and an index finds the row by it (RFC 6750 is the scheme of the header).
What a token opens is the intersection of its scopes and of what its owner may at that moment.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from anomalies.audit import Actor, acting
from anomalies.fields import Now
from anomalies.models import ApiToken, Scope
from anomalies.permissions import PERMITTED, can_activate, can_decide, can_ingest, can_view, remember

PREFIX = "driftlock_"
_RECOGNISED = len(PREFIX) + 8  # characters of a token that are stored, 48 bits of its secret
MOST_DAYS = 366
MOST_TOKENS = 50  # of one owner that are valid
_USE = timedelta(minutes=1)  # a later use within it is not written
NEEDED: dict[str, Callable[[User], bool]] = {
    Scope.READ: can_view,
    Scope.INGEST: can_ingest,
    Scope.DECIDE: can_decide,
    Scope.CONFIGURE: can_activate,
}
# The words of docs/api.md, which the form shows to the owner.
OPENS: dict[str, Any] = {
    Scope.READ: _(
        "anomalies, evidence, bundles, comments, patterns, rules, statistics, configs, the audit log"
    ),
    Scope.DECIDE: _(
        "decisions, undo, notes, comments, assignment, snooze, bulk, the undo of what a rule did"
    ),
    Scope.INGEST: _("storing anomalies"),
    Scope.CONFIGURE: _("adding and activating detection configs; making, renewing and stopping rules"),
}


class TokenError(ValueError):
    """A token can't be made as asked; the message gives the reason."""


def valid() -> QuerySet[ApiToken]:
    """The tokens that are neither revoked nor expired."""
    return ApiToken.objects.filter(revoked_at=None, expires_at__gt=timezone.now())


def make(owner: User, name: str, scopes: Collection[str], days: int, actor: Actor) -> tuple[ApiToken, str]:
    """Store a token for ``days`` days; returns it with its secret, which is not stored. Raises TokenError."""
    name = " ".join(name.split())
    _check(owner, name, scopes, days)
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(
        owner=owner,
        name=name,
        prefix=secret[:_RECOGNISED],
        digest=_digest(secret),
        scopes=[scope for scope in Scope.values if scope in scopes],
        expires_at=timezone.now() + timedelta(days=days),
    )
    with acting(actor):
        token.save(force_insert=True)
    return token, secret


def _check(owner: User, name: str, scopes: Collection[str], days: int) -> None:
    if not 0 < len(name) <= 80 or not name.isprintable():
        raise TokenError(gettext("Give the token a name of 1 to 80 printable characters."))
    if not scopes or not set(scopes) <= set(Scope.values):
        raise TokenError(gettext("Choose from the scopes %(known)s.") % {"known": ", ".join(Scope.values)})
    if not 1 <= days <= MOST_DAYS:
        raise TokenError(gettext("A token is valid for 1 to %(most)s days.") % {"most": MOST_DAYS})
    own = valid().filter(owner=owner)
    if own.filter(name=name).exists():
        words = gettext("You have a token named %(name)s already; revoke it first, or choose another name.")
        raise TokenError(words % {"name": name})
    if own.count() >= MOST_TOKENS:
        raise TokenError(
            gettext("You have %(count)s valid tokens; revoke one first.") % {"count": MOST_TOKENS}
        )


def revoke(tokens: QuerySet[ApiToken], actor: Actor) -> int:
    """Revoke those that are not revoked yet, from their next call on; returns how many."""
    with acting(actor):
        return tokens.filter(revoked_at=None).update(revoked_at=Now())


def find(secret: str) -> ApiToken | None:
    """The valid token of this secret, with its owner and the owner's permissions, in one query.

    None for an unknown, revoked or expired token, and where the owner may not log in to the desk any more.
    """
    tokens = valid().filter(digest=_digest(secret), owner__is_active=True, owner__is_staff=True)
    token = tokens.select_related("owner").annotate(permitted=PERMITTED).first()
    if token is not None:
        remember(token.owner, token.permitted)
    return token


def may(token: ApiToken, scope: str) -> bool:
    """True if the token has the scope and its owner may do what the scope opens."""
    return scope in token.scopes and NEEDED[scope](token.owner)


def state_of(token: ApiToken) -> str:
    """One word: valid, expired or revoked."""
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.expires_at <= timezone.now() else "valid"


def note_use(token: ApiToken) -> None:
    """Write the time of the last use, unless one is written that is less than a minute old."""
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at <= now - _USE:
        stale = Q(last_used_at=None) | Q(last_used_at__lte=now - _USE)
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
