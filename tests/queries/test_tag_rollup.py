"""The roll-up of tags: how many have a tag is right whatever is written, and read without the table."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from anomalies.models import Anomaly, TagDelta, TagTotal
from anomalies.queries import hourly_rollup, tag_rollup
from anomalies.queries.bounded.filter_listing import counted_of
from anomalies.queries.filters import AnomalyFilter
from tests.support.databases import run
from tests.support.factories import anomaly_values, make_anomaly, other_program

pytestmark = pytest.mark.django_db

LIST = "/admin/anomalies/anomaly/"


@pytest.fixture(autouse=True)
def as_another_program(db):
    with other_program():
        yield


def seen(tag: str) -> dict[tuple[str, str], int]:
    """The number of anomalies with a tag by status and stream in the roll-up."""
    return {(status, stream): n for status, stream, n in run(*tagged_sql(tag))}


def tagged_sql(tag: str) -> tuple[str, str]:
    statement, [value] = tag_rollup.Tagged(tag).counts_as_sql()
    return statement, value


def some(count: int, **over) -> None:
    Anomaly.objects.bulk_create(Anomaly(**anomaly_values(**over)) for _ in range(count))


# --- what is kept -----------------------------------------------------------------------------------------


def test_an_insert_is_counted_at_once_for_each_of_its_tags():
    make_anomaly(tags=["db", "lock"])
    assert seen("db") == seen("lock") == {("pending", "logs"): 1}


def test_a_tag_that_a_row_names_twice_counts_once():
    make_anomaly(tags=["db", "db"])
    assert seen("db") == {("pending", "logs"): 1}


@pytest.mark.parametrize("tags", [[], None, ["x" * 201]])
def test_a_row_without_a_tag_or_with_one_that_is_too_long_appends_nothing(tags):
    make_anomaly(tags=tags)
    assert not TagDelta.objects.exists()


def test_what_has_no_tag_in_a_place_of_its_array_counts_by_the_others():
    make_anomaly(tags=["db"])
    run("UPDATE anomalies SET tags = ARRAY['db', NULL]")
    assert seen("db") == {("pending", "logs"): 1}


def test_an_insert_of_many_rows_appends_one_delta_for_each_group():
    some(50, tags=["db", "lock"])
    assert TagDelta.objects.count() == 2


def test_a_decision_moves_a_row_from_one_status_to_the_other():
    some(3, tags=["db"])
    Anomaly.objects.filter(pk=Anomaly.objects.first().pk).update(status="dismissed")
    assert seen("db") == {("pending", "logs"): 2, ("dismissed", "logs"): 1}


def test_another_tag_moves_a_row_from_one_tag_to_the_other():
    make_anomaly(tags=["db", "old"])
    Anomaly.objects.update(tags=["db", "new"])
    one = {("pending", "logs"): 1}
    assert (seen("old"), seen("new"), seen("db")) == ({}, one, one)


def test_a_write_that_changes_no_figure_appends_nothing():
    make_anomaly(tags=["db"])
    hourly_rollup.fold()
    Anomaly.objects.update(notes="looked at")
    assert not TagDelta.objects.exists()


def test_a_deletion_is_taken_off():
    make_anomaly(tags=["db"])
    hourly_rollup.fold()
    Anomaly.objects.all().delete()
    assert seen("db") == {}


@pytest.mark.parametrize("tables", ["anomalies", "anomalies, anomaly_tag_totals, anomaly_tag_deltas"])
def test_a_truncation_empties_it(tables):
    make_anomaly(tags=["db"])
    hourly_rollup.fold()
    make_anomaly(tags=["db"])
    run(f"TRUNCATE {tables}")
    assert not TagTotal.objects.exists()
    assert not TagDelta.objects.exists()


def test_folding_changes_no_figure():
    some(3, tags=["db"])
    hourly_rollup.fold()
    some(2, tags=["db"])
    before = seen("db")
    assert (hourly_rollup.fold(), seen("db")) == (
        3,
        before,
    )  # a delta of the hour, one of the tag, one of the pattern


# --- checked, and mended ----------------------------------------------------------------------------------


@pytest.fixture
def amiss() -> None:
    some(2, tags=["db"])
    run("UPDATE anomaly_tag_deltas SET total = 5")
    run("INSERT INTO anomaly_tag_totals VALUES ('gone', 'llm', 'pending', 1)")


def test_the_check_names_each_figure_that_is_wrong(amiss):
    out = io.StringIO()
    with pytest.raises(CommandError, match="2 differences"):
        call_command("rollup", "check", stdout=out)
    assert out.getvalue().splitlines() == [
        "tag 'db', logs pending: 3 too many in the roll-up",
        "tag 'gone', llm pending: 1 too many in the roll-up",
    ]


def test_rebuilding_mends_what_is_wrong(amiss):
    assert (hourly_rollup.rebuild(), hourly_rollup.differences()) == (2, [])
    assert (seen("db"), seen("gone")) == ({("pending", "logs"): 2}, {})


def test_as_long_as_old_rows_are_not_counted_the_check_says_so():
    run("INSERT INTO anomaly_tag_deltas (stream_type, status, total) VALUES ('', '', 0)")
    assert hourly_rollup.differences() == ["tags of rows from before their roll-up are not counted yet"]


# --- which filters it answers -----------------------------------------------------------------------------


def asked(**filters: object) -> object:
    return counted_of(AnomalyFilter(filters, queryset=Anomaly.objects.all()))


@pytest.mark.parametrize(
    ("filters", "known"),
    [
        ({"tags_any": "db"}, tag_rollup.Tagged("db")),
        ({"tags_all": " db , db,"}, tag_rollup.Tagged("db")),
        ({"tags_any": "db", "status": ["pending"]}, tag_rollup.Tagged("db", ["pending"])),
        ({"tags_any": "db", "stream": ["llm"]}, tag_rollup.Tagged("db", (), ["llm"])),
        ({"tags_any": "db,lock"}, None),
        ({"tags_any": "db", "tags_all": "lock"}, None),
        ({"tags_any": "db", "within": "24h"}, None),
        ({"tags_any": ","}, None),
        ({"tags_any": "x" * 201}, None),
    ],
)
def test_it_answers_one_tag_with_status_and_stream(filters, known):
    assert asked(**filters) == known


# --- the list ---------------------------------------------------------------------------------------------


@pytest.fixture
def desk(client, viewer) -> Client:
    some(3, tags=["db"])
    some(2, tags=["db", "lock"], status="investigating", stream_type="metrics")
    some(1, tags=["lock"])
    client.force_login(viewer)
    return client


def shown(desk: Client, query: str) -> tuple[int, Counter]:
    changes = desk.get(LIST + query).context["cl"]
    return changes.result_count, changes.figures.facets


def test_a_list_by_a_tag_counts_from_the_roll_up(desk):
    with CaptureQueriesContext(connection) as queries:
        found = shown(desk, "?tags_any=db")
    assert found == (5, Counter({("pending", "logs"): 3, ("investigating", "metrics"): 2}))
    [count] = [each["sql"] for each in queries if "anomaly_tags_now" in each["sql"]]
    assert """FROM "public"."anomaly_tags_now" WHERE tag::text = 'db'""" in count


@pytest.mark.parametrize(
    ("query", "count"), [("&status=pending", 3), ("&stream=metrics", 2), ("&stream=llm", 0)]
)
def test_its_facets_tell_of_what_is_not_chosen_too(desk, query, count):
    total, facets = shown(desk, f"?tags_any=db{query}")
    assert (total, facets.total()) == (count, 5)


def test_as_long_as_old_rows_are_not_counted_the_list_counts_them(desk):
    run("DELETE FROM anomaly_tag_deltas")
    run("INSERT INTO anomaly_tag_deltas (stream_type, status, total) VALUES ('', '', 0)")
    assert shown(desk, "?tags_any=db&status=pending") == (3, None)
