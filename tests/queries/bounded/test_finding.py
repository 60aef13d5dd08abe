"""Finders: which one collects a list's rows, as a sample of the table has it, and up to how many."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from anomalies.models import Anomaly
from anomalies.queries.bounded import finding as finding_module
from anomalies.queries.bounded.filter_listing import listing_of
from anomalies.queries.bounded.finding import finding
from anomalies.queries.bounded.sql import condition_of, sql, with_queries
from anomalies.queries.filters import AnomalyFilter
from tests.support.factories import NOON, anomaly_values
from tests.support.plans import empty_table, explain, scans

pytestmark = pytest.mark.django_db

ROWS = 2_000


@pytest.fixture(autouse=True)
def rows() -> None:
    """Two thousand over some hundred blocks; of each kind of value one row in ten and one in five hundred."""
    empty_table()
    Anomaly.objects.bulk_create(
        Anomaly(
            **anomaly_values(
                timestamp=NOON - timedelta(minutes=n),
                stream_type="llm" if n % 500 == 0 else "metrics" if n % 10 == 0 else "logs",
                status="investigating" if n % 500 == 1 else "pending",
                ncd_score=0.99 if n % 500 == 2 else 0.5,
                p_value=0.9 if n % 500 == 3 else 0.01,
                is_statistically_significant=n % 500 != 4,
                glass_box_explanation=f"often {'seldom' * (n % 500 == 5)} {'at times' * (n % 10 == 0)} here",
                tags=["often", *(["seldom"] * (n % 500 == 6))],
                metadata={"host": "seldom" if n % 500 == 7 else "often", "other": "seldom again"},
                assigned_to="ana" if n % 500 == 8 else None,
                snoozed_at=NOON if n % 500 == 9 else None,
            )
        )
        for n in range(ROWS)
    )


def found(query: str, most: int = 5_000) -> int | None:
    """The number of rows of a list by its finder; None without a finder, or above its cap."""
    listing = listing_of(AnomalyFilter(QueryDict(query), me="ana"))
    queries, is_known = finding(listing, condition_of(listing.rows), most)
    if not queries:
        return None
    read = "{queries} SELECT {is_known}, (SELECT count(*) FROM found WHERE fits AND {is_known})"
    statement = sql(read, queries=with_queries(queries), is_known=is_known)
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.values)
        is_complete, count = cursor.fetchone()
    return count if is_complete else None


def all_of(value: int | None, *queries: str) -> bool:
    """Return True if each of these lists is found to have that many rows."""
    others = {query: count for query in queries if (count := found(query)) != value}
    assert not others
    return True


def test_what_is_rare_is_collected_whole():
    assert all_of(
        4,
        *("q=seldom", "tags_any=seldom", "tags_all=often,seldom", "metadata=host=seldom", "stream=llm"),
        *("status=investigating", "significant=false", "ncd_min=0.9", "p_min=0.5", "assigned=ana"),
        *("snoozed=yes", "since=2026-11-23T11:56:30Z"),
    )


def test_what_is_nowhere_is_known_to_be():
    assert all_of(
        0,
        *("q=nowhere", "tags_any=nowhere", "tags_all=seldom,nowhere", "metadata=host=nowhere"),
        *("q=often nowhere", "ncd_min=1", "assigned=bo", "q=often&tags_any=nowhere"),
    )


def test_what_is_frequent_is_not_collected():
    assert all_of(
        None,
        *("q=often", "tags_any=often", "metadata=host=often", "status=pending", "significant=true"),
        *("ncd_max=0.9", "p_max=0.5", "q=often&tags_any=often", "metadata=other=seldom again"),
    )


def test_what_no_index_answers_has_no_finder():
    assert all_of(
        None, "q=-often", "q=-often OR seldom", "q=!!!", "snoozed=no", "assigned=nobody", "review=false", ""
    )


def test_the_rarest_of_several_conditions_is_collected_and_the_others_are_tested():
    assert found("q=often&tags_any=often&status=pending&ncd_min=0.9") == 4
    assert found("q=often&stream=metrics&ncd_min=0.9") == 0


@pytest.mark.parametrize("absent", ["q=nowhere", "tags_any=nowhere", "host=nowhere", "ncd_min=1"])
def test_of_conditions_that_no_sample_shows_that_of_the_fewest_rows_is_collected(absent, monkeypatch):
    """A pattern, a source and an assignee are counted in their index: none is taken for the rarest."""
    monkeypatch.setattr(finding_module, "_BLOCKS", 1)
    hidden = {"timestamp": NOON - timedelta(days=9), "pattern": UUID(int=1), "source": "late"}
    Anomaly.objects.bulk_create(Anomaly(**anomaly_values(**hidden, assigned_to="eve")) for _ in range(300))
    listing = listing_of(AnomalyFilter(QueryDict(f"{absent}&pattern={UUID(int=1)}&source=late&assigned=eve")))
    queries, _ = finding(listing, condition_of(listing.rows))
    counted = sql("{queries} SELECT count(*) FROM found", queries=with_queries(queries))
    with connection.cursor() as cursor:
        cursor.execute(counted.text, counted.values)
        assert cursor.fetchone() == (0,)


def test_a_phrase_of_frequent_words_is_not_collected_though_no_row_has_it():
    assert found('q="here often"') is None


def test_a_phrase_of_a_rare_word_is_collected_and_tested():
    assert (found('q="seldom here"'), found('q="here seldom"')) == (4, 0)


def test_metadata_whose_values_are_frequent_elsewhere_is_not_collected():
    """The index would fetch every row: it does not know which value belongs to which key."""
    Anomaly.objects.update(metadata={"host": "often", "other": {"deep": ["elsewhere"]}})
    assert found("metadata=host=elsewhere") is None


VALUES = [
    'a "quoted" \\ one',
    "é😀",
    "x" * 200,
    -1,
    2.5,
    -1e-7,
    10**40,
    False,
    None,
    ["in a list"],
    {"key": []},
]


def test_each_kind_of_value_in_the_metadata_is_collected_by_its_entry_of_the_index():
    """A value that the index can't look up would have it read as a whole, or the row not be found."""
    keys = Anomaly.objects.values_list("pk", flat=True)[: len(VALUES)]
    for key, value in zip(keys, VALUES, strict=True):
        Anomaly.objects.filter(pk=key).update(metadata={"some": {"where": value}})
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # which so small a table would be read by
    for value in VALUES:
        query = urlencode({"metadata": json.dumps({"some": {"where": value}})})
        with CaptureQueriesContext(connection) as asked:
            assert found(query) == 1, value
        (looked_up,) = [
            each for each in scans(explain(asked[0]["sql"])) if "Bitmap Index" in each["Node Type"]
        ]
        assert looked_up["Actual Rows"] <= 2, value


def test_more_than_the_cap_is_not_taken_for_all(monkeypatch):
    monkeypatch.setattr(finding_module, "_FEW_BLOCKS", 64)  # any sample lets a finder collect
    assert (found("q=seldom", most=4), found("q=seldom", most=3)) == (4, None)


def test_any_words_are_only_words():
    words = ["a" * 900, "'; DROP TABLE anomalies", "\\", "%s {x}", '"', "<2> <-> x", "é:* ! &"]
    assert {found(f"q={each}") for each in words} <= {0, None}
