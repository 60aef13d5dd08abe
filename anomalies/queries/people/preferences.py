"""The language, time zone and date format that a person chose."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser

from anomalies.models import UserPreferences

User = AbstractBaseUser | AnonymousUser


def kept(user: User) -> dict[str, str]:
    """The choice of this person, by field; the defaults for who chose nothing.

    It was read with the account (``permissions.RoleBackend``), so that this needs no statement.
    """
    found = getattr(cast(Any, user), "preferences", None) or UserPreferences(formats="iso")
    return {"language": found.language or "", "zone": found.zone or "", "formats": found.formats}


def keep(user: User, *, language: str, zone: str, formats: str) -> None:
    """Keep the choice of this person."""
    values = {"language": language, "zone": zone, "formats": formats}
    UserPreferences.objects.update_or_create(user_id=user.pk, defaults=values)
