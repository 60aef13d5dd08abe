"""A provider of the tests of signing in, and the settings that name it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from driftlock.sign_in_settings import OidcProvider
from tests.support.programs.openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIdProvider


@pytest.fixture(scope="package")
def running_provider() -> Iterator[OpenIdProvider]:
    provider = OpenIdProvider()
    yield provider
    provider.close()


@pytest.fixture
def provider(running_provider, settings) -> OpenIdProvider:
    """The provider, with Ana of the group sre about to sign in."""
    running_provider.reset()
    roles = {"sre": "analyst", "leads": "lead", "everyone": "viewer"}
    settings.OIDC = OidcProvider(running_provider.issuer, CLIENT_ID, CLIENT_SECRET, roles, name="Example ID")
    return running_provider
