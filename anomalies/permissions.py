"""Roles and permissions: one answer for every surface.

The roles are groups that migration 0009 makes; a test holds that migration against this table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, cast

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.contrib.auth.models import User as Account
from django.contrib.postgres.fields import ArrayField
from django.db.models import Model, Q, QuerySet, TextField
from django.db.models.expressions import RawSQL
from django.http import HttpRequest

VIEWER = "viewer"
ANALYST = "analyst"
LEAD = "lead"

_SEES = (
    "view_anomaly",
    "view_recentsignificantanomaly",
    "view_streamstatistics",
    "view_performancemetric",
    "view_detectionconfig",
    "view_auditlog",
)
_DECIDES = ("decide_anomaly",)
_CONFIGURES = ("add_detectionconfig", "change_detectionconfig", "activate_detectionconfig")

ROLES: dict[str, tuple[str, ...]] = {
    VIEWER: _SEES,
    ANALYST: _SEES + _DECIDES,
    LEAD: _SEES + _DECIDES + _CONFIGURES,
}

# What an account may itself and by its roles, as ``app.codename``: SQL, since it is asked on every page and
# Django would compile it again each time, which takes longer than to run it.
PERMITTED = RawSQL(
    """
    ARRAY(
        SELECT app_label || '.' || codename
        FROM auth_permission JOIN django_content_type ON django_content_type.id = content_type_id
        WHERE auth_permission.id IN (
            SELECT permission_id FROM auth_user_user_permissions WHERE user_id = auth_user.id
            UNION ALL
            SELECT permission_id FROM auth_group_permissions JOIN auth_user_groups USING (group_id)
            WHERE user_id = auth_user.id
        )
    )
    """,
    (),
    ArrayField(TextField()),
)


def remember(account: Account, permitted: Iterable[str]) -> None:
    """Keep with an account the permissions that PERMITTED read with it; a superuser has all of them."""
    if not account.is_superuser:
        cast(Any, account)._perm_cache = set(permitted)


class RoleBackend(ModelBackend):
    """Django's own; reads a user with permissions and preferences in one query, not four on every page."""

    def authenticate(self, request: HttpRequest | None, *args: Any, **kwargs: Any) -> Account | None:
        """The account of a name and password; None for a wrong one, and while local passwords are off."""
        return super().authenticate(request, *args, **kwargs) if settings.LOCAL_PASSWORDS else None

    def get_user(self, user_id: Any) -> Account | None:
        """The account of a session, with both; None for one that may not log in any more."""
        accounts = Account.objects.annotate(_permitted=PERMITTED).select_related("preferences")
        user = accounts.filter(pk=user_id).first()
        if user is None or not self.user_can_authenticate(user):
            return None
        remember(user, user._permitted)
        return user

    def get_all_permissions(self, user_obj: Any, obj: Model | None = None) -> set[str]:
        """The permissions of a user and of the user's roles, as ``app.codename``."""
        if not user_obj.is_active or obj is not None:  # an AnonymousUser is never active
            return set()
        if user_obj.is_superuser:
            return super().get_all_permissions(user_obj, obj)
        if not hasattr(user_obj, "_perm_cache"):
            account = Account.objects.filter(pk=user_obj.pk).annotate(_permitted=PERMITTED)
            user_obj._perm_cache = {
                name for names in account.values_list("_permitted", flat=True) for name in names
            }
        found: set[str] = user_obj._perm_cache
        return found


class User(Protocol):
    """The part of a user that permission checks need."""

    def has_perm(self, perm: str) -> bool: ...


def can_view(user: User) -> bool:
    """See anomalies."""
    return user.has_perm("anomalies.view_anomaly")


def can_decide(user: User) -> bool:
    """Acknowledge, dismiss, investigate, reopen, write notes and comments, assign and snooze."""
    return user.has_perm("anomalies.decide_anomaly")


def can_see_overview(user: User) -> bool:
    """See what waits and how it is decided, on the start page: who sees both anomalies and statistics may."""
    return user.has_perm("anomalies.view_anomaly") and user.has_perm("anomalies.view_streamstatistics")


def deciders() -> QuerySet[Account, str]:
    """The names of all who may decide, and so can be given an anomaly to decide about, by the alphabet."""
    return _holders("decide_anomaly")


def viewers() -> QuerySet[Account, str]:
    """The names of all who may see anomalies, and so can be named in a comment, by the alphabet."""
    return _holders("view_anomaly")


def _holders(codename: str) -> QuerySet[Account, str]:
    """The names of the active staff who have this permission, by themselves or by a role."""
    named = Q(codename=codename, content_type__app_label="anomalies")
    right = Permission.objects.filter(named).values("pk")
    has_it = Q(is_superuser=True) | Q(groups__permissions__in=right) | Q(user_permissions__in=right)
    accounts = Account.objects.filter(has_it, is_active=True, is_staff=True)
    return accounts.order_by("username").values_list("username", flat=True).distinct()


def can_replay(user: User) -> bool:
    """Ask what other thresholds would have done: who sees both the anomalies and the configs may."""
    return user.has_perm("anomalies.view_anomaly") and user.has_perm("anomalies.view_detectionconfig")


def can_export(user: User) -> bool:
    """Take the anomalies away as a file: who may see them all may."""
    return user.has_perm("anomalies.view_anomaly")


def can_activate(user: User) -> bool:
    """Choose the config that detectors work by."""
    return user.has_perm("anomalies.activate_detectionconfig")


def can_see_audit_log(user: User) -> bool:
    """See who changed what."""
    return user.has_perm("anomalies.view_auditlog")


def can_see_shifts(user: User) -> bool:
    """See who decided what during a shift: leads, who choose the config and see the audit log, may."""
    return can_view(user) and can_activate(user) and can_see_audit_log(user)


def can_make_rules(user: User) -> bool:
    """Make, renew and stop triage rules: they decide, and choose what nobody will look at."""
    return can_decide(user) and can_activate(user)


def can_notify(user: User) -> bool:
    """Make, test and stop notification rules and see their addresses: what they send leaves the desk."""
    return can_make_rules(user)


def can_set_owners(user: User) -> bool:
    """Make and order ownership rules, and make teams: they say who gets what arrives."""
    return can_make_rules(user)


def can_ingest(user: User) -> bool:
    """Store anomalies through the HTTP API: who chooses the config of the detectors may act for them."""
    return can_activate(user)
