"""Counts: exact where all can be known, a lower bound that is called one otherwise."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.http import QueryDict

from anomalies.models import Anomaly
from anomalies.queries.bounded import counts, finding
from anomalies.queries.bounded.counts import Count, count
from anomalies.queries.bounded.filter_listing import listing_of
from anomalies.queries.filters import AnomalyFilter
from tests.support.factories import NOON, anomaly_values

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def rows() -> None:
    """Twelve, an hour apart; every third is dismissed, every fourth has a tag."""
    Anomaly.objects.bulk_create(
        Anomaly(
            **anomaly_values(
                timestamp=NOON - timedelta(hours=n),
                status="pending" if n % 3 else "dismissed",
                tags=["web"] if n % 4 == 0 else [],
            )
        )
        for n in range(12)
    )


def counted(query: str) -> Count:
    return count(listing_of(AnomalyFilter(QueryDict(query))))


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("", 12),
        ("status=dismissed", 4),
        ("tags_any=web", 3),
        ("q=-nowhere&status=pending", 8),
        ("q=nowhere", 0),
    ],
)
def test_few_rows_are_counted_exactly(query, number):
    assert counted(query) == Count(number, is_exact=True)


def test_what_nothing_can_meet_is_none():
    assert counted("status=nonsense") == Count(0, is_exact=True)


@pytest.mark.parametrize(("query", "least"), [("", 5), ("status=dismissed", 2), ("q=-nowhere", 5)])
def test_of_more_rows_than_are_looked_at_it_says_how_many_there_are_at_least(monkeypatch, query, least):
    monkeypatch.setattr(counts, "COUNTED", 5)  # the newest six are looked at: one more
    assert counted(query) == Count(least, is_exact=False)


def test_what_a_finder_has_is_exact_however_few_are_looked_at(monkeypatch):
    monkeypatch.setattr(counts, "COUNTED", 5)
    assert counted("tags_any=web&status=pending") == Count(2, is_exact=True)


def test_where_no_finder_has_all_the_newest_are_looked_at(monkeypatch):
    monkeypatch.setattr(counts, "COUNTED", 5)
    monkeypatch.setattr(finding, "_FEW_BLOCKS", -1)
    assert counted("tags_any=web") == Count(2, is_exact=False)


def test_as_many_as_are_looked_at_are_all():
    Anomaly.objects.filter(timestamp__lt=NOON - timedelta(hours=4)).delete()
    assert counted("") == Count(5, is_exact=True)


def test_of_a_list_with_more_rows_than_are_counted_fewer_are_fetched(monkeypatch):
    monkeypatch.setattr(counts, "COUNTED", 8)
    monkeypatch.setattr(counts, "FETCHED", 3)
    assert counted("q=-nowhere") == Count(4, is_exact=False)
    assert counted("significant=true") == Count(8, is_exact=False)  # the index answers it


def test_of_a_list_that_no_finder_collects_the_newest_are_looked_at(monkeypatch):
    monkeypatch.setattr(counts, "COUNTED", 5)
    read = counts.counting(listing_of(AnomalyFilter(QueryDict("tags_any=web"))), is_frequent=True)
    assert [name for name, _ in read.queries] == ["newest", "further", "counted"]
