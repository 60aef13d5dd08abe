"""Preferences: the language, zone and date format of each person, on every page that they open."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User

from anomalies.models import SavedFilter, UserPreferences
from tests.support.factories import make_anomaly, make_user

pytestmark = pytest.mark.django_db

PAGE = "/admin/preferences/"
LIST = "/admin/anomalies/anomaly/"
NOON = datetime(2026, 11, 23, 12, 5, tzinfo=UTC)


def prefer(client, user: User, **values: str) -> None:
    """Log in, and prefer this."""
    client.force_login(user)
    answer = client.post(PAGE, {"language": "", "zone": "", "formats": "iso", **values})
    assert answer.status_code == 302


def page_of(client, anomaly) -> str:
    return client.get(f"{LIST}{anomaly.pk}/change/").content.decode()


def test_a_choice_is_kept_for_the_person_and_nobody_else(client, lead):
    prefer(client, lead, language="de", zone="Asia/Tokyo", formats="language")
    (kept,) = UserPreferences.objects.all()
    assert (kept.user, kept.language, kept.zone, kept.formats) == (lead, "de", "Asia/Tokyo", "language")
    page = client.get(PAGE).content.decode()
    assert '<html lang="de"' in page and '<option value="Asia/Tokyo" selected>' in page
    client.force_login(make_user("lead", "another"))
    assert '<html lang="en' in client.get(PAGE).content.decode()


@pytest.mark.parametrize("wrong", [{"language": "xx"}, {"zone": "Mars/Olympus"}, {"formats": "none"}])
def test_what_is_not_offered_is_refused_and_nothing_is_kept(client, lead, wrong):
    client.force_login(lead)
    answer = client.post(PAGE, {"language": "", "zone": "", "formats": "iso", **wrong})
    assert answer.status_code == 200 and "errorlist" in answer.content.decode()
    assert not UserPreferences.objects.exists()


@pytest.mark.parametrize(
    ("asked", "language"), [("de-AT,en;q=0.5", "de"), ("fr", "en"), ("", "en"), ("en-GB,de", "en")]
)
def test_without_a_choice_the_browser_decides_before_the_login_too(client, asked, language):
    answer = client.get("/admin/login/", headers={"accept-language": asked})
    assert answer["Content-Language"] == language and f'<html lang="{language}' in answer.content.decode()
    assert "Accept-Language" in answer["Vary"]


def test_a_choice_is_before_what_the_browser_asks_for(client, lead):
    prefer(client, lead, language="en")
    assert client.get(PAGE, headers={"accept-language": "de"})["Content-Language"] == "en"


def test_programs_get_english(client, lead):
    prefer(client, lead, language="de")
    answer = client.get("/api/anomalies/nonsense", headers={"accept-language": "de"})
    assert "Content-Language" not in answer and "does not exist" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("choice", "shown"),
    [
        ({}, "2026-11-23 12:05:00 UTC"),
        ({"zone": "Asia/Tokyo"}, "2026-11-23 21:05:00 JST"),
        ({"formats": "language", "language": "en"}, "Nov 23, 2026, 12:05:00 PM UTC"),
        ({"formats": "language", "language": "de", "zone": "Europe/Berlin"}, "23.11.2026 13:05:00 CET"),
    ],
)
def test_times_are_in_the_zone_and_the_format_of_the_reader(client, lead, choice, shown):
    prefer(client, lead, **choice)
    assert f"{shown}</time>" in page_of(client, make_anomaly(timestamp=NOON))


def test_an_unknown_zone_is_as_none(client, lead):
    UserPreferences.objects.create(user=lead, zone="Mars/Olympus", formats="iso")
    client.force_login(lead)
    assert "12:05:00 UTC</time>" in page_of(client, make_anomaly(timestamp=NOON))


def test_a_time_in_a_saved_filter_is_the_same_moment_for_readers_of_other_zones(client, lead):
    client.force_login(lead)
    client.post(f"{LIST}filters/", {"action": "save", "name": "ours", "query": "since=2026-11-23T12:00"})
    prefer(client, lead, zone="Asia/Tokyo")
    client.post(f"{LIST}filters/", {"action": "save", "name": "mine", "query": "since=2026-11-23T21:00"})
    assert SavedFilter.objects.get(name="mine").query == "since=2026-11-23T21%3A00%3A00%2B09%3A00"
    page = client.get(f"{LIST}filters/").content.decode()
    assert "since=2026-11-23T12%3A00%3A00%2B00%3A00" in page
    assert page.count("2026-11-23 21:00 Asia/Tokyo") == 2
