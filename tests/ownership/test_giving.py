"""The owner of what arrives: the first rule that matches, and never instead of what a person did."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection

from anomalies.audit import Actor
from anomalies.models import Anomaly, AuditLog, NotificationArrival, OwnershipRule
from anomalies.notifications.collecting import collect_once
from anomalies.ownership import giving
from anomalies.ownership.rules import NewOwnership, change, delete, move, switch
from anomalies.ownership.teams import save_team
from anomalies.queries.bounded import sql as parts
from anomalies.triage.assignment import assign
from anomalies.triage.decisions import decide
from anomalies.triage.snooze import Rule, snooze
from anomalies.triage.undo import undo
from tests.notifications.test_collecting import Killed, collect, insert, killed_at
from tests.support.databases import connect, run
from tests.support.factories import make_anomaly, make_user
from tests.support.plans import explain, indexes_of, rows_read

pytestmark = pytest.mark.django_db
BOB = Actor("bob")


def owner_of(anomaly: Anomaly) -> str | None:
    anomaly.refresh_from_db()
    return anomaly.assigned_to


def entries(anomaly: Anomaly) -> list[AuditLog]:
    return list(AuditLog.objects.filter(resource_id=anomaly.pk).order_by("id"))


@pytest.fixture
def bob(db) -> User:
    return make_user("analyst", "bob")


# --- which rule -------------------------------------------------------------------------------------------


def test_the_first_rule_that_matches_assigns(owning, bob):
    owning("bob", "ncd_min=0.9")
    owning("lead", "ncd_min=0.5")
    high, middle, low = (make_anomaly(ncd_score=score) for score in (0.95, 0.6, 0.3))
    collect()
    assert [owner_of(each) for each in (high, middle, low)] == ["bob", "lead", None]
    assert not NotificationArrival.objects.exists()


def test_a_rule_that_was_moved_up_comes_first(owning, bob):
    owning("lead")
    second = owning("bob")
    assert move(second.pk, True, Actor("lead"))
    assert not move(second.pk, True, Actor("lead"))
    anomaly = make_anomaly()
    collect()
    assert owner_of(anomaly) == "bob"


def test_a_rule_that_is_disabled_or_deleted_assigns_nothing_and_queues_nothing(owning):
    first, second = owning(), owning()
    switch(first.pk, Actor("lead"))
    delete(second.pk, Actor("lead"))
    make_anomaly()
    assert not NotificationArrival.objects.exists()
    switch(first.pk, Actor("lead"))
    anomaly = make_anomaly()
    collect()
    assert owner_of(anomaly) == "lead"


def test_a_changed_rule_applies_to_what_arrives_from_then_on(owning, bob):
    rule = owning("lead")
    before = make_anomaly()
    collect()
    change(rule.pk, NewOwnership("theirs", "bob"), Actor("lead"))
    after = make_anomaly()
    collect()
    assert [owner_of(before), owner_of(after)] == ["lead", "bob"]


def test_a_team_owns_what_its_rule_matches_also_without_members(owning):
    save_team("payments", [], Actor("lead"))
    owning("#payments")
    anomaly = make_anomaly()
    collect()
    assert owner_of(anomaly) == "#payments"


@pytest.mark.parametrize("how", ["deactivated", "no role any more", "invalid filter"])
def test_a_rule_that_can_not_assign_is_skipped_and_the_next_one_assigns(owning, bob, how):
    owning("bob", "ncd_min=0.1")
    owning("lead")
    if how == "deactivated":
        User.objects.filter(pk=bob.pk).update(is_active=False)
    elif how == "no role any more":
        bob.groups.clear()
    else:
        OwnershipRule.objects.filter(assign_to="bob").update(query="status=nonsense")
    anomaly = make_anomaly()
    collect()
    assert owner_of(anomaly) == "lead"


# --- never instead of a person ----------------------------------------------------------------------------


def assigned(anomaly: Anomaly) -> None:
    assign([anomaly.pk], "bob", BOB)


def unassigned(anomaly: Anomaly) -> None:
    assign([anomaly.pk], "bob", BOB)
    assign([anomaly.pk], None, BOB)


def dismissed(anomaly: Anomaly) -> None:
    decide("dismiss", [anomaly.pk], BOB, reason="other")


def reopened(anomaly: Anomaly) -> None:
    decide("dismiss", [anomaly.pk], BOB, reason="other")
    decide("reopen", [anomaly.pk], BOB)


def snoozed(anomaly: Anomaly) -> None:
    snooze([anomaly.pk], Rule(more=5), BOB)


@pytest.mark.parametrize("did", [assigned, unassigned, dismissed, reopened, snoozed])
def test_what_a_person_did_before_the_worker_looked_stays(owning, bob, did):
    owning("lead")
    anomaly = make_anomaly()
    did(anomaly)
    before = list(Anomaly.objects.filter(pk=anomaly.pk).values())
    collect()
    assert list(Anomaly.objects.filter(pk=anomaly.pk).values()) == before


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_what_a_person_assigns_while_the_worker_works_stays(owning, bob, monkeypatch):
    """The person's commit falls between the worker's look at the filters and its lock on the row."""
    owning("lead")
    mine, other = make_anomaly(), make_anomaly()
    look = giving._first_matches

    def looked(*given: Any) -> Any:
        found = look(*given)
        with connect(str(connection.settings_dict["NAME"])) as person:
            person.execute("SELECT set_config('driftlock.username', 'bob', false)")
            person.execute("UPDATE anomalies SET assigned_to = 'bob' WHERE id = %s", (mine.pk,))
        return found

    monkeypatch.setattr(giving, "_first_matches", looked)
    collect_once()
    assert [owner_of(mine), owner_of(other)] == ["bob", "lead"]


def test_an_assignment_that_was_undone_is_not_repeated(owning):
    owning("lead")
    anomaly = make_anomaly()
    collect()
    batch = entries(anomaly)[-1].metadata["batch"]
    undo(batch, Actor("lead"), uuid4())
    assert owner_of(anomaly) is None
    assert giving.give_owners([anomaly.pk]) == 0


# --- on record --------------------------------------------------------------------------------------------


def test_the_audit_log_names_the_rule(owning):
    rule = owning("lead", name="databases")
    anomaly = make_anomaly()
    collect()
    entry = entries(anomaly)[-1]
    assert (entry.username, entry.action) == ("ownership rule databases", "assign")
    assert entry.new_values["assigned_to"] == "lead"
    assert (entry.metadata["via"], entry.metadata["note"]) == ("ownership", f"ownership rule {rule.pk}")


def test_changes_of_rules_and_teams_are_on_record(owning):
    rule = owning("lead")
    switch(rule.pk, Actor("lead"))
    delete(rule.pk, Actor("lead"))
    save_team("payments", ["lead"], Actor("lead"))
    save_team("payments", [], Actor("lead"))
    found = AuditLog.objects.filter(resource_type__in=("ownership rule", "team")).order_by("id")
    assert [(each.username, each.resource_type, each.action) for each in found] == [
        ("lead", "ownership rule", "create"),
        ("lead", "ownership rule", "update"),
        ("lead", "ownership rule", "delete"),
        ("lead", "team", "create"),
        ("lead", "team", "update"),
    ]
    assert found[1].new_values == {"enabled": False}


# --- nothing is lost, nothing is done twice ---------------------------------------------------------------


def test_a_worker_that_is_killed_at_any_statement_loses_nothing_and_assigns_once(owning):
    owning("lead")
    tried = 0
    for nth in count(1):
        anomaly = make_anomaly()
        tried += 1
        with killed_at(nth) as seen, suppress(Killed):
            collect()
        collect()
        assert owner_of(anomaly) == "lead", seen[-1]
        assert [each.action for each in entries(anomaly)].count("assign") == 1
        if len(seen) < nth:
            break
    assert tried > 8


# --- bounded ----------------------------------------------------------------------------------------------


def test_the_rows_are_read_by_their_ids_whatever_the_filters(owning, monkeypatch):
    insert(6_000)
    run("ANALYZE anomalies")
    ids = list(Anomaly.objects.values_list("pk", flat=True)[:10])
    rules = [owning("lead", "ncd_min=0.1&stream=logs"), owning("lead", "status=pending")]
    monkeypatch.setattr(giving, "sql", explained := Explained())
    giving._first_matches(rules, ids)
    plan = explain(explained.text())
    assert rows_read(plan) <= 20
    assert indexes_of(plan) == {"anomalies_pkey"}


class Explained:
    """Composes statements as ``sql`` does, and keeps the last one."""

    def __call__(self, template: str, **given: Any) -> parts.Sql:
        self.last = parts.sql(template, **given)
        return self.last

    def text(self) -> str:
        with connection.cursor() as cursor:
            return str(cursor.mogrify(self.last.text, self.last.values))


def test_the_number_of_queries_does_not_grow_with_the_anomalies(owning):
    def queries() -> int:
        with killed_at(0) as seen:
            collect()
        return len(seen)

    owning()
    insert(2)
    collect()
    insert(5)
    few = queries()
    insert(900)
    assert queries() == few
