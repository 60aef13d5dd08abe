"""Sets and undos by several at once, in threads with connections of their own."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from uuid import uuid4

import pytest

from anomalies.audit import Actor
from anomalies.models import Anomaly, AuditLog, BulkSet
from anomalies.triage.decisions import decide
from anomalies.triage.frozen_selection import begin, decide_parts, freeze
from anomalies.triage.undo import undo
from tests.support.concurrency import at_once, share
from tests.test_concurrency import deadlocks, make_anomalies

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
ANA = Actor("ana")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Parts of some rows, so that sets overlap in many transactions."""
    monkeypatch.setattr("anomalies.triage.frozen_selection.STEP", 17)
    monkeypatch.setattr("anomalies.triage.undo.STEP", 13)


def decided_set(action: str = "acknowledge") -> BulkSet:
    asked = begin(freeze(Anomaly.objects.all(), "ana", action, "all"), None, "")
    list(decide_parts(asked, ANA))
    return BulkSet.objects.get(pk=asked.pk)


def histories() -> list[list[AuditLog]]:
    """The recorded changes of each anomaly, in the order in which they were made."""
    entries: dict = {}
    for entry in AuditLog.objects.filter(resource_id__isnull=False).order_by("id"):
        entries.setdefault(entry.resource_id, []).append(entry)
    return list(entries.values())


def test_overlapping_sets_and_undos_never_deadlock_and_every_change_follows_from_the_one_before():
    make_anomalies(share(200))
    before = deadlocks()

    def hand(number: int) -> Callable[[], None]:
        def work() -> None:
            for _ in range(share(10)):
                asked = freeze(Anomaly.objects.all(), "ana", random.choice(["investigate", "reopen"]), "all")
                list(decide_parts(begin(asked, None, ""), Actor(f"analyst{number}")))
                if BulkSet.objects.get(pk=asked.pk).decided:
                    undo(str(asked.pk), Actor(f"analyst{number}"), uuid4())

        return work

    at_once([hand(number) for number in range(5)])
    assert deadlocks() == before
    for entries in histories():
        assert all(a.new_values["status"] == b.old_values["status"] for a, b in pairwise(entries))


def test_a_set_sent_four_times_at_once_is_decided_once():
    rows = make_anomalies(share(200))
    asked = begin(freeze(Anomaly.objects.all(), "ana", "acknowledge", "all"), None, "")
    at_once([lambda: list(decide_parts(asked, ANA))] * 4)
    assert BulkSet.objects.get().decided == len(rows)
    assert [len(entries) for entries in histories()] == [1] * len(rows)


def test_an_undo_sent_four_times_at_once_is_one():
    rows, own = make_anomalies(share(200)), uuid4()
    batch = str(decided_set().pk)
    at_once([lambda: undo(batch, ANA, own)] * 4)
    actions = [[entry.action for entry in entries] for entries in histories()]
    assert actions == [["acknowledge", "undo"]] * len(rows)


def test_of_an_undo_and_a_decision_at_once_one_wins_each():
    rows = make_anomalies(share(200))
    batch = str(decided_set().pk)
    at_once([lambda: undo(batch, ANA, uuid4()), lambda: decide("reopen", rows, Actor("bob"))])
    assert [len(entries) for entries in histories()] == [2] * len(rows)
    assert set(Anomaly.objects.values_list("status", "version")) == {("pending", 3)}
