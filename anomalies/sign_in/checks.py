"""System checks of the settings of signing in."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from anomalies.permissions import ROLES


@register()
def mapped_roles_exist(**_: Any) -> list[CheckMessage]:
    """An error for each role of DRIFTLOCK_OIDC_GROUPS that there is not."""
    mapped = settings.OIDC.roles.values() if settings.OIDC else ()
    return [
        Error(
            f"DRIFTLOCK_OIDC_GROUPS names the role {role!r}; it can be {', '.join(ROLES)}.",
            id="driftlock.E003",
        )
        for role in sorted(set(mapped) - set(ROLES))
    ]
