"""Pages: all rows of a list, once and in order, whatever the bounds on what one page looks at."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.db.models import Count
from django.http import QueryDict

from anomalies.models import Anomaly
from anomalies.queries import keyset
from anomalies.queries.bounded import finding, pages
from anomalies.queries.bounded.filter_listing import listing_of
from anomalies.queries.bounded.pages import Page, page_after, page_before
from anomalies.queries.filters import AnomalyFilter
from tests.support.factories import NOON, anomaly_values
from tests.support.sizes import variants

pytestmark = pytest.mark.django_db

ORDERS = [
    ("-timestamp", "-id"),
    ("timestamp", "id"),
    ("status", "-timestamp", "-id"),
    ("-status", "timestamp", "id"),
    ("stream_type", "-timestamp", "-id"),
    ("-stream_type", "timestamp", "id"),
    ("-ncd_score", "-id"),
    ("ncd_score", "id"),
    ("p_value", "id"),
    ("-p_value", "-id"),
]
FILTERS = [
    "",
    "status=pending",
    "status=pending&status=dismissed&stream=logs",
    "stream=llm&stream=traces",
    "significant=false",
    "since=2026-11-23T08:00:00Z&until=2026-11-23T11:00:00Z",
    "status=dismissed&significant=true&since=2026-11-23T08:00:00Z",
    "ncd_min=0.3&ncd_max=0.7",
    "p_max=0.02&stream=logs",
    "q=deadlock",
    "q=-deadlock&status=pending",
    'q="lost client"&significant=true',
    "tags_any=web,db&tags_all=eu",
    "metadata=host=db1&review=true",
    "assigned=ana&ncd_min=0.2",
    "snoozed=yes",
    "snoozed=no&assigned=nobody&q=client",
]


@pytest.fixture
def rows() -> None:
    """Sixty of all kinds; three share each moment, and many a score."""
    texts = ["lost client again", "client lost: deadlock", "deadlock of two"]
    Anomaly.objects.bulk_create(
        Anomaly(
            **anomaly_values(
                timestamp=NOON - timedelta(minutes=7 * (n // 3)),
                stream_type=["logs", "logs", "metrics", "traces", "llm"][n % 5],
                status=["pending", "pending", "dismissed", "investigating"][n * 7 % 4],
                ncd_score=n * 11 % 10 / 10,
                p_value=n % 4 / 100,
                is_statistically_significant=n % 3 > 0,
                glass_box_explanation=texts[n % 3],
                tags=[["web", "eu"], ["db"], ["db", "eu"], []][n % 4],
                metadata={"host": f"db{n % 3}", "review": n % 2 == 0},
                assigned_to=[None, "ana", "bo"][n % 3],
                snoozed_at=NOON if n % 6 == 0 else None,
            )
        )
        for n in range(60)
    )


def narrow(monkeypatch: pytest.MonkeyPatch, looked_at: int) -> None:
    """Bounds of so few entries that a page of five stops short nearly always; nothing is collected."""
    monkeypatch.setattr(pages, "LOOKED_AT", looked_at)
    monkeypatch.setattr(pages, "LOOKED_AT_APART", looked_at)
    monkeypatch.setattr(finding, "_FEW_BLOCKS", -1)


@pytest.fixture(params=["wide", "narrow"])
def bounds(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bounds as they are, and narrow ones."""
    if request.param == "narrow":
        narrow(monkeypatch, 7)


def read(query: str, order: tuple[str, ...], step: Callable[..., Page], way: str) -> tuple[list[Any], int]:
    """The ids from page to page, and how many pages stopped before they were full."""
    listing = listing_of(AnomalyFilter(QueryDict(query), me="ana"))
    place, found, stopped = "", [], 0
    for _ in range(200):
        page = step(listing, order, place, 5, Anomaly.objects.only("timestamp", "status", "stream_type"))
        found += page.rows if way == "next" else page.rows[::-1]
        stopped += page.edge is not None
        if not getattr(page, f"has_{way}"):
            return found, stopped
        last = page.edge or (page.rows[-1] if way == "next" else page.rows[0])
        place = keyset.cursor_of(last, order)
    raise AssertionError("there is no end")


@pytest.mark.parametrize(("query", "order"), variants(product(FILTERS, ORDERS)))
def test_from_page_to_page_each_row_comes_once_and_in_order(rows, bounds, query, order):
    expected = list(AnomalyFilter(QueryDict(query), me="ana").qs.order_by(*order))
    assert read(query, order, page_after, "next")[0] == expected
    assert read(query, order, page_before, "previous")[0] == expected[::-1]


def test_narrow_bounds_stop_a_page_short(rows, monkeypatch):
    narrow(monkeypatch, 7)
    found, stopped = read("q=-client", ORDERS[0], page_after, "next")
    assert (len(found), stopped > 5) == (20, True)


def test_a_page_that_stops_says_at_which_row(rows, monkeypatch):
    narrow(monkeypatch, 10)
    listing = listing_of(AnomalyFilter(QueryDict("q=-client -deadlock")))
    page = page_after(listing, ("-timestamp", "-id"), "", 5, Anomaly.objects.all())
    tenth = Anomaly.objects.order_by("-timestamp", "-id")[9]
    assert (page.rows, page.edge, page.has_next) == ([], tenth, True)


