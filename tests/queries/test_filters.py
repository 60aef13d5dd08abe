"""The one vocabulary for narrowing a list."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.http import QueryDict
from django.utils import timezone

from anomalies.queries.filters import AnomalyFilter, in_words
from scripts.filter_table import PAGE, written
from tests.support.factories import NOON, make_anomaly

pytestmark = pytest.mark.django_db


def found(query: str) -> list:
    return [anomaly.pk for anomaly in AnomalyFilter(QueryDict(query), me="ana").qs]


def test_no_parameter_finds_everything():
    anomaly = make_anomaly()
    assert found("") == [anomaly.pk]


@pytest.mark.parametrize(
    ("query", "wanted", "other"),
    [
        ("status=pending", {}, {"status": "dismissed"}),
        ("stream=traces", {"stream_type": "traces"}, {}),
        ("significant=true", {}, {"is_statistically_significant": False}),
        ("significant=false", {"is_statistically_significant": False}, {}),
        ("review=true", {"metadata": {"host": "db1", "review": True}}, {}),
        ("review=false", {"metadata": None}, {"metadata": {"host": "db1", "review": True}}),
        ("ncd_min=0.8", {"ncd_score": 0.8}, {"ncd_score": 0.79}),
        ("ncd_max=0.8", {"ncd_score": 0.8}, {"ncd_score": 0.81}),
        ("p_min=0.2", {"p_value": 0.2}, {}),
        ("p_max=0.01", {"p_value": 0.01}, {"p_value": 0.02}),
        ("since=2026-11-23T12:00:00Z", {}, {"timestamp": NOON - timedelta(seconds=1)}),
        ("until=2026-11-23T12:00:00Z", {"timestamp": NOON - timedelta(seconds=1)}, {}),
        ("tags_any=web,db", {}, {"tags": ["mail"]}),
        ("tags_all=web,db", {"tags": ["db", "x", "web"]}, {"tags": ["db"]}),
        ("tags_none=mail,web", {"tags": ["db"]}, {"tags": ["db", "web"]}),
        ("tags_none=mail", {"tags": None}, {"tags": ["mail"]}),
        ("host=db1", {}, {"metadata": {"host": "db2"}}),
        ("service=web", {"metadata": {"service": "web"}}, {"metadata": {"host": "web"}}),
        ("config=7", {"metadata": {"config_id": 7}}, {"metadata": {"config_id": 8}}),
        (
            "dismissal_reason=duplicate",
            {"status": "dismissed", "dismissal_reason": "duplicate"},
            {"status": "dismissed"},
        ),
        ("q=status:pending host:db1 deadlock", {}, {"status": "dismissed"}),
        ("q=p<0.05", {"p_value": 0.04}, {"p_value": 0.05}),
        ('metadata={"host": "db1"}', {}, {"metadata": {"host": "db2"}}),
        ('metadata={"a": {"b": [1]}}', {"metadata": {"a": {"b": [2, 1], "c": 3}}}, {}),
        ("metadata=host=db1, rack=7", {"metadata": {"host": "db1", "rack": "7"}}, {}),
        ("q=deadlock", {}, {"glass_box_explanation": "all is well"}),
        ('q="new: deadlock"', {}, {"glass_box_explanation": "deadlock, new"}),
        ("q=deadlock -web", {}, {"notes": "on the web server"}),
        ("assigned=me", {"assigned_to": "ana"}, {"assigned_to": "bob"}),
        ("team=payments", {"assigned_to": "#payments"}, {"assigned_to": "payments"}),
        ("assigned=nobody", {}, {"assigned_to": "bob"}),
        ("assigned=bob", {"assigned_to": "bob"}, {"assigned_to": "ana"}),
        ("assigned=me", {"assigned_to": "ana"}, {"assigned_to": "me"}),
        ("snoozed=yes", {"snoozed_at": NOON}, {}),
        ("snoozed=no", {}, {"snoozed_at": NOON}),
        ("q=harmless", {"notes": "harmless, says Bo"}, {}),
    ],
)
def test_a_filter_finds_what_it_names_and_nothing_else(query, wanted, other):
    expected = make_anomaly(**wanted)
    make_anomaly(**other)
    assert found(query.replace("+", "%2B")) == [expected.pk]


def test_within_counts_back_from_now():
    recent = make_anomaly(timestamp=timezone.now() - timedelta(hours=23))
    make_anomaly(timestamp=timezone.now() - timedelta(hours=25))
    assert found("within=24h") == [recent.pk]


def test_several_values_of_a_filter_are_joined_by_or():
    first, second = make_anomaly(status="pending"), make_anomaly(status="dismissed")
    make_anomaly(status="investigating")
    assert set(found("status=pending&status=dismissed")) == {first.pk, second.pk}


def test_several_filters_are_joined_by_and():
    make_anomaly(status="pending", stream_type="llm")
    both = make_anomaly(status="dismissed", stream_type="llm")
    assert found("status=dismissed&stream=llm") == [both.pk]


@pytest.mark.parametrize(
    "query",
    [
        "status=gone",
        "stream=smoke",
        "within=forever",
        "ncd_min=2",
        "ncd_min=nan",
        "p_max=abc",
        "p_max=1e400",
        "since=yesterday",
        "since=0000-00-00",
        "metadata=[1]",
        'metadata={"a"',
        'metadata={"a": NaN}',
        'metadata={"a": 1e999}',
        'metadata={"a": "\\u0000"}',
        'metadata={"a": "\\ud800"}',
        "metadata=" + '{"a":' * 5000,
        "metadata=nothing",
        "q=a%00b",
        "q=" + "a" * 1001,
        "tags_any=a%00b",
        "host=a%00b",
        "config=x",
        "config=-1",
        "config=99999999999999999999",
        "dismissal_reason=gone",
    ],
)
def test_an_invalid_value_finds_nothing_and_is_named(query):
    make_anomaly()
    narrowed = AnomalyFilter(QueryDict(query))
    assert list(narrowed.qs) == []
    assert list(narrowed.form.errors) == [query.partition("=")[0]]


@pytest.mark.parametrize(
    "words",
    [
        "'",
        '"',
        "&",
        "!",
        "a & | b",
        "\\",
        "-",
        "<b>",
        "%",
        "x" * 1000,
        "🂡",
        "a " * 500,
        "-a " * 333,
        "a-" * 500,
        "ab or " * 166,
    ],
)
def test_no_search_ends_in_an_error(words):
    data = QueryDict(mutable=True)
    data["q"] = words
    assert AnomalyFilter(data).qs.count() == 0


def test_a_megabyte_of_explanation_is_searched_at_its_beginning():
    anomaly = make_anomaly(glass_box_explanation="deadlock " + "".join(f"w{n} " for n in range(150_000)))
    assert found("q=deadlock") == [anomaly.pk]


# --- in words -------------------------------------------------------------------------------------------

WORDS = {
    "": "all anomalies",
    "status=pending&stream=logs&within=24h&ncd_min=0.8&tags_any=db": (
        "pending logs of the last 24 h with NCD ≥ 0.8, tagged db"
    ),
    "status=pending&status=investigating&significant=true": (
        "significant, pending or investigating anomalies"
    ),
    "stream=logs&stream=llm": "logs or LLM",
    "since=2026-11-23T12:00:00": "anomalies from 2026-11-23 12:00 UTC",
    "p_max=0.01&tags_all=db,web&metadata=host=db1&q=lost client": (
        "anomalies with p ≤ 0.01, tagged db and web, with host=db1, that say “lost client”"
    ),
    "ncd_min=x": "nothing: invalid filter values",
}


@pytest.mark.parametrize(("query", "words"), WORDS.items())
def test_a_filter_is_said_in_words(query, words):
    assert in_words(AnomalyFilter(QueryDict(query))) == words


def test_every_filter_has_words():
    assert [name for name, each in AnomalyFilter.base_filters.items() if not hasattr(each, "meaning")] == []


def test_the_table_in_the_docs_is_that_of_the_declared_filters():
    assert PAGE.read_text() == written(PAGE.read_text())
