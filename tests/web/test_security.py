"""Lockout after failed logins, and the security headers of every answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from axes.signals import user_locked_out
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from tests.support.factories import make_user

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"
MINE, OTHER = "192.0.2.1", "192.0.2.2"


def log_in(password: str = "wrong", username: str = "ana", address: str = MINE, **headers: str) -> Any:
    """The answer to a login from this address, by a browser that nobody has seen before."""
    fields = {"username": username, "password": password}
    return Client().post(LOGIN, fields, REMOTE_ADDR=address, headers=headers)


def fail(times: int, **how: str) -> list[int]:
    return [log_in(**how).status_code for _ in range(times)]


@pytest.fixture(autouse=True)
def ana(db, settings) -> User:
    settings.AXES_FAILURE_LIMIT = 5
    return make_user("analyst", "ana")


# --- brute force ------------------------------------------------------------------------------------------


def test_the_fifth_failed_login_locks_out():
    assert fail(6) == [200, 200, 200, 200, 429, 429]


def test_during_a_lockout_the_right_password_does_not_help():
    fail(5)
    assert log_in("password").status_code == 429


def test_the_page_says_how_long_it_stays_closed():
    fail(5)
    answer = log_in("password")
    assert "blocked for 15 minutes" in answer.content.decode()
    assert answer["Retry-After"] == "900"


def test_before_that_the_right_password_is_accepted_and_resets_the_count():
    fail(4)
    assert log_in("password").status_code == 302
    assert fail(4) == [200] * 4


def test_other_users_come_in_from_the_same_address():
    make_user("viewer", "bob")
    fail(6)
    assert log_in("password", "bob").status_code == 302


def test_the_user_comes_in_from_another_address():
    fail(20)
    assert log_in("password", address=OTHER).status_code == 302


def test_a_user_that_there_is_not_is_locked_out_alike():
    assert fail(6, username="nobody") == [200, 200, 200, 200, 429, 429]


def test_one_password_tried_on_many_users_locks_out_the_address():
    answers = [log_in(username=f"user{number}").status_code for number in range(50)]
    assert (answers[48], answers[49]) == (200, 429)
    assert log_in("password").status_code == 429


def test_many_addresses_against_one_user_lock_out_the_user():
    for number in range(50):
        log_in(address=f"198.51.100.{number}")
    assert log_in("password").status_code == 429


def test_a_login_of_ones_own_does_not_wipe_out_the_failures_about_others():
    make_user("viewer", "eve")
    for number in range(49):
        log_in(username=f"user{number}")
    log_in("password", "eve")
    assert log_in(username="user49").status_code == 429


def test_a_login_forgets_no_failures_from_other_addresses():
    for number in range(49):
        log_in(address=f"198.51.100.{number}")
    assert log_in("password", address="203.0.113.5").status_code == 302
    assert log_in(address="198.51.100.49").status_code == 429


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "User-Agent", "Client-IP"])
def test_headers_that_anybody_can_send_do_not_open_it(header):
    answers = [log_in(**{header: f"198.51.100.{number}"}).status_code for number in range(6)]
    assert answers[-1] == 429


def test_behind_a_proxy_the_address_is_the_one_that_the_proxy_saw(settings):
    settings.BEHIND_PROXY = True
    for number in range(5):
        log_in(**{"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.5"})
    assert log_in("password", **{"X-Forwarded-For": "203.0.113.5"}).status_code == 429
    assert log_in("password", **{"X-Forwarded-For": "203.0.113.6"}).status_code == 302


def test_addresses_of_one_ipv6_network_are_one():
    for number in range(5):
        log_in(address=f"2001:db8:1:2::{number:x}")
    assert log_in("password", address="2001:db8:1:2:ffff::1").status_code == 429
    assert log_in("password", address="2001:db8:1:3::1").status_code == 302


def test_after_the_pause_the_lockout_has_ended(settings):
    fail(5)
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=15, seconds=1))
    assert log_in("password").status_code == 302


def test_knocking_does_not_keep_it_closed_for_longer():
    fail(5)
    before = AccessAttempt.objects.get().attempt_time
    fail(3)
    assert AccessAttempt.objects.get().attempt_time == before


def test_an_operator_opens_it_at_once(capsys):
    fail(5)
    call_command("axes_reset_username", "ana")
    assert log_in("password").status_code == 302


@pytest.mark.parametrize("username", ["a\0b", "\ud800", "x" * 100_000, "\x1b[2J", "' OR 1=1 --", ""])
def test_a_hostile_name_is_a_failed_login_and_no_more(username):
    name = username.encode("utf-8", "replace").decode()
    assert fail(1, username=name) == [200]


def test_an_operator_lists_names_that_cannot_act_on_the_terminal(capsys):
    fail(1, username="\x1b[2Jana")
    call_command("axes_list_attempts")
    assert capsys.readouterr().out == f"{MINE}\t\\x1b[2Jana\t1\n"


def test_no_password_is_kept(settings):
    fail(3, password="secret-of-ana")
    kept = AccessAttempt.objects.values().get()
    assert "secret-of-ana" not in str(kept)


# --- one's own password -----------------------------------------------------------------------------------

CHANGE = "/admin/password_change/"


def change_password(client: Client, old: str) -> int:
    new = "a long one of no words"
    fields = {"old_password": old, "new_password1": new, "new_password2": new}
    return client.post(CHANGE, fields, REMOTE_ADDR=MINE).status_code


def test_wrong_old_passwords_lock_out_too(client, ana):
    client.force_login(ana)
    assert [change_password(client, "wrong") for _ in range(5)] == [200, 200, 200, 200, 429]
    assert change_password(client, "password") == 429
    assert log_in("password").status_code == 429


def test_the_right_old_password_changes_it(client, ana):
    client.force_login(ana)
    assert (client.get(CHANGE).status_code, change_password(client, "password")) == (200, 302)
    assert log_in("a long one of no words").status_code == 302


def test_a_new_password_that_is_too_weak_is_no_failed_login(client, ana):
    client.force_login(ana)
    fields = {"old_password": "password", "new_password1": "x", "new_password2": "x"}
    assert [client.post(CHANGE, fields).status_code for _ in range(6)] == [200] * 6


# --- for the record ---------------------------------------------------------------------------------------


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """The names of the signals that were sent, in order, with the user's name."""
    names: list[str] = []
    signals = {"in": user_logged_in, "failed": user_login_failed, "locked": user_locked_out}
    receivers = []
    for name, signal in signals.items():

        def receive(name: str = name, **kwargs: Any) -> None:
            user = kwargs.get("username") or kwargs.get("credentials", {}).get("username") or kwargs["user"]
            names.append(f"{name} {user}")

        signal.connect(receive)
        receivers.append((signal, receive))
    yield names
    for signal, receive in receivers:
        signal.disconnect(receive)


