"""Patterns by the HTTP API: lists by cursor and filter, one pattern, and its anomalies."""

from __future__ import annotations

from uuid import uuid4

import pytest

from anomalies.models import Anomaly
from tests.api.programs import Program, program
from tests.support.factories import make_anomaly

pytestmark = pytest.mark.django_db
LIST = "/api/v1/patterns"


@pytest.fixture
def reader(db) -> Program:
    return program("viewer", "read")


def templates(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["template"] for row in answer.json()["patterns"]]


def make(text: str, count: int, **over: object) -> None:
    for _ in range(count):
        make_anomaly(glass_box_explanation=text, baseline_data=None, window_data=None, **over)


@pytest.fixture
def three(db) -> None:
    make("disk is full", 3, metadata={"service": "db"})
    make("no route", 2, stream_type="metrics")
    make("panic", 1, status="dismissed", dismissed_by="bob")


def test_patterns_are_listed_with_their_counts_most_pending_first(reader, three):
    rows = reader.get(LIST).json()["patterns"]
    assert [(row["pending"], row["dismissed"]) for row in rows] == [(3, 0), (2, 0), (0, 1)]
    assert reader.get(f"{LIST}/{rows[0]['key']}").json() == rows[0]
    found = reader.get("/api/v1/anomalies", {"pattern": rows[0]["key"]}).json()["anomalies"]
    assert len(found) == 3


@pytest.mark.parametrize("order", ["-pending", "-last_seen", "key"])
def test_pages_by_cursor_are_the_list_in_any_order(reader, three, order):
    whole, pages, cursor = templates(reader.get(LIST, {"order": order})), [], ""
    while cursor is not None:
        page = reader.get(LIST, {"order": order, "limit": 1, "cursor": cursor})
        pages += templates(page)
        cursor = page.json()["next_cursor"]
    assert pages == whole and len(whole) == 3


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"stream": "metrics"}, 1),
        ({"source": "db"}, 1),
        ({"text": "ROUTE"}, 1),
        ({"text": "%"}, 0),
        ({"text": "\0"}, 0),
        ({"open": "true"}, 2),
        ({"open": "false"}, 1),
    ],
)
def test_each_filter_selects(reader, three, query, count):
    assert len(templates(reader.get(LIST, query))) == count


def test_a_pattern_without_anomalies_is_left_out(reader, three):
    reader.get(LIST)
    Anomaly.objects.filter(status="dismissed").delete()
    assert len(templates(reader.get(LIST))) == 2


@pytest.mark.parametrize(
    "query",
    [{"cursor": "x"}, {"cursor": "AAAA"}, {"limit": 0}, {"state": "x"}, {"order": "x"}, {"stream": "x"}],
)
def test_what_is_wrong_is_400(reader, query):
    answer = reader.get(LIST, query)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


def test_a_key_that_no_pattern_has_is_404(reader):
    assert reader.get(f"{LIST}/{uuid4()}").status_code == 404


@pytest.mark.parametrize("patterns", [2, 20])
def test_a_list_takes_as_many_queries_for_any_number_of_patterns(
    reader, patterns, django_assert_max_num_queries
):
    for number in range(patterns):
        make("abc"[number % 3] * (number + 1), 1)
    reader.get(LIST)
    with django_assert_max_num_queries(7):  # the token, the page, and the folding in its savepoint
        reader.get(LIST)
