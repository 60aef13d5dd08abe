"""The words of a search on the desk: the list, its chips and form, the queue, bulk decisions, exports."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, quote

import pytest
from django.test import Client

from anomalies.models import Anomaly
from tests.support.factories import NOON, make_anomaly
from tests.support.forms import LIST, messages_of, send

pytestmark = pytest.mark.django_db

SEARCH = "status:dismissed p<0.05 deadlock"


@pytest.fixture
def desk(admin_client: Client) -> Client:
    return admin_client


@pytest.fixture
def rows() -> tuple[Anomaly, Anomaly]:
    """An anomaly that SEARCH finds, and one that it does not."""
    return make_anomaly(status="dismissed", p_value=0.04), make_anomaly(status="dismissed", p_value=0.05)


def query(search: str, **more: str) -> str:
    return "?" + "&".join(f"{name}={quote(value)}" for name, value in {"q": search, **more}.items())


def listed(desk: Client, search: str, **more: str) -> Any:
    return desk.get(LIST + query(search, **more)).context["cl"]


def test_words_find_and_count_what_the_parameters_do(desk, rows):
    cl = listed(desk, SEARCH)
    assert [row.pk for row in cl.result_list] == [rows[0].pk]
    same = listed(desk, "deadlock", status="dismissed", p_max="0.049")
    assert (cl.count_in_words, cl.figures.facets) == (same.count_in_words, same.figures.facets)


def test_removing_a_chip_removes_its_word(desk, rows):
    links = dict(listed(desk, SEARCH, stream="logs").chips)
    assert parse_qs(links["dismissed"][1:]) == {"q": ["p<0.05 deadlock"], "stream": ["logs"]}
    assert parse_qs(links["that say “deadlock”"][1:]) == {
        "q": ["status:dismissed p<0.05"],
        "stream": ["logs"],
    }
    assert parse_qs(links["logs"][1:]) == {"q": [SEARCH]}


def test_the_form_has_the_words_in_its_fields_and_only_the_text_in_q(desk, rows):
    page = desk.get(LIST + query(SEARCH)).content.decode()
    form = page[page.index('id="changelist-filter"') :]
    assert '<input type="hidden" name="q" value="deadlock">' in form
    assert 'value="dismissed" id="id_status_2" checked' in form
    assert f'value="{SEARCH.replace("<", "&lt;")}" id="searchbar"' in page


def test_an_invalid_word_is_named_and_shows_nothing(desk, rows):
    answer = desk.get(LIST + query("p<abc"))
    assert list(answer.context["cl"].result_list) == []
    assert "p at most: In the search: p<abc. It takes 0 to 1." in messages_of(answer)


def test_a_contradiction_of_words_and_form_is_said(desk, rows):
    answer = desk.get(LIST + query("status:dismissed", status="pending"))
    assert list(answer.context["cl"].result_list) == []
    assert "status:dismissed and pending (set in the filter) contradict each other" in messages_of(answer)


def test_text_that_looks_like_a_word_is_searched_with_a_hint(desk):
    anomaly = make_anomaly(glass_box_explanation="sorce:web is gone")
    answer = desk.get(LIST + query("sorce:web"))
    assert [row.pk for row in answer.context["cl"].result_list] == [anomaly.pk]
    assert "Did you mean source:…?" in messages_of(answer)


def test_a_month_replaces_the_words_about_time(desk, rows):
    cl = listed(desk, "from:2026-11-02 deadlock")
    assert [parse_qs(link[1:])["q"] for _, link in cl.calendar_links] == [["deadlock"]]


def test_the_queue_is_that_of_the_words(desk, rows):
    waiting = make_anomaly(timestamp=NOON, status="pending", p_value=0.01)
    queue = f"{LIST}queue/"
    assert str(rows[0].pk) in desk.get(queue + query(SEARCH)).url
    assert str(waiting.pk) in desk.get(queue + query("deadlock p<0.05")).url


def test_a_decision_about_all_that_match_is_about_the_words_too(desk, rows):
    path = LIST + query(SEARCH)
    fields = {"_selected_action": str(rows[0].pk), "index": "0", "select_across": "1"}
    asked = send(desk, path, action="reopen", **fields)
    send(desk, path, asked, note="")
    assert list(Anomaly.objects.order_by("p_value").values_list("status", flat=True)) == [
        "pending",
        "dismissed",
    ]


def test_an_export_is_that_of_the_words(desk, rows):
    found = b"".join(desk.get(f"{LIST}export/jsonl/{query(SEARCH)}").streaming_content)
    assert str(rows[0].pk).encode() in found and str(rows[1].pk).encode() not in found


def test_a_saved_filter_keeps_its_words(desk, rows):
    desk.post(f"{LIST}filters/", {"action": "save", "name": "mine", "query": query(SEARCH)})
    page = desk.get(f"{LIST}filters/").content.decode()
    assert "dismissed anomalies with p &lt; 0.05, that say “deadlock”" in page


def test_frequent_values_are_links_that_filter_by_them(desk):
    for host in ("db1", "db1", "db2"):
        make_anomaly(metadata={"host": host}, tags=["a", host])
    cl = listed(desk, "host:db1 deadlock", stream="logs", _facets="True")
    found = {field.name: values for field, _, values in cl.filter_fields}
    assert found["host"] == []  # it is set
    ((value, count, link), other) = found["tags_all"]
    assert (value, count, other[:2]) == ("a", "2", ("db1", "2"))
    assert parse_qs(link[1:]) == {
        "q": ["host:db1 deadlock"],
        "stream": ["logs"],
        "tags_all": ["a"],
        "_facets": ["True"],
    }


def test_a_second_tag_is_added_to_the_first(desk):
    make_anomaly(tags=["a", "b"])
    found = {
        field.name: values
        for field, _, values in listed(desk, "", tags_all="a", _facets="True").filter_fields
    }
    assert [parse_qs(link[1:])["tags_all"] for _, _, link in found["tags_all"]] == [["a,b"]]


def test_reasons_have_their_counts(desk):
    make_anomaly(status="dismissed", dismissal_reason="duplicate")
    boxes = {field.name: boxes for field, boxes, _ in listed(desk, "", _facets="True").filter_fields}[
        "dismissal_reason"
    ]
    assert [(box.data["value"], count) for box, count in boxes if count] == [("duplicate", "1")]


def test_frequent_values_are_counted_only_on_request(desk, django_assert_max_num_queries):
    make_anomaly(tags=["a"])
    cl = listed(desk, "")
    assert not any(values for _, _, values in cl.filter_fields)
    with django_assert_max_num_queries(8):
        shown = desk.get(LIST + cl.add_facet_link).context["cl"]
    assert any(values for _, _, values in shown.filter_fields)


def test_presets_of_the_time_replace_what_the_filter_says_of_it(desk):
    cl = listed(desk, "since:2h deadlock", until="2026-11-02T00:00", status="pending")
    links = {words: parse_qs(link[1:]) for words, link, _ in cl.time_links}
    kept = {"q": ["deadlock"], "status": ["pending"]}
    assert links["Last 24 h"] == {**kept, "within": ["24h"]}
    assert links["Any time"] == kept
    assert [is_chosen for _, _, is_chosen in cl.time_links] == [False] * 5


@pytest.mark.parametrize(("search", "chosen"), [("within:7d", "Last 7 days"), ("deadlock", "Any time")])
def test_the_preset_in_the_filter_is_marked(desk, search, chosen):
    assert [words for words, _, is_chosen in listed(desk, search).time_links if is_chosen] == [chosen]
