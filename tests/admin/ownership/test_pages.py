"""The pages of ownership: rules are made, tested, ordered, switched off and deleted; so are teams."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from anomalies.audit import Actor
from anomalies.models import OwnershipRule, Team
from anomalies.ownership.teams import save_team
from anomalies.work.heartbeats import store_report
from tests.admin.notifications.test_pages import words
from tests.support.factories import make_anomaly, make_user

pytestmark = pytest.mark.django_db
PAGE = "/admin/anomalies/ownershiprule/"


@pytest.fixture
def desk(client, lead) -> Client:
    client.force_login(lead)
    return client


def make(desk: Client, name: str, query: str = "", assign_to: str = "lead", **more: str) -> str:
    sent = {"name": name, "query": query, "assign_to": assign_to, "enabled": "on", **more}
    return words(desk.post(f"{PAGE}add/", sent, follow=True))


def names() -> list[str]:
    return list(OwnershipRule.objects.order_by("position").values_list("name", flat=True))


def press(desk: Client, button: str, name: str) -> str:
    key = OwnershipRule.objects.get(name=name).pk
    return words(desk.post(PAGE, {button: str(key)}, follow=True))


def test_rules_are_made_ordered_switched_and_deleted(desk):
    for name in ("a", "b", "c"):
        assert "Saved." in make(desk, name)
    press(desk, "up", "c")
    press(desk, "down", "a")
    assert names() == ["c", "a", "b"]
    assert "Nothing was changed" in press(desk, "up", "c")
    assert "disabled" in press(desk, "switch", "c")
    assert "disabled" not in press(desk, "switch", "c")
    press(desk, "delete", "a")
    assert names() == ["c", "b"]
    assert "Choose a rule first" in words(desk.post(PAGE, {"up": "nonsense"}, follow=True))


def test_a_rule_is_changed_where_it_stands(desk):
    make(desk, "a")
    make(desk, "b")
    first = OwnershipRule.objects.get(name="a")
    sent = {"name": "A", "query": "ncd_min=0.9", "assign_to": "lead"}
    desk.post(f"{PAGE}{first.pk}/change/", sent)
    assert names() == ["A", "b"]
    first.refresh_from_db()
    assert (first.query, first.enabled) == ("ncd_min=0.9", False)


def test_what_each_would_have_taken_is_shown_and_a_rule_is_tested_without_saving(desk):
    for score in (0.95, 0.6):
        make_anomaly(ncd_score=score, timestamp=timezone.now() - timedelta(hours=1))
    make(desk, "high", "ncd_min=0.9")
    make(desk, "any")
    page = words(desk.get(f"{PAGE}?what-if"))
    assert "Of the 2 pending anomalies" in page
    assert "the others go to rules before it" in page
    tested = make(desk, "third", _test="1")
    assert "the filter matches 2, and the rule would have taken 0" in tested
    assert names() == ["high", "any"]


def test_what_is_wrong_is_stated_beside_the_field(desk):
    assert "leave out the assignee" in make(desk, "a", "assigned=me")
    assert "Invalid filter values" in make(desk, "a", "status=nonsense")
    assert "Select a valid choice" in make(desk, "a", assign_to="ghost")
    assert not names()


def test_a_rule_that_is_skipped_and_a_missing_worker_are_stated(desk):
    make_user("analyst", "bob")
    make(desk, "a", assign_to="bob")
    User.objects.filter(username="bob").update(is_active=False)
    page = words(desk.get(PAGE))
    assert "skipped: bob has no active account that may decide" in page
    assert "No worker runs" in page
    store_report("w", ["notifications"], "running")
    assert "No worker runs" not in words(desk.get(PAGE))


def test_a_team_is_made_changed_and_deleted(desk):
    team = f"{PAGE}team/"
    desk.post(team, {"name": "payments", "members": ["lead"]})
    assert Team.objects.get().members == ["lead"]
    make(desk, "a", assign_to="#payments")
    assert "These rules name the team: a" in words(desk.post(team, {"name": "payments", "_delete": "1"}))
    desk.post(team, {"name": "payments"})
    assert "no member may decide" in words(desk.get(PAGE))
    press(desk, "delete", "a")
    desk.post(team, {"name": "payments", "_delete": "1"})
    assert not Team.objects.exists()
    assert "1 to 60" in words(desk.post(team, {"name": "No Name"}))


def test_an_anomaly_is_assigned_to_a_team_on_its_page_and_found_by_my_teams(desk):
    save_team("payments", ["lead"], Actor("lead"))
    anomaly = make_anomaly(assigned_to="#payments")
    make_anomaly()
    assert (
        b'<option value="#payments" selected>'
        in desk.get(f"/admin/anomalies/anomaly/{anomaly.pk}/change/").content
    )
    page = desk.get("/admin/anomalies/anomaly/?team=mine&single=1")
    assert [row.pk for row in page.context["cl"].result_list] == [anomaly.pk]
