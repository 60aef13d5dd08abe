"""Signing in: second factors by a code and by a passkey of Chromium's own authenticator, and a provider."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from playwright.sync_api import CDPSession, Page, expect

from driftlock.sign_in_settings import OidcProvider
from tests.support.factories import make_user
from tests.support.programs.authenticator_app import code_for
from tests.support.programs.openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIdProvider

from .conftest import LIST, follow

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture(autouse=True)
def _no_used_codes():
    cache.clear()  # a code is accepted once in its thirty seconds


def press(page: Page, name: str) -> None:
    follow(page.get_by_role("button", name=name, exact=True))


def log_in_again(page: Page) -> None:
    press(page, "Log out")
    page.goto(f"/admin/login/?next={LIST}")
    page.fill("#id_username", "ben")
    page.fill("#id_password", "password")
    press(page, "Log in")


def confirm(page: Page) -> None:
    page.fill("#id_password", "password")
    press(page, "Continue")


def adding(desk: Any, link: str) -> Page:
    """The page that adds a factor to the account of Ben, reached by the links of the desk."""
    page = desk.open("/admin/anomalies/pattern/", make_user("analyst", "ben"))
    follow(page.get_by_role("link", name="Second factors"))
    follow(page.get_by_role("link", name=link))
    confirm(page)
    return page


@pytest.fixture
def chip(desk) -> Iterator[Callable[[Page], None]]:
    """Gives the computer a security chip, whose owner is recognized and agrees at once."""
    given: list[CDPSession] = []

    def give(page: Page) -> None:
        session = page.context.new_cdp_session(page)
        given.append(session)
        session.send("WebAuthn.enable")
        session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})

    yield give
    for session in given:
        session.send("WebAuthn.disable")
        session.detach()


def test_a_code_of_an_app_that_was_added_is_asked_for_at_the_next_login(desk):
    page = adding(desk, "Add an authenticator app")
    secret = page.locator("code").inner_text()
    page.fill("#id_code", code_for(secret))
    press(page, "Add")
    expect(page.locator(".recovery-codes li")).to_have_count(10)
    cache.clear()
    log_in_again(page)
    expect(page.get_by_role("button", name="Use a passkey")).to_have_count(0)
    page.fill("#id_code", code_for(secret))
    press(page, "Log in")
    expect(page).to_have_url(f"{desk.address}{LIST}")


def test_a_passkey_is_added_logs_in_and_is_removed(desk, chip):
    page = adding(desk, "Add a passkey")
    chip(page)
    page.fill("#id_name", "This laptop")
    press(page, "Add")
    log_in_again(page)
    press(page, "Use a passkey")
    expect(page).to_have_url(f"{desk.address}{LIST}")
    page.goto("/sign-in/factors/")
    follow(page.get_by_role("link", name="Remove the passkey This laptop"))
    confirm(page)
    press(page, "Remove")
    expect(page.get_by_role("link", name="Remove the passkey")).to_have_count(0)


def test_a_passkey_that_the_browser_does_not_give_is_an_error_on_the_page(desk):
    page = adding(desk, "Add a passkey")
    expect(page.get_by_role("alert")).to_have_count(0)
    page.evaluate(
        "navigator.credentials.create = () => Promise.reject(new DOMException('', 'NotAllowedError')); 0"
    )
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("The browser gave no passkey")


def test_the_button_of_a_provider_leads_back_to_the_page_that_was_wanted(desk, settings):
    provider = OpenIdProvider()
    settings.OIDC = OidcProvider(
        provider.issuer, CLIENT_ID, CLIENT_SECRET, {"sre": "analyst"}, name="Example ID"
    )
    page = desk.open(f"{LIST}?status=pending")
    follow(page.get_by_role("link", name="Sign in with Example ID"))
    provider.close()
    expect(page).to_have_url(f"{desk.address}{LIST}?status=pending")
    expect(page.locator("#user-tools")).to_contain_text("ana")
