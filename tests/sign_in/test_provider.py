"""Signing in through an OpenID Connect provider: the whole flow, with signatures, over HTTP."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
import requests
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import Resolver404, resolve

from anomalies.models import AuditLog
from tests.support.factories import make_user
from tests.support.forms import LIST
from tests.support.programs.openid_provider import new_key, signed

pytestmark = pytest.mark.django_db


def at_provider(browser: Client, wanted: str = LIST) -> str:
    """The address that the provider's page sends the browser back to."""
    page = browser.get("/sign-in/provider/", {"next": wanted})
    assert page.status_code == 302, page.content
    return requests.get(page["Location"], allow_redirects=False, timeout=5).headers["Location"]


def back(browser: Client, address: str) -> Any:
    parts = urlsplit(address)
    return browser.get(f"{parts.path}?{parts.query}")


def sign_in(browser: Client | None = None, wanted: str = LIST) -> Any:
    browser = browser or Client()
    return back(browser, at_provider(browser, wanted))


def roles(name: str = "ana") -> set[str]:
    return set(User.objects.get(username=name).groups.values_list("name", flat=True))


def recorded(action: str) -> list[AuditLog]:
    return list(AuditLog.objects.filter(action=action).order_by("id"))


# --- who gets in ------------------------------------------------------------------------------------------


def test_the_login_page_links_to_the_provider_with_the_wanted_page(provider):
    page = Client().get("/admin/login/", {"next": LIST}).content.decode()
    assert f'href="/sign-in/provider/?next={LIST.replace("/", "%2F")}">Sign in with Example ID</a>' in page


def test_somebody_of_a_mapped_group_is_on_the_page_that_was_wanted(provider):
    browser = Client()
    assert sign_in(browser)["Location"] == LIST
    assert browser.get(LIST).status_code == 200
    assert roles() == {"analyst"}


def test_a_page_of_another_site_does_not_follow(provider):
    assert sign_in(wanted="https://evil.example/")["Location"] == "/admin/"


def test_the_first_sign_in_creates_an_account_without_password_or_superuser(provider):
    provider.person |= {"is_superuser": True, "groups": ["sre", "superuser"]}
    sign_in()
    account = User.objects.get(username="ana")
    assert (account.is_staff, account.is_superuser, account.has_usable_password()) == (True, False, False)


@pytest.mark.parametrize("groups", [None, [], ["other"], "other", {"sre": 1}, [7]])
def test_without_a_mapped_group_no_account_is_created(provider, groups):
    provider.person["groups"] = groups
    assert sign_in().status_code == 403
    assert not User.objects.filter(username="ana").exists()


def test_groups_may_come_from_the_userinfo_endpoint(provider):
    del provider.person["groups"]
    provider.userinfo = {"groups": ["leads"]}
    sign_in()
    assert roles() == {"lead"}


def test_a_userinfo_of_another_subject_is_refused(provider):
    del provider.person["groups"]
    provider.userinfo = {"sub": "another", "groups": ["leads"]}
    assert sign_in().status_code == 403


def test_roles_follow_the_groups_at_each_sign_in(provider):
    sign_in()
    provider.person["groups"] = ["leads", "everyone"]
    sign_in()
    assert roles() == {"lead", "viewer"}


def test_who_leaves_all_groups_loses_the_roles_and_is_refused(provider):
    sign_in()
    provider.person["groups"] = []
    assert sign_in().status_code == 403
    assert roles() == set()


def test_groups_that_are_no_roles_stay(provider):
    sign_in()
    User.objects.get(username="ana").groups.add(Group.objects.create(name="on call"))
    provider.person["groups"] = ["leads"]
    sign_in()
    assert roles() == {"lead", "on call"}


@pytest.mark.parametrize("field", ["is_active", "is_staff"])
def test_a_deactivated_account_is_refused(provider, field):
    sign_in()
    User.objects.filter(username="ana").update(**{field: False})
    browser = Client()
    assert sign_in(browser).status_code == 403
    assert browser.get(LIST).status_code == 302


def test_a_changed_name_is_the_same_account(provider):
    sign_in()
    provider.person["preferred_username"] = "ana-maria"
    sign_in()
    assert User.objects.count() == 1


# --- linking to local accounts ----------------------------------------------------------------------------


