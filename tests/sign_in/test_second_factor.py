"""Second factors: adding and removing them, the second step of a login, and sites that require one."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client

from anomalies.models import AuditLog
from tests.support.factories import make_user
from tests.support.forms import LIST
from tests.support.programs.authenticator_app import code_for

from .test_provider import sign_in

pytestmark = pytest.mark.django_db
FACTORS = "/sign-in/factors/"


@pytest.fixture(autouse=True)
def _no_used_codes():
    cache.clear()  # a code is accepted once in its thirty seconds


def log_in(browser: Client, password: str = "password", wanted: str = LIST) -> Any:
    return browser.post("/admin/login/", {"username": "ben", "password": password, "next": wanted})


def ben(role: str = "analyst") -> Client:
    """A browser in which Ben is logged in by his password."""
    make_user(role, "ben")
    browser = Client()
    log_in(browser)
    return browser


def confirmed(browser: Client) -> Client:
    browser.post(f"{FACTORS}confirm/password/", {"password": "password"})
    return browser


def with_app(browser: Client) -> str:
    """Add an authenticator app; returns its secret."""
    page = confirmed(browser).get(f"{FACTORS}app/add/").content.decode()
    secret = re.search("<code>([A-Z2-7]+)</code>", page)[1]
    answer = browser.post(f"{FACTORS}app/add/", {"code": code_for(secret)})
    assert answer.status_code == 302, answer.content
    cache.clear()
    return secret


def recovery_codes(browser: Client) -> list[str]:
    return re.findall("<li><code>([^<]+)</code>", browser.get(f"{FACTORS}recovery-codes/").content.decode())


# --- the login --------------------------------------------------------------------------------------------


def test_who_has_no_factor_logs_in_by_password_alone():
    make_user("analyst", "ben")
    assert log_in(Client())["Location"] == LIST


def test_after_the_password_a_code_of_the_app_is_asked_for():
    secret, browser = with_app(ben()), Client()
    assert log_in(browser)["Location"] == "/sign-in/second-factor/"
    assert browser.get(LIST).status_code == 302
    answer = browser.post("/sign-in/second-factor/", {"code": code_for(secret)})
    assert answer["Location"] == LIST
    assert browser.get(LIST).status_code == 200


def test_a_recovery_code_is_taken_once():
    owner = ben()
    with_app(owner)
    code = recovery_codes(owner)[0]
    for expected in (302, 200):
        browser = Client()
        log_in(browser)
        assert browser.post("/sign-in/second-factor/", {"code": code}).status_code == expected
    assert len(recovery_codes(owner)) == 9


@pytest.mark.parametrize("answer", [{"code": "000000"}, {"code": ""}, {"code": "\0"}, {}])
def test_a_wrong_code_is_refused(answer):
    with_app(ben())
    browser = Client()
    log_in(browser)
    assert browser.post("/sign-in/second-factor/", answer).status_code == 200
    assert browser.get(LIST).status_code == 302


@pytest.mark.parametrize("credential", ["", "{", "{}", "[]", "7", "null", '{"id": "x", "rawId": "x"}'])
def test_what_is_no_credential_is_refused_without_an_error(credential):
    with_app(ben())
    browser = Client()
    log_in(browser)
    assert browser.post("/sign-in/second-factor/", {"credential": credential}).status_code == 200


def test_five_wrong_codes_lock_the_account_out_at_that_address_alone():
    secret = with_app(ben())
    browser = Client()
    log_in(browser)
    for _ in range(5):
        browser.post("/sign-in/second-factor/", {"code": "000000"})
    assert browser.post("/sign-in/second-factor/", {"code": code_for(secret)}).status_code == 429
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    log_in(elsewhere)
    assert elsewhere.post("/sign-in/second-factor/", {"code": code_for(secret)}).status_code == 302


def test_wrong_codes_are_recorded_as_failed_logins():
    with_app(ben())
    browser = Client()
    log_in(browser)
    browser.post("/sign-in/second-factor/", {"code": "000000"})
    entry = AuditLog.objects.filter(action="login failed").latest("id")
    assert (entry.username, entry.metadata["via"]) == ("ben", "/sign-in/second-factor/")


def test_the_second_step_needs_the_first():
    assert Client().get("/sign-in/second-factor/")["Location"] == "/sign-in/"


def test_a_sign_in_by_the_provider_is_asked_for_a_factor_too(provider):
    browser = Client()
    sign_in(browser)
    account = User.objects.get(username="ana")
    assert browser.get(f"{FACTORS}app/add/").status_code == 200, "nothing to confirm with"
    page = browser.get(f"{FACTORS}app/add/").content.decode()
    secret = re.search("<code>([A-Z2-7]+)</code>", page)[1]
    browser.post(f"{FACTORS}app/add/", {"code": code_for(secret)})
    assert Authenticator.objects.filter(user=account, type="totp").exists()
    assert sign_in(Client())["Location"] == "/sign-in/second-factor/"


# --- one's own factors ------------------------------------------------------------------------------------


def test_a_change_of_factors_asks_for_the_password_first():
    answer = ben().get(f"{FACTORS}app/add/")
    assert answer["Location"].startswith(f"{FACTORS}confirm/password/?next=")


def test_a_wrong_password_there_counts_as_a_failed_login():
    browser = ben()
    for _ in range(5):
        browser.post(f"{FACTORS}confirm/password/", {"password": "guessed"})
    assert browser.post(f"{FACTORS}confirm/password/", {"password": "password"}).status_code == 429


def test_the_app_can_be_removed():
    browser = ben()
    with_app(browser)
    assert browser.post(f"{FACTORS}app/remove/").status_code == 302
    assert not Authenticator.objects.exists()
    assert log_in(Client())["Location"] == LIST


def test_a_passkey_of_somebody_else_cannot_be_removed():
    passkey = Authenticator.objects.create(user=make_user("lead", "eve"), type="webauthn", data={"name": "x"})
    assert confirmed(ben()).post(f"{FACTORS}passkeys/{passkey.pk}/remove/").status_code == 404


def test_new_recovery_codes_replace_the_old_ones():
    browser = ben()
    with_app(browser)
    before = recovery_codes(browser)
    browser.post(f"{FACTORS}recovery-codes/new/")
    assert set(recovery_codes(browser)).isdisjoint(before)


def test_pages_of_secrets_are_not_kept_by_the_browser():
    browser = ben()
    with_app(browser)
    assert "no-store" in browser.get(f"{FACTORS}recovery-codes/")["Cache-Control"]


# --- where a factor is required ---------------------------------------------------------------------------


def require(settings: Any, browser: Client) -> None:
    """Start the server of this browser again, with a required factor."""
    settings.REQUIRE_MFA = True
    browser.handler.load_middleware()


def test_without_a_required_factor_every_page_leads_to_adding_one(settings):
    browser = ben()
    require(settings, browser)
    answers = [browser.get(path)["Location"] for path in ("/admin/", LIST, "/admin/password_change/")]
    assert answers == [FACTORS] * 3
    assert b"A second factor is required here" in browser.get(FACTORS).content


def test_a_decision_needs_the_factor_too(settings):
    browser = ben()
    require(settings, browser)
    assert browser.post(LIST, {"action": "acknowledge"})["Location"] == FACTORS


def test_who_has_added_the_factor_goes_on(settings):
    browser = ben()
    require(settings, browser)
    with_app(browser)
    assert browser.get(LIST).status_code == 200


def test_who_gave_the_factor_at_the_login_goes_on(settings):
    secret, browser = with_app(ben()), Client()
    require(settings, browser)
    log_in(browser)
    browser.post("/sign-in/second-factor/", {"code": code_for(secret)})
    assert browser.get(LIST).status_code == 200


def test_a_session_older_than_the_factor_is_asked_for_it(settings):
    owner, older = ben(), Client()
    log_in(older)
    secret = with_app(owner)
    require(settings, older)
    confirm = older.get(LIST)["Location"]
    assert confirm.startswith(f"{FACTORS}confirm/code/?next=")
    assert older.post(confirm, {"code": code_for(secret)})["Location"] == LIST
    assert older.get(LIST).status_code == 200


def test_who_removes_the_only_factor_has_to_add_one_again(settings):
    browser = ben()
    with_app(browser)
    require(settings, browser)
    browser.post(f"{FACTORS}app/remove/")
    assert browser.get(LIST)["Location"] == FACTORS


def test_one_can_log_out_without_the_factor(settings):
    browser = ben()
    require(settings, browser)
    assert browser.post("/admin/logout/").status_code == 200


@pytest.mark.parametrize("amr, expected", [(["pwd", "mfa"], 200), (["pwd"], 302), ("mfa", 302), (None, 302)])
def test_a_provider_that_asked_for_several_factors_is_enough(provider, settings, amr, expected):
    settings.REQUIRE_MFA = True
    provider.person["amr"] = amr
    browser = Client()
    sign_in(browser)
    assert browser.get(LIST).status_code == expected


def test_pages_need_no_more_queries_where_a_factor_is_required(settings, django_assert_num_queries):
    browser = ben()
    with_app(browser)
    with django_assert_num_queries(2):  # session, account
        browser.get("/admin/jsi18n/")
    require(settings, browser)
    with django_assert_num_queries(2):
        browser.get("/admin/jsi18n/")


# --- lost factors -----------------------------------------------------------------------------------------


def test_a_superuser_removes_somebodys_factors_on_record():
    with_app(ben())
    User.objects.create_superuser("root", password="password")
    root = Client()
    root.post("/admin/login/", {"username": "root", "password": "password"})
    owner = User.objects.get(username="ben")
    root.post("/admin/auth/user/", {"action": "reset_second_factors", "_selected_action": [owner.pk]})
    assert log_in(Client())["Location"] == LIST
    entries = AuditLog.objects.filter(resource_type="second factor", action="delete")
    assert {(entry.username, entry.metadata["account"]) for entry in entries} == {("root", "ben")}


def test_a_command_removes_the_factors_of_the_last_superuser(capsys):
    with_app(ben())
    call_command("accounts", "reset-factors", "ben", "--by", "ops")
    assert capsys.readouterr().out == "2 factors removed\n"
    assert AuditLog.objects.filter(resource_type="second factor").latest("id").username == "ops"


# --- what is recorded -------------------------------------------------------------------------------------


def test_an_entry_has_the_kind_of_the_factor_and_no_secret():
    secret = with_app(ben())
    entries = AuditLog.objects.filter(resource_type="second factor", action="create")
    assert {entry.new_values["type"] for entry in entries} == {"totp", "recovery_codes"}
    assert secret not in str(list(entries.values()))


def test_a_used_recovery_code_is_recorded():
    owner = ben()
    with_app(owner)
    browser = Client()
    log_in(browser)
    browser.post("/sign-in/second-factor/", {"code": recovery_codes(owner)[0]})
    entry = AuditLog.objects.filter(resource_type="second factor").latest("id")
    assert (entry.action, entry.new_values) == ("update", {"data": "changed"})


def test_a_link_to_a_person_of_the_provider_is_recorded(provider):
    sign_in()
    entry = AuditLog.objects.get(resource_type="sign-in link")
    assert (entry.username, entry.new_values["uid"]) == ("ana", "1234")