def test_the_end_of_the_list_is_no_stop(rows, monkeypatch):
    narrow(monkeypatch, 61)
    listing = listing_of(AnomalyFilter(QueryDict("q=-client -deadlock")))
    assert page_after(listing, ("-timestamp", "-id"), "", 5, Anomaly.objects.all()) == Page(
        [], is_walked=True, pairs="[]"
    )


@pytest.mark.parametrize("query", ["", "status=pending", "q=deadlock", "tags_any=eu&status=pending"])
def test_a_page_by_its_number_skips_as_many_rows(rows, bounds, query):
    listing = listing_of(AnomalyFilter(QueryDict(query)))
    found = page_after(listing, ("-timestamp", "-id"), "", 5, Anomaly.objects.all(), skipped=4)
    expected = list(AnomalyFilter(QueryDict(query)).qs.order_by("-timestamp", "-id")[4:9])
    assert found.rows == expected[: len(found.rows)]
    assert found.edge is not None or len(found.rows) == len(expected)


def test_a_search_that_nothing_can_meet_asks_nothing(rows, django_assert_num_queries):
    listing = listing_of(AnomalyFilter(QueryDict("status=nonsense")))
    with django_assert_num_queries(0):
        assert page_after(listing, ("-timestamp", "-id"), "", 5, Anomaly.objects.all()) == Page([])


@pytest.mark.parametrize(
    ("query", "is_walked"), [("q=-client", True), ("q=deadlock", False), ("q=nowhere", False), ("", False)]
)
def test_a_page_says_if_no_finder_collected_its_rows(rows, monkeypatch, query, is_walked):
    # In how many blocks sixty rows lie depends on what was in the table before.
    monkeypatch.setattr(finding, "_FEW_BLOCKS", finding._BLOCKS)
    listing = listing_of(AnomalyFilter(QueryDict(query)))
    page = page_after(listing, ("-timestamp", "-id"), "", 5, Anomaly.objects.all())
    assert page.is_walked == is_walked


@pytest.mark.parametrize(
    ("query", "has_counts"), [("q=deadlock", True), ("q=nowhere", True), ("q=-client", False), ("", False)]
)
def test_a_page_whose_rows_a_finder_collected_counts_all_of_them(rows, monkeypatch, query, has_counts):
    monkeypatch.setattr(finding, "_FEW_BLOCKS", finding._BLOCKS)
    filterset, order = AnomalyFilter(QueryDict(query)), ("-timestamp", "-id")
    for read in (page_after, page_before):
        page = read(listing_of(filterset), order, "", 5, Anomaly.objects.all())
        counts = filterset.qs.values_list("status", "stream_type").annotate(n=Count("id")).order_by()
        expected = sorted(map(list, counts)) if has_counts else None
        assert (page.pairs and sorted(json.loads(page.pairs))) == expected


@pytest.mark.parametrize(("looked_at", "is_least"), [(10, True), (61, False)])
def test_a_walk_that_no_full_page_stopped_counts_what_it_came_upon(rows, monkeypatch, looked_at, is_least):
    narrow(monkeypatch, looked_at)
    listing, order = listing_of(AnomalyFilter(QueryDict("q=-client"))), ("-timestamp", "-id")
    page = page_after(listing, order, "", 30, Anomaly.objects.all())
    newest = Anomaly.objects.order_by(*order)[:looked_at]
    expected = Counter(
        (each.status, each.stream_type) for each in newest if "client" not in each.glass_box_explanation
    )
    assert {(status, stream): n for status, stream, n in json.loads(page.pairs or "")} == expected
    assert page.is_least == is_least


def test_a_page_that_stops_at_its_last_row_counts_nothing(rows, monkeypatch):
    narrow(monkeypatch, 61)
    listing = listing_of(AnomalyFilter(QueryDict("q=-client")))
    for size, has_counts in ((19, False), (20, True)):
        page = page_after(listing, ("-timestamp", "-id"), "", size, Anomaly.objects.all())
        assert (page.pairs is not None) == has_counts


def test_a_page_behind_a_place_counts_nothing(rows, monkeypatch):
    monkeypatch.setattr(finding, "_FEW_BLOCKS", finding._BLOCKS)
    listing, order = listing_of(AnomalyFilter(QueryDict("q=deadlock"))), ("-timestamp", "-id")
    first = page_after(listing, order, "", 5, Anomaly.objects.all())
    cursor = keyset.cursor_of(first.rows[-1], order)
    assert page_after(listing, order, cursor, 5, Anomaly.objects.all()).pairs is None


def test_rows_of_one_time_are_looked_at_in_greater_number(rows, monkeypatch):
    narrow(monkeypatch, 61)
    monkeypatch.setattr(pages, "LOOKED_AT_APART", 20)
    unknown = [
        page_after(
            listing_of(AnomalyFilter(QueryDict(query))), ("-timestamp", "-id"), "", 50, Anomaly.objects.all()
        ).edge
        is not None
        for query in ("q=-client", "q=-client&status=pending")
    ]
    assert unknown == [False, True]
