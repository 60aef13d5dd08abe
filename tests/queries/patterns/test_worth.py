"""The order by worth: new, rare and novel first, for review last, bounded, and stable while one decides."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.http import QueryDict

from anomalies.audit import Actor
from anomalies.models import Anomaly
from anomalies.queries.bounded.filter_listing import listing_of
from anomalies.queries.filters import AnomalyFilter
from anomalies.queries.hourly_rollup import fold
from anomalies.queries.patterns import worth
from anomalies.queries.patterns.worth import Candidate, Counts, neighbour
from anomalies.triage.decisions import decide
from tests.support.factories import NOON, make_anomaly

pytestmark = pytest.mark.django_db


def made(words: str, **over: Any) -> Anomaly:
    return make_anomaly(glass_box_explanation=words, **over)


def order(query: str = "status=pending", *, backward: bool = False) -> list[str]:
    """The words of the anomalies of a filter, one after the other."""
    listing = listing_of(AnomalyFilter(QueryDict(query), queryset=Anomaly.objects.all()))
    found: list[str] = []
    place = None
    while (place := neighbour(listing, place, is_backward=backward)) is not None:
        found.append(Anomaly.objects.get(pk=place).glass_box_explanation)
    return found


def test_one_of_its_own_kind_precedes_look_alikes():
    made("alike 1"), made("alike 2"), made("alone", timestamp=NOON - timedelta(days=9))
    assert order()[0] == "alone"
    assert order() == order(backward=True)[::-1] and len(order()) == 3


def test_a_pattern_that_was_decided_before_comes_after_undecided_ones():
    made("known 1", status="dismissed"), made("known 2"), made("new 1"), made("new 2"), made("new 3")
    assert order()[-1] == "known 2"


def test_among_equally_rare_ones_the_novel_one_comes_first_and_among_equals_the_newest():
    made("usual", novelty=0.1), made("novel", novelty=0.9)
    made("unstated"), made("older", timestamp=NOON - timedelta(hours=1))
    assert order() == ["novel", "unstated", "older", "usual"]


def test_what_is_for_review_comes_last():
    made("review", metadata={"review": True}, novelty=1.0), made("alike 1"), made("alike 2", novelty=0.1)
    assert order()[-1] == "review"


def test_a_rare_one_behind_more_than_are_read_by_time_is_found(monkeypatch):
    monkeypatch.setattr(worth, "NEWEST", 2)
    made("old and rare", timestamp=NOON - timedelta(days=30))
    for number in range(5):
        made(f"alike {number}")
    fold()
    assert order()[0] == "old and rare"


def test_only_what_the_filter_selects_is_shown():
    made("a", stream_type="llm"), made("b"), made("c", status="investigating")
    fold()
    assert order("status=pending&stream=llm") == ["a"]
    assert order("status=pending&ncd_min=0.99") == []


def test_after_a_decision_the_next_one_follows_and_look_alikes_move_down():
    first, _, _ = made("alone", novelty=0.9), made("alike 1"), made("alike 2")
    made("other", novelty=0.1)
    before = order()
    decide("dismiss", [first.pk], Actor("ana"), reason="other")
    listing = listing_of(AnomalyFilter(QueryDict("status=pending"), queryset=Anomaly.objects.all()))
    following = neighbour(listing, first.pk)
    assert Anomaly.objects.get(pk=following).glass_box_explanation == before[1]


def test_a_place_that_is_gone_begins_the_queue():
    alone = made("alone")
    listing = listing_of(AnomalyFilter(QueryDict("status=pending"), queryset=Anomaly.objects.all()))
    assert neighbour(listing, uuid4()) == alone.pk


@pytest.mark.parametrize(
    ("novelty", "status", "counts", "expected"),
    [
        (1.0, "pending", Counts(1, 0), 1.0),
        (None, "pending", Counts(1, 0), 0.5),
        (1.0, "pending", Counts(1, 1), 0.25),
        (1.0, "dismissed", Counts(1, 1), 1.0),
        (1.0, "pending", Counts(1_000, 0), 1 / (1 + 6.907755)),
    ],
)
def test_the_worth_is_the_product_of_three_factors(novelty, status, counts, expected):
    each = Candidate(uuid4(), NOON, uuid4(), novelty, status, is_for_review=False)
    assert worth.worth(each, counts) == pytest.approx(expected)
