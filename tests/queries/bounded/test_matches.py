"""All rows of a list, and the first ones of its order, for exports and decisions."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.http import QueryDict

from anomalies.models import Anomaly
from anomalies.queries.bounded import finding, matches
from anomalies.queries.bounded.filter_listing import listing_of
from anomalies.queries.bounded.listing import Listing
from anomalies.queries.bounded.matches import every, first
from anomalies.queries.filters import AnomalyFilter
from tests.support.factories import NOON, anomaly_values

pytestmark = pytest.mark.django_db

NEWEST = ("-timestamp", "-id")


@pytest.fixture(autouse=True)
def rows() -> None:
    """Twelve, an hour apart; every third is dismissed, every fourth has a tag."""
    Anomaly.objects.bulk_create(
        Anomaly(
            **anomaly_values(
                timestamp=NOON - timedelta(hours=n),
                status="pending" if n % 3 else "dismissed",
                tags=["web"] if n % 4 == 0 else [],
                ncd_score=n / 20,
            )
        )
        for n in range(12)
    )


def listed(query: str) -> Listing:
    return listing_of(AnomalyFilter(QueryDict(query)))


def truth(query: str) -> set[Anomaly]:
    return set(AnomalyFilter(QueryDict(query)).qs)


@pytest.mark.parametrize("is_collected", [True, False])
@pytest.mark.parametrize(
    "query",
    ["", "status=pending", "tags_any=web&status=pending", "q=nowhere", "ncd_min=0.2", "status=nonsense"],
)
def test_every_row_is_there_once(monkeypatch, query, is_collected):
    monkeypatch.setattr(finding, "_FEW_BLOCKS", 2 if is_collected else -1)
    found = list(every(listed(query)))
    assert (set(found), len(found)) == (truth(query), len(truth(query)))


def test_a_row_that_no_longer_matches_when_they_are_read_is_left_out():
    rows = every(listed("tags_any=web"))
    Anomaly.objects.filter(timestamp=NOON).update(tags=[])
    assert len(rows) == 2


@pytest.mark.parametrize("query", ["", "status=pending", "q=-nowhere", "tags_any=web", "ncd_max=0.3"])
@pytest.mark.parametrize("order", [NEWEST, ("-ncd_score", "-id"), ("status", "-timestamp", "-id")])
def test_the_first_of_an_order_are_those_that_a_list_begins_with(query, order):
    found = first(listed(query), order, 3)
    assert (list(found.rows[:3]), found.is_part) == (list(listed(query).rows.order_by(*order)[:3]), False)


def test_a_search_that_stops_before_the_end_says_that_it_is_a_part(monkeypatch):
    monkeypatch.setattr(matches, "LOOKED_AT", 5)
    monkeypatch.setattr(finding, "_FEW_BLOCKS", -1)
    found = first(listed("q=-nowhere&ncd_min=0.1"), NEWEST, 12)
    assert ([each.ncd_score for each in found.rows], found.is_part) == ([0.1, 0.15, 0.2], True)


def test_what_a_finder_has_is_whole_however_few_are_looked_at(monkeypatch):
    monkeypatch.setattr(matches, "LOOKED_AT", 5)
    found = first(listed("tags_any=web"), NEWEST, 12)
    assert (len(found.rows), found.is_part) == (3, False)
