"""The most frequent values among the newest anomalies of a list."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.db import connection
from django.http import QueryDict

from anomalies.queries.bounded import value_counts
from anomalies.queries.bounded.filter_listing import listing_of
from anomalies.queries.bounded.value_counts import ValueCounts, counting_values, counts_of
from anomalies.queries.filters import AnomalyFilter
from tests.support.factories import NOON, make_anomaly

pytestmark = pytest.mark.django_db


def counted(query: str = "") -> ValueCounts:
    statement = counting_values(listing_of(AnomalyFilter(QueryDict(query))))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {statement.text}", statement.values)
        return counts_of(*cursor.fetchone())


def test_values_are_counted_the_most_frequent_first():
    for n in range(3):
        make_anomaly(
            metadata={"host": f"db{n % 2}", "service": "pay", "config_id": 7}, tags=["a", f"b{n}", "a"]
        )
    make_anomaly(metadata=None, tags=None, status="dismissed", dismissal_reason="duplicate")
    found = counted()
    assert found.values["host"] == (("db0", 2), ("db1", 1))
    assert found.values["service"] == (("pay", 3),)
    assert found.values["config"] == (("7", 3),)
    assert found.values["tags_all"] == (("a", 3), ("b0", 1), ("b1", 1), ("b2", 1))
    assert found.values["dismissal_reason"] == (("duplicate", 1),)
    assert found.values["source"] == (("pay", 3),)
    assert not found.is_part


@pytest.mark.parametrize("query", ["status=pending", "q=deadlock", "host=db1", "stream=logs&tags_any=a"])
def test_only_what_the_list_shows_is_counted(query):
    make_anomaly(metadata={"host": "db1"}, tags=["a"])
    make_anomaly(
        metadata={"host": "db2"}, status="dismissed", stream_type="llm", glass_box_explanation="x", tags=[]
    )
    assert counted(query).values["host"] == (("db1", 1),)


def test_only_the_newest_are_counted_and_the_counts_are_then_lower_bounds():
    for n in range(4):
        make_anomaly(timestamp=NOON - timedelta(hours=n), metadata={"host": f"db{n}"})
    with patch.object(value_counts, "NEWEST", 2):
        found = counted()
    assert len(found.values["host"]) == 2
    assert found.is_part


@pytest.mark.parametrize(
    "values",
    [
        {"metadata": {"host": 5, "service": ["x"], "config_id": "7"}},
        {"metadata": ["host"]},
        {"metadata": {"host": " db1"}},
        {"metadata": {"host": "x" * 101}},
        {"metadata": {"host": ""}},
        {"metadata": {"config_id": -1, "x": "y" * 3_000}},
        {"metadata": {"config_id": 1.5}},
        {"tags": ["a,b", " c", "x" * 101]},
    ],
)
def test_a_value_that_its_filter_can_not_find_is_not_counted(values):
    make_anomaly(**{"metadata": None, "tags": None, **values})
    assert {name: found for name, found in counted().values.items() if name != "source"} == {}


def test_every_value_that_is_counted_finds_its_anomalies():
    make_anomaly(metadata={"host": 'a"b', "service": "ä%", "config_id": 3}, tags=["it's", "db"])
    for name, values in counted().values.items():
        for value, count in values:
            data = QueryDict(mutable=True)
            data[name] = value
            assert AnomalyFilter(data).qs.count() == count, (name, value)
