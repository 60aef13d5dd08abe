"""The list's rows come from our own template, and are exactly what Django's admin would render."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.templatetags.admin_list import items_for_result

from anomalies.admin.list.column_choice import OPTIONAL
from anomalies.queries.people.list_columns import choose
from tests.support.factories import make_anomaly
from tests.support.forms import LIST

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(\"{0}\")</script> & '{}'"


def both(client: Any, user: Any, query: str = "") -> tuple[str, str]:
    """The cells of the only row as rendered by us, and by Django."""
    client.force_login(user)
    choose(user, OPTIONAL)  # Django's admin renders all
    cl = client.get(f"{LIST}?{query}").context["cl"]
    (row,) = cl.rows
    (cells,) = cl.results
    return "".join(cells), "".join(items_for_result(cl, row, None))


def test_a_row_is_what_django_renders(client, analyst):
    make_anomaly(tags=["db", "eu"])
    ours, django = both(client, analyst)
    assert ours == django


def test_who_may_not_decide_gets_no_checkbox(client, viewer):
    make_anomaly()
    ours, django = both(client, viewer)
    assert ours == django and "checkbox" not in ours


def test_a_hostile_row_is_escaped_as_django_does(client, analyst):
    make_anomaly(glass_box_explanation=HOSTILE, tags=[HOSTILE], assigned_to=HOSTILE)
    ours, django = both(client, analyst)
    assert ours == django and "<script>" not in ours


@pytest.mark.parametrize("text", ["", " ", "\n", "\u200b"])
def test_an_explanation_of_nothing_is_shown_as_django_does(client, analyst, text):
    make_anomaly(glass_box_explanation=text, tags=[])
    ours, django = both(client, analyst)
    assert ours == django


def test_the_links_lead_back_to_the_same_list(client, analyst):
    nobody = "00000000-0000-0000-0000-000000000000"
    make_anomaly()
    ours, django = both(client, analyst, f"status=pending&single=1&after=2999-01-01T00:00:00Z,{nobody}")
    assert ours == django and "_changelist_filters=" in ours and nobody in ours
