"""The columns of the list: explained, and chosen by each person for themselves."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from anomalies.admin.anomaly import AnomalyAdmin
from anomalies.admin.list import column_choice
from anomalies.models import ListColumns
from tests.support.factories import make_anomaly, make_user

pytestmark = pytest.mark.django_db

LIST = "/admin/anomalies/anomaly/"
CHOICE = f"{LIST}columns/"
USUAL = ["state", "when", "stream_type", "ncd", "p", "novelty", "change", "headline", "tags"]


@pytest.fixture
def desk(client, viewer) -> Client:
    client.force_login(viewer)
    return client


def columns(desk: Client, query: str = "") -> list[str]:
    """The names of the columns of the header, which are those of each row."""
    page = desk.get(LIST + query).content.decode()
    heads = re.findall(r'<th scope="col" class="(?:sortable )?column-(\w+)', page)
    assert re.findall(r'class="field-(\w+)', page) in ([], heads)
    return heads


def choose(desk: Client, *names: str, **more: str):
    return desk.post(CHOICE, {"columns": names, **more}, follow=True)


def test_who_chose_none_sees_the_usual_columns(desk):
    make_anomaly()
    assert columns(desk) == USUAL


def test_the_chosen_columns_are_shown_and_remembered_for_this_person_alone(desk):
    make_anomaly()
    choose(desk, "ncd", "source")
    assert columns(desk) == ["state", "when", "ncd", "headline", "source"]
    other = Client()
    other.force_login(make_user("viewer", "other"))
    assert columns(other) == USUAL


def test_incidents_have_the_same_columns(desk):
    for name in ("a.log", "b.log", "a.log"):
        make_anomaly(metadata={"file": name, "host": "db1"})
    choose(desk, "source", "tags")
    assert columns(desk) == ["state", "when", "headline", "tags", "source"]
    shown = re.search('<td class="field-source">(.*?)</td>', desk.get(LIST).content.decode())
    assert sorted(shown[1].split(", ")) == ["a.log", "b.log"]


def test_a_list_without_optional_columns_is_a_choice_too(desk):
    choose(desk)
    make_anomaly()
    assert columns(desk) == ["state", "when", "headline"]


def test_the_usual_columns_come_back_by_a_reset(desk):
    make_anomaly()
    choose(desk, "p")
    choose(desk, reset="1")
    assert columns(desk) == USUAL
    assert not ListColumns.objects.exists()


def test_an_unknown_column_changes_nothing_and_says_so(desk):
    choose(desk, "p")
    assert "Unknown column" in choose(desk, "p", "password").content.decode()
    assert ListColumns.objects.get().columns == ["p"]


def test_a_stored_name_of_no_column_is_passed_over(desk, viewer):
    make_anomaly()
    ListColumns.objects.create(user=viewer, columns=["of an older version", "p"])
    assert columns(desk) == ["state", "when", "p", "headline"]


def test_the_number_of_a_sorted_column_does_not_depend_on_those_shown(client, analyst):
    for ncd in (0.7, 0.9, 0.8):
        make_anomaly(ncd_score=ncd)
    client.force_login(analyst)
    choose(client, "tags")
    found = client.get(f"{LIST}?o=-4").context["cl"].result_list
    assert [row.ncd_score for row in found] == [0.9, 0.8, 0.7]


def test_the_list_that_one_came_from_is_shown_again(desk):
    assert choose(desk, "p", next=f"{LIST}?status=pending").redirect_chain[-1][0] == f"{LIST}?status=pending"
    assert choose(desk, "p", next="https://elsewhere.example/").redirect_chain[-1][0] == LIST


def test_every_column_is_explained_in_its_header_and_beside_its_choice(desk):
    page = desk.get(LIST).content.decode()
    make_anomaly()
    shown = desk.get(LIST).content.decode()
    for name in USUAL:
        meaning = column_choice.MEANINGS[name]
        assert f'id="meaning_{name}">{meaning}</span>' in shown
        assert f'title="{meaning[0].upper()}{meaning[1:]}"' in shown
    for name in column_choice.OPTIONAL:
        assert f'id="about_{name}">{column_choice.MEANINGS[name]}</span>' in page


def test_the_choice_names_each_column_of_the_list():
    assert list(map(column_choice.name_of, AnomalyAdmin.list_display)) == list(column_choice.MEANINGS)


def test_the_export_keeps_its_own_columns(desk):
    make_anomaly()
    before = b"".join(desk.get(f"{LIST}export/csv/"))
    choose(desk, "p")
    assert b"".join(desk.get(f"{LIST}export/csv/")) == before