def test_a_login_is_signalled(heard):
    log_in("password")
    assert heard == ["in ana"]


def test_failed_logins_and_the_lockout_are_signalled(heard):
    fail(5)
    assert heard.count("failed ana") == 5
    assert heard.count("locked ana") == 1


def test_an_attempt_during_a_lockout_is_signalled_too(heard):
    fail(5)
    heard.clear()
    log_in("password")
    assert sorted(heard) == ["failed ana", "locked ana"]


# --- what a browser receives -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", LOGIN, "/admin/", "/nowhere/", "/admin/anomalies/anomaly/"])
def test_every_answer_forbids_inline_scripts_and_styles_and_frames(client, path):
    policy = client.get(path).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy


def test_every_answer_says_what_else_is_refused(client):
    headers = client.get(LOGIN).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]


def test_an_error_page_has_the_same_headers(settings, client):
    assert "Content-Security-Policy" in client.get("/nowhere/").headers
    settings.DEBUG = True  # Django's own page for developers styles itself inline
    assert "Content-Security-Policy" not in client.get("/nowhere/").headers


def test_a_session_cookie_is_hidden_from_scripts_and_ends_after_twelve_hours():
    cookie = log_in("password").cookies["sessionid"]
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", 12 * 3600)


def test_a_page_of_the_desk_is_kept_by_no_cache(client, ana):
    client.force_login(ana)
    assert "no-store" in client.get("/admin/anomalies/anomaly/").headers["Cache-Control"]