def test_a_verified_address_links_the_account_that_has_it(provider):
    User.objects.filter(pk=make_user("viewer", "ana.b").pk).update(email="Ana@example.org")
    provider.person |= {"email": "ana@example.org", "email_verified": True}
    sign_in()
    assert SocialAccount.objects.get().user.username == "ana.b"
    assert roles("ana.b") == {"analyst"}


@pytest.mark.parametrize("verified", [False, None, "false", 1])
def test_an_address_that_is_not_verified_links_nothing(provider, verified):
    User.objects.filter(pk=make_user("viewer", "ana.b").pk).update(email="ana@example.org")
    provider.person |= {"email": "ana@example.org", "email_verified": verified}
    sign_in()
    assert SocialAccount.objects.get().user.username == "ana"


def test_a_superuser_is_not_linked_by_an_address(provider):
    User.objects.create_superuser("root", "ana@example.org", "password")
    provider.person |= {"email": "ana@example.org", "email_verified": True}
    sign_in()
    assert SocialAccount.objects.get().user.username == "ana"


def test_an_address_of_two_accounts_links_neither(provider):
    for name in ("one", "two"):
        User.objects.create_user(name, "ana@example.org")
    provider.person |= {"email": "ana@example.org", "email_verified": True}
    sign_in()
    assert SocialAccount.objects.get().user.username == "ana"


def test_an_account_with_the_same_name_is_not_taken_over(provider):
    make_user("lead", "Ana")
    sign_in()
    assert (SocialAccount.objects.get().user.username, roles("Ana")) == ("ana-2", {"lead"})


def test_a_subject_of_another_issuer_is_another_person(provider):
    SocialAccount.objects.create(user=make_user("lead", "eve"), provider="https://other", uid="1234")
    sign_in()
    assert roles("eve") == {"lead"}
    assert roles("ana") == {"analyst"}


@pytest.mark.parametrize(
    "name, expected",
    [("a/na <b>", "a-na-b"), ("", "1234"), (None, "1234"), ("x" * 300, "x" * 150), (7, "1234")],
)
def test_a_name_is_made_one_that_accounts_allow(provider, name, expected):
    provider.person["preferred_username"] = name
    sign_in()
    assert User.objects.get().username == expected


# --- what is recorded -------------------------------------------------------------------------------------


def test_account_role_and_login_are_recorded_with_the_provider(provider):
    sign_in()
    entries = AuditLog.objects.filter(username="ana", metadata__provider=provider.issuer)
    assert set(entries.values_list("resource_type", flat=True)) == {
        "account",
        "role of an account",
        "sign-in link",
    }
    assert [entry.username for entry in recorded("login")] == ["ana"]


def test_a_lost_role_is_recorded(provider):
    sign_in()
    provider.person["groups"] = []
    sign_in()
    entry = AuditLog.objects.filter(resource_type="role of an account").latest("id")
    assert (entry.action, entry.username, entry.metadata["subject"]) == ("revoke", "ana", "1234")


def test_a_refused_sign_in_is_recorded_with_its_reason(provider):
    provider.person["groups"] = []
    sign_in()
    assert recorded("login failed")[-1].metadata["reason"] == "None of your groups has a role here."


# --- what is refused --------------------------------------------------------------------------------------

NOW = int(time.time())
WRONG = {
    "nonce of another": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "audience of another": {"aud": "another"},
    "shared audience without azp": {"aud": ["driftlock", "another"]},
    "azp of another": {"azp": "another"},
    "issuer of another": {"iss": "https://evil.example"},
    "expired": {"iat": NOW - 7200, "exp": NOW - 3600},
    "no expiry": {"exp": None},
    "from the future": {"iat": NOW + 3600, "exp": NOW + 7200},
    "no subject": {"sub": None},
    "empty subject": {"sub": ""},
    "subject of 192 characters": {"sub": "x" * 192},
    "subject with NUL": {"sub": "a\0b"},
}


@pytest.mark.parametrize("changed", WRONG.values(), ids=WRONG)
def test_an_id_token_with_a_wrong_claim_is_refused(provider, changed):
    provider.changed = changed
    assert sign_in().status_code == 403
    assert not User.objects.exists()


