"""Filters under a name: kept, shared, begun with."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from anomalies.models import SavedFilter, StartPage
from anomalies.queries.saved_filters import SavedFilterError, save

pytestmark = pytest.mark.django_db

LIST = "/admin/anomalies/anomaly/"
PAGE = f"{LIST}filters/"


def somebody(name: str, role: str = "analyst") -> User:
    user = User.objects.create_user(name, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user


@pytest.fixture
def ana(db) -> User:
    return somebody("ana")


@pytest.fixture
def bo(db) -> User:
    return somebody("bo", "viewer")


def at(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def do(user: User, action: str, **fields: Any) -> Any:
    return at(user).post(PAGE, {"action": action, **fields}, follow=True)


def kept() -> SavedFilter:
    return SavedFilter.objects.get()


# --- keeping ----------------------------------------------------------------------------------------------


def test_a_filter_is_kept_with_its_order_and_without_its_place(ana):
    do(ana, "save", name="mine", query="?status=pending&status=dismissed&o=-4&single=1&after=x&p=3&q=")
    assert kept().query == "status=pending&status=dismissed&o=-4&single=1"


def test_saving_leads_to_the_list_and_says_so(ana):
    answer = do(ana, "save", name=" my  logs ", query="?stream=logs", shared="on")
    assert answer.request["QUERY_STRING"] == "stream=logs"
    assert "Saved as “my logs”, shared." in answer.content.decode()


def test_the_same_name_again_takes_the_new_filter(ana):
    do(ana, "save", name="mine", query="stream=logs")
    do(ana, "save", name="mine", query="stream=llm")
    assert kept().query == "stream=llm"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": " ", "query": ""}, "Give the filter a name."),
        ({"name": "x" * 81, "query": ""}, "longer than 80 characters"),
        ({"name": "a\x00b", "query": ""}, "can&#x27;t be shown"),
        ({"name": "x", "query": "status=gone"}, "Invalid filter values, so the filter was not saved."),
        ({"name": "x", "query": "q=" + "y" * 4000}, "longer than 4,000 characters"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_the_reason(ana, fields, words):
    assert words in do(ana, "save", **fields).content.decode()
    assert not SavedFilter.objects.exists()


def test_one_owner_has_a_hundred_at_most(ana):
    SavedFilter.objects.bulk_create(SavedFilter(owner=ana, name=f"{n}", query="") for n in range(100))
    with pytest.raises(SavedFilterError, match="delete one first"):
        save(ana, "one more", "", shared=False)
    assert save(ana, "7", "stream=llm", shared=False).query == "stream=llm"


# --- who sees which ---------------------------------------------------------------------------------------


def test_a_private_filter_is_its_owners_and_a_shared_one_everybodys(ana, bo):
    save(ana, "for me", "stream=llm", shared=False)
    save(ana, "for all", "stream=logs", shared=True)
    assert [name for name, _ in at(ana).get(LIST).context["cl"].kept.filters] == ["for all", "for me"]
    assert [name for name, _ in at(bo).get(LIST).context["cl"].kept.filters] == ["for all"]


@pytest.mark.parametrize("action", ["change", "delete"])
def test_nobody_changes_or_deletes_anothers_filter(ana, bo, action):
    save(ana, "for all", "stream=logs", shared=True)
    answer = do(bo, action, id=kept().pk, name="stolen")
    assert "There is no such filter of yours." in answer.content.decode()
    assert kept().name == "for all"


def test_a_filter_is_renamed_and_shared(ana):
    save(ana, "one", "stream=logs", shared=False)
    do(ana, "change", id=kept().pk, name="two", shared="on")
    assert (kept().name, kept().shared) == ("two", True)


def test_a_name_that_is_taken_is_said_to_be(ana):
    save(ana, "one", "", shared=False)
    other = save(ana, "two", "", shared=False)
    assert (
        "You have a filter named one already." in do(ana, "change", id=other.pk, name="one").content.decode()
    )


def test_a_filter_is_deleted(ana):
    save(ana, "one", "stream=logs", shared=False)
    do(ana, "delete", id=kept().pk)
    assert not SavedFilter.objects.exists()


@pytest.mark.parametrize(
    "fields", [{}, {"action": "explode"}, {"action": "delete", "id": "x" * 90}, {"action": "delete"}]
)
def test_a_form_that_says_nothing_changes_nothing(ana, fields):
    save(ana, "one", "", shared=False)
    assert at(ana).post(PAGE, fields, follow=True).status_code == 200
    assert SavedFilter.objects.count() == 1


def test_a_name_is_text_whatever_it_holds(ana):
    save(ana, "<script>alert(1)</script>", "stream=logs", shared=True)
    for page in (LIST, PAGE):
        assert b"<script>alert" not in at(ana).get(page).content


# --- the page that one begins with ------------------------------------------------------------------------


def test_somebody_begins_with_the_filter_that_was_chosen(ana):
    save(ana, "mine", "status=pending", shared=False)
    do(ana, "start", id=kept().pk)
    assert at(ana).get("/admin/").url == f"{LIST}?status=pending"


def test_the_index_is_still_there(ana):
    save(ana, "mine", "status=pending", shared=False)
    do(ana, "start", id=kept().pk)
    assert at(ana).get("/admin/?overview").status_code == 200


def test_a_shared_filter_can_be_begun_with_and_a_private_one_of_another_cannot(ana, bo):
    private, shared = save(ana, "a", "", shared=False), save(ana, "b", "stream=llm", shared=True)
    assert "it is not shared" in do(bo, "start", id=private.pk).content.decode()
    do(bo, "start", id=shared.pk)
    assert at(bo).get("/admin/").url == f"{LIST}?stream=llm"


def test_a_filter_that_is_not_shared_any_more_is_nobodys_start(ana, bo):
    shared = save(ana, "b", "stream=llm", shared=True)
    do(bo, "start", id=shared.pk)
    do(ana, "change", id=shared.pk, name="b")
    assert at(bo).get("/admin/").status_code == 200


def test_the_choice_is_taken_back(ana):
    save(ana, "mine", "status=pending", shared=False)
    do(ana, "start", id=kept().pk)
    do(ana, "start")
    assert not StartPage.objects.exists()


def test_a_filter_that_goes_takes_the_choice_along(ana):
    save(ana, "mine", "status=pending", shared=False)
    do(ana, "start", id=kept().pk)
    do(ana, "delete", id=kept().pk)
    assert at(ana).get("/admin/").status_code == 200


# --- in words and chips -------------------------------------------------------------------------------------


def test_the_list_says_its_filter_in_words(ana):
    page = (
        at(ana).get(f"{LIST}?status=pending&stream=logs&within=24h&ncd_min=0.8&tags_any=db").content.decode()
    )
    assert "Pending logs of the last 24 h with NCD ≥ 0.8, tagged db" in page


def test_each_filter_is_dropped_by_one_click(ana):
    cl = at(ana).get(f"{LIST}?status=pending&p_max=0.01&p_min=0.001&o=-4").context["cl"]
    assert dict(cl.chips) == {
        "pending": "?o=-4&p_max=0.01&p_min=0.001",
        "with p ≥ 0.001": "?o=-4&p_max=0.01&status=pending",
        "with p ≤ 0.01": "?o=-4&p_min=0.001&status=pending",
    }


def test_the_export_takes_every_filter_along(ana):
    cl = at(ana).get(f"{LIST}?p_max=0.01&until=2026-01-01T00:00:00&o=-4&single=1").context["cl"]
    assert cl.exported_qs == "?p_max=0.01&until=2026-01-01T00%3A00%3A00"
