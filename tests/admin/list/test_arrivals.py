"""The count of what was stored since a page was opened: by filter, bounded, 304 where unchanged."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from anomalies.models import Anomaly
from tests.support.factories import make_anomaly
from tests.support.forms import LIST

pytestmark = pytest.mark.django_db

ARRIVALS = f"{LIST}arrivals/"


@pytest.fixture
def desk(client: Client, viewer) -> Client:
    client.force_login(viewer)
    return client


def stored(minutes_ago: int, **over: Any) -> None:
    """An anomaly that was stored at that time."""
    anomaly = make_anomaly(**over)
    Anomaly.objects.filter(pk=anomaly.pk).update(created_at=timezone.now() - timedelta(minutes=minutes_ago))


def ask(desk: Client, query: str = "", minutes: int = 10, **headers: str) -> Any:
    since = (timezone.now() - timedelta(minutes=minutes)).isoformat()
    return desk.get(f"{ARRIVALS}{query}", {"stored_after": since} if not query else None, headers=headers)


def test_what_was_stored_since_is_counted_whenever_it_happened(desk):
    stored(5), stored(5), stored(20)
    assert ask(desk).json()["new"] == "2"


def test_the_first_request_names_the_age_of_the_page_and_gets_the_moment(desk):
    stored(5), stored(20)
    first = ask(desk, "?age=600000").json()
    assert first["count"] == 1
    assert desk.get(ARRIVALS, {"stored_after": first["since"]}).json() == first


def test_only_what_matches_the_filter_is_counted(desk):
    stored(5), stored(5, stream_type="llm")
    assert ask(desk, "?age=600000&stream=llm").json()["count"] == 1


def test_nothing_new_is_a_count_of_0(desk):
    assert ask(desk).json()["count"] == 0


def test_an_unchanged_count_is_304_and_a_changed_one_is_not(desk):
    since = (timezone.now() - timedelta(minutes=10)).isoformat()
    tag = desk.get(ARRIVALS, {"stored_after": since})["ETag"]
    assert desk.get(ARRIVALS, {"stored_after": since}, headers={"If-None-Match": tag}).status_code == 304
    stored(5)
    assert desk.get(ARRIVALS, {"stored_after": since}, headers={"If-None-Match": tag}).status_code == 200


def test_more_than_are_read_is_said_as_a_least_number(desk, monkeypatch):
    monkeypatch.setattr("anomalies.queries.bounded.arrivals.MOST", 2)
    stored(5), stored(5), stored(5)
    assert ask(desk).json()["new"] == "2+"


@pytest.mark.parametrize(
    "query",
    [
        *("?", "?age=x", "?age=²", "?age=" + "9" * 30, "?age=-1", "?age=1&ncd_min=x"),
        *("?stored_after=yesterday", "?stored_after=2026-13-01T00:00:00Z", "?stored_after=%00"),
        "?stored_after=2026-11-01T00:00:00",
    ],
)
def test_an_invalid_request_is_400(desk, query):
    assert ask(desk, query).status_code == 400


def test_a_page_opened_long_ago_counts_its_last_week(desk):
    stored(60 * 24 * 6), stored(60 * 24 * 8)
    assert ask(desk, "?age=999999999999999").json()["count"] == 1
