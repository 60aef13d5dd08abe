"""Assignment: to a user with permission to decide, recorded, and without effect on others' permissions."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from anomalies.audit import Actor, history
from anomalies.models import Anomaly
from anomalies.permissions import deciders
from anomalies.triage.assignment import assign
from anomalies.triage.decisions import DecisionError, add_note, decide
from anomalies.triage.undo import undo
from tests.support.factories import make_anomaly, make_user

pytestmark = pytest.mark.django_db

ANA = Actor("ana", "10.0.0.7", via="/admin/")


@pytest.fixture
def bob() -> User:
    return make_user("analyst", "bob")


def whose(anomaly: Anomaly) -> tuple[str | None, str | None]:
    row = Anomaly.objects.get(pk=anomaly.pk)
    assert (row.assigned_to is None) == (row.assigned_by is None) == (row.assigned_at is None)
    return row.assigned_to, row.assigned_by


def entries_of(anomaly: Anomaly) -> list[tuple[str, str]]:
    return [(entry.username, entry.action) for entry in history(anomaly.pk) if entry.action != "create"]


def test_an_anomaly_is_assigned_by_one_to_another_and_on_record(bob):
    anomaly = make_anomaly()
    assign([anomaly.pk], "bob", ANA)
    assert whose(anomaly) == ("bob", "ana")
    entry = history(anomaly.pk)[0]
    assert (entry.action, entry.username, entry.assigned_to) == ("assign", "ana", "bob")
    assert sorted(entry.values) == ["assigned_at", "assigned_by", "assigned_to"]


def test_an_anomaly_is_assigned_to_nobody_again(bob):
    anomaly = make_anomaly()
    assign([anomaly.pk], "bob", ANA)
    assign([anomaly.pk], None, ANA)
    assert whose(anomaly) == (None, None)
    assert entries_of(anomaly) == [("ana", "unassign"), ("ana", "assign")]


def test_who_may_decide_can_be_assigned_to_and_nobody_else(bob, lead, viewer):
    User.objects.create_superuser("root")
    User.objects.create_user("visitor")
    make_user("analyst", "former").groups.clear()
    User.objects.filter(pk=make_user("analyst", "gone").pk).update(is_active=False)
    User.objects.filter(pk=make_user("analyst", "outside").pk).update(is_staff=False)
    assert list(deciders()) == ["bob", "lead", "root"]


@pytest.mark.parametrize("name", ["viewer", "no such user", ""])
def test_to_assign_to_who_may_not_decide_is_refused(name, viewer):
    anomaly = make_anomaly()
    with pytest.raises(DecisionError, match="somebody who may decide"):
        assign([anomaly.pk], name, ANA)
    assert whose(anomaly) == (None, None)


@pytest.mark.parametrize("to", ["bob", None])
def test_what_is_so_already_is_refused_and_leaves_no_entry(bob, to):
    anomaly = make_anomaly()
    if to:
        assign([anomaly.pk], to, ANA)
    before = entries_of(anomaly)
    refused = assign([anomaly.pk], to, Actor("cleo")).refused
    assert [each.why for each in refused] == [f"it is assigned to {to or 'nobody'} already"]
    assert entries_of(anomaly) == before


def test_what_changed_since_it_was_seen_is_skipped(bob):
    seen, changed = make_anomaly(), make_anomaly()
    add_note(changed.pk, ANA, "look")
    outcome = assign([seen.pk, changed.pk], "bob", ANA, seen={seen.pk: 1, changed.pk: 1})
    assert outcome.decided == (seen.pk,)
    assert [each.why[:40] for each in outcome.changed] == ["changed since you saw it: notes changed "]


@pytest.mark.parametrize("seen", [True, False])
def test_the_same_form_sent_twice_is_one_change(bob, seen):
    rows = [make_anomaly(), make_anomaly()]
    given: dict[str, Any] = {"batch": uuid4(), "seen": {each.pk: 1 for each in rows} if seen else None}
    first = assign([each.pk for each in rows], "bob", ANA, **given)
    second = assign([each.pk for each in rows], "bob", ANA, **given)
    assert (len(first.decided), second.decided, len(second.repeated)) == (2, (), 2)
    assert [entries_of(each) for each in rows] == [[("ana", "assign")]] * 2


def test_a_decision_leaves_an_assignment_as_it_is(bob):
    anomaly = make_anomaly()
    assign([anomaly.pk], "bob", ANA)
    decide("acknowledge", [anomaly.pk], ANA)
    assert whose(anomaly) == ("bob", "ana")


def test_an_assignment_can_be_undone_each_row_to_whose_it_was(bob, lead):
    rows = [make_anomaly(), make_anomaly()]
    assign([rows[0].pk], "lead", ANA)
    batch = uuid4()
    assign([each.pk for each in rows], "bob", ANA, batch=batch)
    assert undo(str(batch), ANA, uuid4()).undone == 2
    assert [whose(each)[0] for each in rows] == ["lead", None]
    assert entries_of(rows[1])[0] == ("ana", "undo")
