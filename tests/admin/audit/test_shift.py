"""The shift page of a lead: who decided what in a stretch of time, read-only."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from anomalies.audit import Actor
from anomalies.queries.shift import record
from anomalies.triage.decisions import decide
from anomalies.triage.rules import NewRule, make
from tests.support.factories import make_anomaly

pytestmark = pytest.mark.django_db

SHIFT = "/admin/anomalies/auditlog/shift/"


@pytest.fixture
def desk(client, lead) -> Client:
    client.force_login(lead)
    return client


def lost(number: int = 1, **over: Any) -> Any:
    """The id of an anomaly that was stored half an hour ago."""
    stored = timezone.now() - timedelta(minutes=30)
    return make_anomaly(glass_box_explanation=f"process {number} lost", created_at=stored, **over).pk


@pytest.fixture
def busy(db) -> None:
    """A shift in which two people contradicted each other."""
    decide("dismiss", [lost(n) for n in range(3)], Actor("bo"), reason="known_harmless")
    decide("acknowledge", [lost()], Actor("ana"))


def words(page: Any) -> str:
    """The text of a page, without its marks and repeated blanks."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.content.decode())))


def test_an_empty_desk_has_an_empty_report(desk):
    page = words(desk.get(SHIFT))
    for part in ("0 about 0 anomalies", "nothing was acknowledged or dismissed", "nothing is open"):
        assert part in page


def test_it_shows_who_decided_what_by_pattern(desk, busy):
    page = words(desk.get(SHIFT))
    assert "2 about 4 anomalies, by 2 people" in page
    assert "bo process # lost db1, logs dismissed as known and harmless 3 1 0" in page
    assert "ana process # lost db1, logs acknowledged 1 1 0" in page


def test_a_decision_about_many_counts_once_in_the_time_to_a_decision(desk, busy):
    assert "median 30.0 min, 90% within 30.0 min of arrival (n = 2;" in words(desk.get(SHIFT))


def test_contradictions_name_both_sides_and_agreement_its_number(desk, busy):
    page = words(desk.get(SHIFT))
    assert "1 by ana; last just now 3 by bo as known and harmless; last just now" in page
    assert "0%: one answer about 0 of 1 patterns that more than one person decided about" in page


def test_the_backlog_is_the_present_one_with_its_age(desk):
    lost(timestamp=timezone.now() - timedelta(days=3))
    assert re.search(
        r"1 open ; age: median 3\.\d d, 90% at most 3\.\d d; the oldest 3 d ago", words(desk.get(SHIFT))
    )


def test_what_a_rule_decided_stands_apart_with_its_owner(desk, lead):
    window = (timezone.now() - timedelta(days=1), timezone.now() + timedelta(days=1))
    make(NewRule("dismiss", "disks", reason="other", source="db1", window=window), Actor(lead.username))
    make_anomaly(timestamp=timezone.now())
    page = words(desk.get(SHIFT))
    assert "maintenance of db1 lead dismissed 1 0" in page
    assert "0 about 0 anomalies" in page


def test_what_happened_before_the_chosen_time_is_not_shown(desk, busy):
    now = timezone.now()
    since, until = now - timedelta(days=2), now - timedelta(days=1)
    page = words(desk.get(SHIFT, {"since": f"{since:%Y-%m-%dT%H:%M}", "until": f"{until:%Y-%m-%dT%H:%M}"}))
    assert "0 about 0 anomalies" in page


def test_the_time_is_given_and_shown_in_the_desk_s_zone(desk):
    with timezone.override(ZoneInfo("Asia/Tokyo")):
        page = words(desk.get(SHIFT, {"since": "2026-11-01T09:00", "until": "2026-11-01T10:00"}))
    assert "2026-11-01 09:00:00 JST – 2026-11-01 10:00:00 JST" in page


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"hours": "99"}, "Select a valid choice"),
        ({"since": "soon"}, "Enter a valid date/time"),
        ({"until": "2026-11-01T09:00"}, "Enter a start time."),
        ({"since": "2026-11-02T09:00", "until": "2026-11-01T09:00"}, "The start must be before the end."),
        ({"since": "9999-11-02T09:00"}, "The start must be before the end."),
    ],
)
def test_an_invalid_time_is_shown_with_its_message_and_no_report(desk, asked, why):
    page = desk.get(SHIFT, asked)
    assert page.status_code == 200 and why in words(page) and 'class="facts"' not in page.content.decode()


def test_what_was_not_read_is_stated_with_a_way_to_it(desk, busy, monkeypatch):
    monkeypatch.setattr(record, "READ", 2)
    page = desk.get(SHIFT)
    assert "The figures are complete from" in words(page)
    assert re.search(r'href="[^"]*since=[^"]*until=[^"]*">Show the time before', page.content.decode())


def test_text_from_outside_is_shown_as_text(desk):
    decide("acknowledge", [make_anomaly(glass_box_explanation="<b>x</b>").pk], Actor("<i>ana</i>"))
    page = desk.get(SHIFT).content.decode()
    assert "<b>x</b>" not in page and "<i>ana" not in page and "&lt;i&gt;ana" in page


def test_the_number_of_queries_does_not_grow(desk, django_assert_num_queries):
    decide("acknowledge", [lost()], Actor("ana"))
    with CaptureQueriesContext(connection) as queries:
        desk.get(SHIFT)
    for n in range(12):
        for action in ("acknowledge", "investigate"):
            decide(action, [lost(metadata={"host": f"db{n}"})], Actor(f"user {n}"))
    with django_assert_num_queries(len(queries)):
        desk.get(SHIFT)
