"""Error pages: in plain words, in the admin's frame, and without a query."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, RequestFactory

from anomalies.models import Anomaly
from anomalies.web import error_pages
from tests.support.factories import make_anomaly

PAGES = (
    "400.html",
    "403.html",
    "403_csrf.html",
    "404.html",
    "405.html",
    "429.html",
    "500.html",
    "503.html",
    "503_database.html",
)
USERS = "/admin/auth/user/"
AUDIT = "/admin/anomalies/auditlog/"


@pytest.fixture
def browser(db) -> Client:
    """A superuser's."""
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("root"))
    return client


def words(answer) -> str:
    return answer.content.decode()


@pytest.mark.parametrize("name", PAGES)
def test_an_error_page_needs_no_database_and_stands_in_the_admins_frame(name):
    answer = error_pages.error_page(
        name, 500, path="/admin/"
    )  # a query would fail: this test may not make one
    assert 'id="site-name"' in words(answer)
    assert "admin/css/base.css" in words(answer)


def test_a_page_that_is_not_there_says_so(client):
    answer = client.get("/nowhere/")
    assert (answer.status_code, "Page not found" in words(answer)) == (404, True)


def test_a_form_without_its_token_is_refused_in_words():
    answer = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "x"})
    assert (answer.status_code, "Your session expired" in words(answer)) == (403, True)


@pytest.mark.django_db
def test_a_missing_permission_is_named(client, viewer):
    client.force_login(viewer)
    answer = client.post(f"/admin/anomalies/anomaly/{make_anomaly().pk}/change/", {"action": "dismiss"})
    assert (answer.status_code, "Permission denied" in words(answer)) == (403, True)


def test_what_breaks_is_answered_with_500_in_words(browser, monkeypatch):
    monkeypatch.setattr(Anomaly.objects, "for_list", None, raising=False)
    answer = browser.get("/admin/anomalies/anomaly/")
    assert (answer.status_code, "Internal error" in words(answer)) == (500, True)


def test_without_static_files_the_last_resort_is_a_page_still(settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
    answer = error_pages.server_error(RequestFactory().get("/"))
    assert (answer.status_code, "Internal error" in words(answer)) == (500, True)


# --- invalid addresses of a list --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        f"{AUDIT}?timestamp__month=11",
        f"{AUDIT}?username__regex=(",
        f"{AUDIT}?resource_type=%00",
        f"{USERS}?password__startswith=pbkdf2",
        f"{USERS}?groups__permissions__codename=x",
        f"{USERS}?_to_field=password",
        "/admin/anomalies/streamstatistics/%00/change/",
    ],
)
def test_what_a_list_does_not_offer_is_answered_with_400_in_words(browser, path):
    answer = browser.get(path)
    assert (answer.status_code, "Invalid request" in words(answer)) == (400, True)


@pytest.mark.parametrize(
    "query",
    ["groups__id__exact=1", "is_staff__exact=1", "groups__isnull=True", "is_active__exact=0&q=lea&o=1"],
)
def test_what_a_list_offers_is_shown(browser, query):
    assert browser.get(f"{USERS}?{query}").status_code == 200


def test_the_audit_logs_own_filter_works(browser):
    assert browser.get(f"{AUDIT}?resource_type=anomaly").status_code == 200


def test_an_invalid_filter_value_does_not_blame_the_installation(browser):
    page = words(browser.get(f"{USERS}?groups__id__exact=abc&e=1"))
    assert "Invalid request" in page
    assert "installation" not in page


@pytest.mark.parametrize("text", ["-" * 1000, "- " * 50 + "x", '-" ' * 40, "&-" * 100 + "x"])
def test_a_search_of_nothing_but_operators_is_answered(browser, text):
    make_anomaly()
    assert browser.get("/admin/anomalies/anomaly/", {"q": text}).status_code == 200


def test_the_connection_is_whole_after_a_value_that_the_database_refused(browser):
    browser.get(f"{AUDIT}?resource_type=%00")
    assert connection.is_usable()
