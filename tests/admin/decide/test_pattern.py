"""A decision about a pattern: its open anomalies, outliers first, any excluded by a click, and its undo."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from anomalies.audit import Actor
from anomalies.models import Anomaly, BulkSet
from anomalies.queries.patterns import outliers
from anomalies.triage.frozen_selection import freeze
from anomalies.triage.undo import undo
from tests.support.factories import make_anomaly

pytestmark = pytest.mark.django_db

PAGE = "/admin/anomalies/pattern/"


@pytest.fixture
def desk(client, analyst) -> Client:
    client.force_login(analyst)
    return client


def made(count: int, **over: Any) -> list[Anomaly]:
    about = {"glass_box_explanation": "process 1 lost", "metadata": {"service": "pay", "host": "a"}}
    return [make_anomaly(**{**about, **over}) for _ in range(count)]


def ask(desk: Client, action: str = "acknowledge", key: Any = None, query: str = "") -> Any:
    """The page that follows the pattern's button."""
    key = key or Anomaly.objects.values_list("pattern", flat=True).first()
    return desk.post(f"{PAGE}{key}/decide/{query}", {"action": action}, follow=True)


def confirm(desk: Client, preview: Any, **form: Any) -> Any:
    return desk.post(preview.redirect_chain[-1][0], form, follow=True)


def statuses() -> list[str]:
    return sorted(Anomaly.objects.values_list("status", flat=True))


def test_all_open_anomalies_of_the_pattern_are_decided_and_nothing_else(desk):
    made(2), made(1, status="investigating"), made(1, status="dismissed")
    make_anomaly(glass_box_explanation="another")
    desk.get(PAGE)  # which folds
    preview = ask(desk, "acknowledge", Anomaly.objects.filter(status="dismissed").get().pattern)
    assert "Acknowledge 3 anomalies: open anomalies of “process # lost”, pay." in preview.content.decode()
    confirm(desk, preview)
    assert statuses() == ["acknowledged"] * 3 + ["dismissed", "pending"]


def test_what_is_under_investigation_is_no_part_of_investigate(desk):
    made(2), made(1, status="investigating")
    assert "Investigate 2 anomalies" in ask(desk, "investigate").content.decode()


def test_a_decision_returns_to_the_filtered_list_of_patterns_with_an_undo(desk):
    made(2)
    page = confirm(desk, ask(desk, query="?_changelist_filters=q%3Dlost"))
    assert page.redirect_chain[-1][0] == f"{PAGE}?q=lost"
    assert "2 anomalies acknowledged." in page.content.decode() and 'class="undo"' in page.content.decode()


def test_a_dismissal_without_a_reason_is_asked_for_again_with_what_was_excluded(desk):
    first, _ = made(2)
    page = confirm(desk, ask(desk, "dismiss"), exclude=str(first.pk)).content.decode()
    assert "a dismissal needs one" in page and f'value="{first.pk}" checked' in page
    assert statuses() == ["pending", "pending"]


def test_an_excluded_anomaly_is_not_decided_and_the_others_are_undone_as_one(desk):
    excluded, *_ = made(5)
    page = confirm(desk, ask(desk), exclude=str(excluded.pk)).content.decode()
    assert "4 anomalies acknowledged." in page
    assert Anomaly.objects.get(pk=excluded.pk).status == "pending"
    asked = BulkSet.objects.get()
    assert asked.words.endswith("; 1 excluded") and (asked.rows, asked.decided) == (4, 4)
    undo(str(asked.pk), Actor("analyst"), uuid4())
    assert statuses() == ["pending"] * 5


def test_a_decision_that_excludes_everything_is_refused_and_changes_nothing(desk):
    (only,) = made(1)
    page = confirm(desk, ask(desk), exclude=["x", str(only.pk)]).content.decode()
    assert "nothing is left to decide about" in page
    assert statuses() == ["pending"] and BulkSet.objects.get().rows == 1


def test_the_same_confirmation_twice_excludes_and_decides_nothing_twice(desk):
    excluded, *_ = made(3)
    preview = ask(desk)
    confirm(desk, preview, exclude=str(excluded.pk))
    again = confirm(desk, preview).content.decode()
    assert "by you a moment ago" in again and statuses() == ["acknowledged"] * 2 + ["pending"]


@pytest.mark.parametrize(("key", "action"), [("x", "dismiss"), (uuid4(), "reopen"), (uuid4(), "")])
def test_an_invalid_request_leads_back_to_the_list_with_the_choices(desk, key, action):
    page = ask(desk, action, key)
    assert page.redirect_chain[-1][0] == PAGE
    assert "Choose acknowledge, dismiss or investigate" in page.content.decode()


def test_a_pattern_without_open_anomalies_says_so(desk):
    made(1, status="dismissed")
    assert "No anomaly of this pattern can be dismissed now." in ask(desk, "dismiss").content.decode()


def test_a_viewer_is_offered_no_decision_and_refused_one(client, viewer):
    made(1)
    client.force_login(viewer)
    assert "formaction" not in client.get(PAGE).content.decode()
    assert ask(client).status_code == 403


def test_a_row_posts_its_decision_with_the_lists_filter(desk):
    made(1)
    page = desk.get(f"{PAGE}?open=yes").content.decode()
    assert re.search(r'value="dismiss" formaction="\S+/decide/\?_changelist_filters=open%3Dyes"', page)


# --- outliers -------------------------------------------------------------------------------------------


def frozen() -> outliers.Composition:
    return outliers.composition(freeze(Anomaly.objects.all(), "ana", "dismiss", "all").pk)


def test_a_high_ncd_and_a_rare_host_are_outliers_and_come_first(desk):
    made(40, ncd_score=0.5)
    (far,) = made(1, ncd_score=0.9)
    (rare,) = made(1, ncd_score=0.5, metadata={"service": "pay", "host": "<b>"})
    found = frozen()
    assert found.outliers == 2 and [each.id for each in found.members[:2]] == [far.pk, rare.pk]
    page = ask(desk).content.decode()
    assert "NCD 0.900 –" in page and "usual NCD 0.500" in page and "other host: &lt;b&gt;" in page
    assert page.index(str(far.pk)) < page.index(str(rare.pk)) < page.index("Others, the highest NCD first")


def test_equal_windows_that_differ_in_the_last_digit_are_no_outliers():
    made(30, ncd_score=0.5), made(1, ncd_score=0.515)
    assert frozen().outliers == 0


def test_what_is_usual_is_that_of_the_pattern_not_of_the_selection():
    made(30, ncd_score=0.2), made(2, ncd_score=0.9, glass_box_explanation="another")
    found = frozen()
    assert found.outliers == 0 and found.patterns == 2
    assert [(each.template, each.count) for each in found.groups] == [("", 2), ("", 30)]  # not folded yet


def test_a_selection_of_anomalies_without_a_pattern_is_described():
    made(2)
    Anomaly.objects.update(pattern=None)
    assert [each.count for each in frozen().groups] == [2]