FORGED = {
    "alg none": lambda claims, key: jwt.encode(claims, None, algorithm="none", headers={"kid": "first"}),
    "secret as key": lambda claims, key: jwt.encode(
        claims, "the client's secret, long enough for HS256", algorithm="HS256", headers={"kid": "first"}
    ),
    "key of another": lambda claims, key: signed(claims, new_key()),
    "unknown key": lambda claims, key: jwt.encode(claims, key, algorithm="RS256", headers={"kid": "other"}),
    "no JWT": lambda claims, key: "no.j.wt",
    "no token": lambda claims, key: None,
    "altered": lambda claims, key: signed(claims, key)[:-8] + "AAAAAAAA",
}


@pytest.mark.parametrize("encode", FORGED.values(), ids=FORGED)
def test_an_id_token_without_the_providers_signature_is_refused(provider, encode):
    provider.encode = encode
    assert sign_in().status_code == 403
    assert not User.objects.exists()


def test_a_key_without_an_id_is_found(provider):
    provider.encode = lambda claims, key: jwt.encode(claims, key, algorithm="RS256")
    assert sign_in().status_code == 302


def test_an_answer_for_another_browser_is_refused(provider):
    address = at_provider(Client())
    assert back(Client(), address).status_code == 403


def test_an_answer_is_taken_once(provider):
    browser = Client()
    address = at_provider(browser)
    assert back(browser, address).status_code == 302
    assert back(browser, address).status_code == 403


@pytest.mark.parametrize("query", ["", "?state=x&code=y", "?error=access_denied", "?code=%00&state=%00"])
def test_an_answer_without_a_request_is_refused(provider, query):
    assert Client().get(f"/sign-in/provider/callback/{query}").status_code == 403


def test_a_cancelled_sign_in_is_refused_without_an_error(provider):
    browser = Client()
    state = at_provider(browser).partition("state=")[2]
    page = browser.get("/sign-in/provider/callback/", {"error": "access_denied", "state": state})
    assert page.status_code == 403


CONFIGURATIONS = {
    "another issuer": {"issuer": "https://evil.example"},
    "no token endpoint": {"token_endpoint": None},
    "keys elsewhere": {"jwks_uri": "http://127.0.0.1:1/keys"},
}


@pytest.mark.parametrize("configured", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_a_wrong_configuration_of_the_provider_ends_in_a_page_not_in_an_error(provider, configured):
    provider.configured = configured
    browser = Client()
    page = browser.get("/sign-in/provider/")
    if page.status_code == 302:
        answer = requests.get(page["Location"], allow_redirects=False, timeout=5).headers["Location"]
        page = back(browser, answer)
    assert page.status_code in (403, 503)
    assert not User.objects.exists()


def test_a_provider_that_does_not_answer_is_503(provider, settings):
    settings.OIDC = settings.OIDC.__class__("http://127.0.0.1:1", "x", "y", {"sre": "analyst"})
    assert Client().get("/sign-in/provider/").status_code == 503


# --- local passwords --------------------------------------------------------------------------------------


def test_local_passwords_can_be_switched_off(provider, settings):
    make_user("analyst", "ben")
    settings.LOCAL_PASSWORDS = False
    browser = Client()
    answer = browser.post("/admin/login/", {"username": "ben", "password": "password", "next": "/admin/"})
    assert answer.status_code == 200
    assert browser.get("/admin/").status_code == 302
    page = browser.get("/admin/login/").content.decode()
    assert 'type="password"' not in page


def test_the_page_that_changes_passwords_is_gone_with_them(provider, settings, client):
    client.force_login(make_user("analyst", "ben"))
    settings.LOCAL_PASSWORDS = False
    assert client.get("/admin/password_change/").status_code == 404
    assert b"Change password" not in client.get(LIST).content


# --- without a provider -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/sign-in/provider/", "/sign-in/provider/callback/?code=x&state=y"])
def test_without_a_provider_its_addresses_are_404(path):
    assert Client().get(path).status_code == 404


def test_without_a_provider_the_login_page_is_djangos():
    assert b"sign-in-provider" not in Client().get("/admin/login/").content


@pytest.mark.parametrize("path", "/accounts/login/ /accounts/signup/ /sign-in/signup/ /3rdparty/".split())
def test_no_other_page_of_the_library_is_served(path):
    with pytest.raises(Resolver404):
        resolve(path)


def test_the_librarys_tables_are_no_pages_of_the_desk(admin_client):
    page = admin_client.get("/admin/").content.decode()
    assert "socialaccount" not in page
    assert "emailaddress" not in page
