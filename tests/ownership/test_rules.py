"""Rules and teams: what can be made, what is said of it, and what a rule would have taken."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.http import QueryDict
from django.utils import timezone

from anomalies.audit import Actor
from anomalies.models import Anomaly, OwnershipRule, Team
from anomalies.ownership import giving
from anomalies.ownership.checks import rules_can_assign
from anomalies.ownership.giving import what_if
from anomalies.ownership.rules import NewOwnership, checked, in_order, make, problems_of
from anomalies.ownership.teams import OwnershipError, delete_team, save_team
from anomalies.queries.bounded.filter_listing import listing_of
from anomalies.queries.bounded.matches import first
from anomalies.queries.filters import AnomalyFilter, in_words
from tests.notifications.test_collecting import insert
from tests.ownership.test_giving import Explained
from tests.support.factories import make_anomaly, make_user
from tests.support.plans import explain, indexes_of

pytestmark = pytest.mark.django_db
LEAD = Actor("lead")
LATELY = timedelta(hours=1)


def lately(**given: object) -> Anomaly:
    return make_anomaly(timestamp=timezone.now() - LATELY, **given)


@pytest.mark.parametrize(
    ("new", "field"),
    [
        (NewOwnership("", "lead"), "name"),
        (NewOwnership("x", "nobody else"), "assign_to"),
        (NewOwnership("x", "#no-such-team"), "assign_to"),
        (NewOwnership("x", "viewer"), "assign_to"),
        (NewOwnership("x", "lead", "status=nonsense"), "query"),
        (NewOwnership("x", "lead", "assigned=me"), "query"),
        (NewOwnership("x", "lead", "team=mine"), "query"),
        (NewOwnership("x", "lead", "x" * 4_001), "query"),
    ],
)
def test_a_rule_that_could_never_assign_is_refused_with_the_field(lead, viewer, new, field):
    with pytest.raises(OwnershipError) as refused:
        make(new, LEAD)
    assert refused.value.field == field
    assert not OwnershipRule.objects.exists()


def test_rules_stand_in_the_order_in_which_they_were_made(owning):
    assert [owning(name=name).name for name in "abc"] == [rule.name for rule in in_order()]
    assert [rule.position for rule in in_order()] == [1, 2, 3]


@pytest.mark.parametrize("name", ["", "Payments", "mine", "-x", "a b", "x" * 61, "a\n"])
def test_a_team_has_a_plain_name(lead, name):
    with pytest.raises(OwnershipError) as refused:
        save_team(name, [], LEAD)
    assert refused.value.field == "name"
    if name != "mine":
        with pytest.raises(Exception) as by_database, transaction.atomic():
            Team.objects.create(name=name, created_by="x")
        assert by_database.type is IntegrityError or len(name) > 60


def test_a_team_has_members_that_exist(lead):
    with pytest.raises(OwnershipError, match="There is no account ghost"):
        save_team("payments", ["lead", "ghost"], LEAD)


def test_a_team_that_a_rule_names_is_not_deleted(owning):
    team = save_team("payments", ["lead"], LEAD)
    rule = owning("#payments", name="cards")
    with pytest.raises(OwnershipError, match="cards"):
        delete_team(team.pk, LEAD)
    rule.delete()
    assert delete_team(team.pk, LEAD) == "payments"


def test_what_is_wrong_with_a_rule_is_stated(owning):
    make_user("analyst", "bob")
    save_team("empty", [], LEAD)
    rules = [owning(to) for to in ("lead", "bob", "#empty")]
    broken = owning("lead")
    User.objects.filter(username="bob").update(is_active=False)
    OwnershipRule.objects.filter(pk=broken.pk).update(query="status=nonsense")
    assert problems_of(in_order()) == {
        rules[1].pk: "skipped: bob has no active account that may decide",
        rules[2].pk: "no member of #empty may decide: nobody sees what it owns",
        broken.pk: "skipped: its filter is not valid any more",
    }


def test_check_warns_of_enabled_rules_that_assign_nothing(owning):
    broken = owning("lead", name="broken")
    disabled = owning("lead", name="disabled")
    OwnershipRule.objects.update(query="status=nonsense")
    OwnershipRule.objects.filter(pk=disabled.pk).update(enabled=False)
    (warning,) = rules_can_assign(["default"])
    assert warning.msg == f"ownership rule {broken.name}: skipped: its filter is not valid any more"
    assert rules_can_assign(None) == []


# --- what if ----------------------------------------------------------------------------------------------


def test_what_if_counts_what_each_rule_would_have_taken_and_what_goes_to_rules_before_it(owning):
    owning("lead", "ncd_min=0.9")
    owning("lead", "ncd_min=0.5")
    for score in (0.95, 0.6, 0.7, 0.1):
        lately(ncd_score=score)
    make_anomaly(ncd_score=0.95, timestamp=timezone.now() - timedelta(days=8))
    lately(ncd_score=0.95, status="acknowledged")
    total, found = what_if(in_order())
    assert (total, [(each.matches, each.takes) for each in found]) == (4, [(1, 1), (3, 2)])


def test_what_if_tests_a_rule_that_is_not_stored(lead):
    lately(ncd_score=0.95)
    rule = checked(NewOwnership("x", "lead", "ncd_min=0.9"), LEAD)
    total, (found,) = what_if([rule])
    assert (total, found.takes) == (1, 1)
    assert not OwnershipRule.objects.exists()


def test_what_if_of_a_filter_that_nothing_can_meet_is_0(owning):
    owning("lead")
    OwnershipRule.objects.update(query="status=nonsense")
    lately()
    assert [(each.matches, each.takes) for each in what_if(in_order())[1]] == [(0, 0)]


def test_what_if_reads_the_newest_entries_of_an_index_by_time(owning, monkeypatch):
    insert(3_000)
    owning("lead", "ncd_min=0.1")
    monkeypatch.setattr(giving, "LOOKED_AT", 100)
    monkeypatch.setattr(giving, "sql", explained := Explained())
    assert what_if(in_order())[0] == 100
    (read,) = indexes_of(explain(explained.text()))
    assert read in {"idx_anomalies_walk_status", "idx_anomalies_walk_time"}  # as the statistics say


# --- the filter -------------------------------------------------------------------------------------------


def found(query: str, me: str = "lead") -> set[str | None]:
    listing = listing_of(AnomalyFilter(QueryDict(query), me=me))
    walked = first(listing, ("-timestamp", "-id"), 10).rows
    assert set(walked) == set(AnomalyFilter(QueryDict(query), me=me).qs)
    return {each.assigned_to for each in walked}


def test_the_list_is_filtered_by_team_and_by_my_teams(lead):
    save_team("payments", ["lead"], LEAD)
    save_team("search", ["lead", "bob"] if User.objects.filter(username="bob") else ["lead"], LEAD)
    save_team("others", [], LEAD)
    for name in ("lead", "#payments", "#search", "#others", None):
        make_anomaly(assigned_to=name)
    assert found("team=payments") == {"#payments"}
    assert found("team=mine") == {"#payments", "#search"}
    assert found("team=mine", me="bob") == set()
    assert found("q=team:others") == {"#others"}
    assert in_words(AnomalyFilter(QueryDict("team=mine"))) == "anomalies owned by my teams"
