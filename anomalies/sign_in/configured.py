"""The provider that the settings name, as this room uses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from django.conf import settings
from django.http import Http404


class OidcProvider(Protocol):
    """An OpenID Connect provider; ``roles`` has each group's role, ``groups_claim`` names their claim."""

    @property
    def issuer(self) -> str: ...
    @property
    def client_id(self) -> str: ...
    @property
    def client_secret(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def groups_claim(self) -> str: ...
    @property
    def scopes(self) -> tuple[str, ...]: ...
    @property
    def roles(self) -> Mapping[str, str]: ...


def oidc() -> OidcProvider:
    """The configured provider. Raises Http404 if there is none: its addresses do not exist then."""
    if settings.OIDC is None:
        raise Http404
    return settings.OIDC
