"""Links between accounts and people of the provider: by command, and by simultaneous sign-ins."""

from __future__ import annotations

import pytest
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from anomalies.sign_in import accounts
from anomalies.sign_in.claims import Claims

pytestmark = pytest.mark.django_db


def ana(issuer: str, *groups: str) -> Claims:
    return Claims(issuer, "1234", "ana", "", frozenset(groups))


def test_a_superuser_can_be_linked_by_command(provider, capsys):
    root = User.objects.create_superuser("root", password="password")
    call_command("accounts", "link", "root", "1234")
    assert accounts.account_of(ana(provider.issuer, "sre"), None, "/") == root
    assert capsys.readouterr().out == "1234 signs in as root\n"


def test_a_person_is_linked_to_one_account(provider):
    for name in ("one", "two"):
        User.objects.create_user(name)
    call_command("accounts", "link", "one", "1234")
    with pytest.raises(CommandError, match="1234 is linked to an account already"):
        call_command("accounts", "link", "two", "1234")


def test_a_link_can_be_removed(provider, capsys):
    User.objects.create_user("one")
    call_command("accounts", "link", "one", "1234")
    call_command("accounts", "unlink", "one")
    assert not SocialAccount.objects.exists()


@pytest.mark.parametrize("subject", ["", "x" * 192, "a\0b"])
def test_a_subject_that_cannot_be_stored_is_refused(provider, subject):
    User.objects.create_user("one")
    with pytest.raises(CommandError, match="A subject has 1 to 191 characters"):
        call_command("accounts", "link", "one", subject)


def test_an_account_that_does_not_exist_is_named(provider):
    with pytest.raises(CommandError, match="There is no account nobody"):
        call_command("accounts", "link", "nobody", "1234")


def test_without_a_provider_nothing_is_linked():
    User.objects.create_user("one")
    with pytest.raises(CommandError, match="set DRIFTLOCK_OIDC_ISSUER"):
        call_command("accounts", "link", "one", "1234")


def test_of_two_simultaneous_first_sign_ins_the_second_finds_the_first(provider, monkeypatch):
    known, answers = accounts._known, [lambda claims: None]
    monkeypatch.setattr(accounts, "_known", lambda claims: (answers.pop() if answers else known)(claims))
    monkeypatch.setattr(accounts, "_free", lambda name: name)
    first = User.objects.create_user("ana", is_staff=True)
    accounts.link(first, provider.issuer, "1234")
    assert accounts.account_of(ana(provider.issuer, "sre"), None, "/") == first
