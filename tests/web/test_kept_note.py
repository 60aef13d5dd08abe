"""A note that was typed when the session had expired is in the form after the next login."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.support.factories import make_anomaly, make_user
from tests.support.forms import carried

pytestmark = pytest.mark.django_db

NOTE = "looked at it with <b>care</b>"
KEPT = "looked at it with &lt;b&gt;care&lt;/b&gt;"


@pytest.fixture
def page() -> str:
    return f"/admin/anomalies/anomaly/{make_anomaly().pk}/change/"


def log_in(browser: Client) -> None:
    make_user("analyst", "ana")
    browser.post("/admin/login/", {"username": "ana", "password": "password"})


def send_late(browser: Client, page: str, **over: Any) -> Any:
    """Send a decision form without a login."""
    return browser.post(page, {"action": "acknowledge", "version": "1", "note": NOTE, **over})


def test_after_the_next_login_the_note_is_in_the_form(page):
    browser = Client()
    assert send_late(browser, page).url == f"/admin/login/?next={page}"
    log_in(browser)
    assert KEPT in browser.get(page).content.decode()


def test_it_is_in_the_form_once(page):
    browser = Client()
    send_late(browser, page)
    log_in(browser)
    browser.get(page)
    assert KEPT not in browser.get(page).content.decode()


def test_it_is_in_the_form_of_its_own_anomaly_only(page):
    browser, other = Client(), make_anomaly()
    send_late(browser, page)
    log_in(browser)
    assert KEPT not in browser.get(f"/admin/anomalies/anomaly/{other.pk}/change/").content.decode()


@pytest.mark.parametrize("note", ["", "x" * 10_001])
def test_a_form_without_a_note_that_could_be_saved_leaves_no_session(page, note):
    browser = Client()
    send_late(browser, page, note=note)
    assert "sessionid" not in browser.cookies


def refused(origin: str | None, page: str) -> tuple[Client, Any]:
    """The browser of an analyst, and the answer to a form whose token is of another login."""
    browser = Client(enforce_csrf_checks=True, headers={"Origin": origin} if origin else {})
    browser.force_login(make_user("analyst", "ana"))
    browser.get(page)
    return browser, send_late(browser, page, csrfmiddlewaretoken="x" * 64)


def test_a_form_with_the_token_of_another_login_keeps_the_note_and_says_so(page):
    browser, answer = refused("http://testserver", page)
    assert (answer.status_code, "your note is kept" in answer.content.decode()) == (403, True)
    assert KEPT in browser.get(page).content.decode()


@pytest.mark.parametrize("origin", ["https://elsewhere.example", None])
def test_of_a_form_that_may_come_from_another_site_nothing_is_kept(page, origin):
    browser, answer = refused(origin, page)
    assert (answer.status_code, "your note is kept" in answer.content.decode()) == (403, False)
    assert KEPT not in browser.get(page).content.decode()


def test_the_note_can_be_saved_after_the_login(page):
    browser = Client()
    send_late(browser, page)
    log_in(browser)
    opened = browser.get(page)
    browser.post(page, {**carried(opened), "action": "note", "note": NOTE})
    assert KEPT in browser.get(page).content.decode()
