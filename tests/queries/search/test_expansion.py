"""The words of a search as parameters: the same filters as the form's, for every surface."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs

import pytest
from django.http import QueryDict
from django.utils import timezone
from hypothesis import given

from anomalies.queries.filters import COMPLETIONS, MEANINGS, VOCABULARY, AnomalyFilter, in_words
from anomalies.queries.search.expansion import LONGEST_SEARCH, operators_of
from tests.queries.search.test_grammar import ANY_SEARCH


def searched(search: str, **form: str) -> AnomalyFilter:
    data = QueryDict(mutable=True)
    for name, value in {**form, "q": search}.items():
        data[name] = value
    return AnomalyFilter(data, me="ana")


@pytest.mark.parametrize(
    ("search", "query"),
    [
        ("status:pending", "status=pending"),
        ("status:pending,Dismissed", "status=pending&status=dismissed"),
        ("status:pending status:dismissed", "status=pending&status=dismissed"),
        ("-status:pending -status:dismissed", "status=acknowledged&status=investigating"),
        ("kind:logs", "stream=logs"),
        ("significant:yes", "significant=true"),
        ("review:false", "review=false"),
        ("within:24h", "within=24h"),
        ("from:2026-11-01 to:2026-11-02T12:00", "since=2026-11-01&until=2026-11-02T12:00"),
        ("ncd>=0.4 ncd<=0.9", "ncd_min=0.4&ncd_max=0.9"),
        ("p:0.5", "p_min=0.5&p_max=0.5"),
        ("p<=0.05 p<=0.01", "p_max=0.01"),
        ("tag:db tag:web", "tags_all=db,web"),
        ("tag:db,web", "tags_any=db,web"),
        ("-tag:noise", "tags_none=noise"),
        ("pattern:abc", "pattern=abc"),
        ('source:"my app" host:web1 service:pay config:3', "source=my app&host=web1&service=pay&config=3"),
        ("reason:known_harmless", "dismissal_reason=known_harmless"),
        ("metadata:rack=7", "metadata=rack=7"),
        ("assigned:me", "assigned=me"),
        ("snoozed:no", "snoozed=no"),
        ('deadlock status:pending "lost client" -web', 'q=deadlock "lost client" -web&status=pending'),
    ],
)
def test_a_word_sets_the_parameter_that_the_form_would_set(search, query):
    assert dict(searched(search).data.lists()) == parse_qs(query)


def test_every_filter_is_reached_by_a_word():
    values = {"tag:,": "a,b"}
    for name, meaning in MEANINGS.items():
        for spelling in meaning.words:
            found = searched(f"{spelling.rstrip(',')}{values.get(spelling, '1')}")
            assert name in found.expansion.words, spelling
            assert name not in found.expansion.problems, spelling
    assert [name for name, meaning in MEANINGS.items() if not meaning.words] == ["q"]  # by any text


def test_no_spelling_of_a_word_has_another_one_within_it():
    assert all(key.isalpha() and operator for key, operator in operators_of(VOCABULARY))


@pytest.mark.parametrize(
    ("search", "words"), [("p<0.01", "p < 0.01"), ("ncd>0.4", "NCD > 0.4"), ("p>0", "p > 0")]
)
def test_a_bound_that_is_excluded_is_the_next_number_and_is_said_as_typed(search, words):
    found = searched(search)
    (value,) = (float(found.data[name]) for name in ("p_max", "ncd_min", "p_min") if name in found.data)
    assert value != float(search.strip("pncd<>"))
    assert in_words(found) == f"anomalies with {words}"


def test_a_duration_counts_back_from_now():
    found = searched("since:90m")
    assert found.form.is_valid()
    since = found.form.cleaned_data["since"]
    assert abs(timezone.now() - timedelta(minutes=90) - since) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("search", "form", "query"),
    [
        ("status:pending,dismissed", {"status": "pending"}, "status=pending"),
        ("p<=0.01", {"p_max": "0.05"}, "p_max=0.01"),
        ("since:2026-11-01", {"since": "2026-11-02T00:00"}, "since=2026-11-02T00:00"),
        ("until:2026-11-01", {"until": "2026-11-02T00:00"}, "until=2026-11-01"),
        ("within:7d", {"within": "1h"}, "within=1h"),
        ("tag:db", {"tags_all": "web"}, "tags_all=web,db"),
        ("source:web", {"source": "web"}, "source=web"),
        ("metadata:a=1", {"metadata": "b=2"}, 'metadata={"b": "2", "a": "1"}'),
    ],
)
def test_words_and_form_are_joined_by_and(search, form, query):
    found = searched(search, **form)
    assert dict(found.data.lists()) == parse_qs(query)
    assert found.form.errors == {}


@pytest.mark.parametrize(
    ("search", "form", "field", "said"),
    [
        (
            "status:dismissed",
            {"status": "pending"},
            "status",
            "status:dismissed and pending (set in the filter)",
        ),
        ("source:a source:b", {}, "source", "source:a and source:b contradict each other"),
        ("status:pending -status:pending", {}, "status", "contradict"),
        ("tag:a,b", {"tags_any": "c"}, "tags_any", "contradict"),
        ("metadata:a=1 metadata:a=2", {}, "metadata", "contradict"),
        ("-source:a", {}, "source", "can't exclude"),
        ('tag:""', {}, "tags_all", "has no value"),
        ("status:,", {}, "status", "has no value"),
    ],
)
def test_words_that_no_values_can_mean_are_said_and_find_nothing(search, form, field, said):
    found = searched(search, **form)
    assert said in found.form.errors[field][-1]
    assert found.qs.query.is_empty()


@pytest.mark.parametrize(
    ("search", "field", "value", "choices"),
    [
        ("p<abc", "p_max", "abc", "It takes 0 to 1."),
        ("p<nan", "p_max", "nan", "0 to 1"),
        ("ncd>=7", "ncd_min", "7", "0 to 1"),
        ("status:foo", "status", ["foo"], "pending, acknowledged, dismissed, investigating"),
        ("-reason:foo", "dismissal_reason", "-reason", "can't exclude"),
        ("-status:foo", "status", ["foo"], "pending"),
        ("since:soon", "since", "soon", "date and time"),
        ("since:999999w", "since", "999999w", "date and time"),
        ("config:x", "config", "x", "number"),
        ("p<=0.5 p<=x", "p_max", "x", "0 to 1"),
        ("metadata:rack", "metadata", "rack", "host=db1"),
    ],
)
def test_an_invalid_value_stays_in_its_field_with_the_word_and_the_choices(search, field, value, choices):
    found = searched(search)
    assert list(found.form.errors) == [field]
    assert choices in found.form.errors[field][-1]
    assert search.split()[0] in found.form.errors[field][-1]
    if not value[0].startswith("-"):
        assert found.form[field].value() == value


@pytest.mark.parametrize(
    ("search", "hint"),
    [
        ("sorce:web", "Did you mean source:…?"),
        ("status:", "Did you mean status:…?"),
        ("status=500", "“status=500” was searched as text."),
        ("ncd:", "Did you mean ncd>=… or ncd>… or ncd:…"),
    ],
)
def test_text_that_looks_like_a_word_is_searched_with_a_hint(search, hint):
    found = searched(search)
    assert hint in found.expansion.hints[0]
    assert (found.data["q"], found.form.errors) == (search, {})


@pytest.mark.parametrize("search", ["12:30:05", "http://web:80", "ERROR: disk", '"sorce:web"', "a<b", "x=1"])
def test_other_text_has_no_hint(search):
    assert searched(search).expansion.hints == ()


def test_a_search_that_is_too_long_is_refused_as_a_whole():
    found = searched("status:pending " + "a" * LONGEST_SEARCH)
    assert list(found.form.errors) == ["q"]
    assert "status" not in found.data


def test_a_filter_is_taken_out_of_the_search_by_its_words():
    found = searched('disk status:pending p<0.01 "lost  client" status:dismissed').expansion
    assert found.without("status") == 'disk p<0.01 "lost  client"'
    assert found.without("q", "p_max") == "status:pending status:dismissed"


def test_every_completion_is_a_word_and_a_whole_one_is_valid():
    assert {
        "status:pending",
        "reason:known_harmless",
        "stream:llm",
        "significant:yes",
        "source:",
        "-tag:",
    } <= {*COMPLETIONS}
    for word in COMPLETIONS:
        is_whole = word[-1] not in ":=<>"
        assert bool(searched(word).expansion.words) is is_whole, word
        assert searched(word).form.errors == {}, word


@given(ANY_SEARCH)
def test_any_string_can_be_searched(search):
    found = searched(search)
    assert found.form.is_valid() or found.qs.query.is_empty()
    assert in_words(found)
