"""The triage rules."""

from __future__ import annotations

import threading
from collections import Counter
from uuid import UUID, uuid4

import pytest
from django.db import connection

from anomalies.audit import Actor, history
from anomalies.models import Anomaly, AuditLog
from anomalies.triage.decisions import MOVES, DecisionError, add_note, allowed_moves, check, decide
from tests.support.factories import anomaly_values, make_anomaly

ANA = Actor("ana", "10.0.0.7", via="/admin/")
BOB = Actor("bob")
FORM = UUID(int=2**127)

LEGAL = {
    ("pending", "acknowledge"): "acknowledged",
    ("pending", "dismiss"): "dismissed",
    ("pending", "investigate"): "investigating",
    ("investigating", "acknowledge"): "acknowledged",
    ("investigating", "dismiss"): "dismissed",
    ("investigating", "reopen"): "pending",
    ("acknowledged", "reopen"): "pending",
    ("dismissed", "reopen"): "pending",
}
STATUSES = ("pending", "investigating", "acknowledged", "dismissed")
ILLEGAL = [(status, action) for status in STATUSES for action in MOVES if (status, action) not in LEGAL]


def take(action: str, anomaly: Anomaly, actor: Actor = ANA, **given):
    reason = "other" if action == "dismiss" else None
    return decide(action, [anomaly.pk], actor, **{"reason": reason, **given})


@pytest.mark.django_db
@pytest.mark.parametrize(("status", "action"), LEGAL)
def test_a_legal_decision_leads_to_its_status(status, action):
    anomaly = make_anomaly(status=status)
    outcome = take(action, anomaly)
    anomaly.refresh_from_db()
    assert outcome.decided == (anomaly.pk,)
    assert anomaly.status == LEGAL[status, action]


@pytest.mark.django_db
@pytest.mark.parametrize(("status", "action"), ILLEGAL)
def test_an_illegal_decision_changes_nothing_and_says_why(status, action):
    anomaly = make_anomaly(status=status)
    outcome = take(action, anomaly)
    anomaly.refresh_from_db()
    assert anomaly.status == status
    is_so = MOVES[action].to == status
    (refused,) = outcome.refused
    assert refused.why == f"it is {status}{' already' if is_so else '; reopen it first'}"
    assert not refused.changed


@pytest.mark.parametrize("status", STATUSES)
def test_allowed_moves_are_the_legal_ones(status):
    assert {(status, action) for action in allowed_moves(status)} == {
        key for key in LEGAL if key[0] == status
    }


@pytest.mark.django_db
def test_acknowledging_records_who_and_when():
    anomaly = make_anomaly()
    take("acknowledge", anomaly)
    anomaly.refresh_from_db()
    assert (anomaly.acknowledged_by, anomaly.acknowledged_at) == ("ana", anomaly.updated_at)


@pytest.mark.django_db
def test_dismissing_records_who_when_and_the_reason():
    anomaly = make_anomaly()
    take("dismiss", anomaly, reason="known_harmless")
    anomaly.refresh_from_db()
    assert (anomaly.dismissed_by, anomaly.dismissal_reason) == ("ana", "known_harmless")
    assert anomaly.dismissed_at == anomaly.updated_at


@pytest.mark.django_db
def test_investigating_records_who_and_when():
    anomaly = make_anomaly()
    take("investigate", anomaly)
    anomaly.refresh_from_db()
    assert (anomaly.investigating_by, anomaly.investigating_at) == ("ana", anomaly.updated_at)


@pytest.mark.django_db
@pytest.mark.parametrize("decided", ["acknowledge", "dismiss"])
def test_reopening_leaves_nothing_of_the_former_decisions_in_the_row(decided):
    anomaly = make_anomaly()
    columns = [f"{s}_{what}" for s in STATUSES[1:] for what in ("by", "at")] + ["dismissal_reason"]
    take("investigate", anomaly)
    take(decided, anomaly)
    take("reopen", anomaly, BOB)
    assert set(Anomaly.objects.values_list(*columns).get()) == {None}


@pytest.mark.django_db
@pytest.mark.parametrize("reason", [None, "", "because"])
def test_a_dismissal_without_a_known_reason_is_refused(reason):
    anomaly = make_anomaly()
    with pytest.raises(DecisionError, match="needs a reason: false_positive"):
        decide("dismiss", [anomaly.pk], ANA, reason=reason)


@pytest.mark.django_db
@pytest.mark.parametrize("action", sorted(MOVES.keys() - {"dismiss"}))
def test_only_a_dismissal_takes_a_reason(action):
    with pytest.raises(DecisionError, match="Only a dismissal"):
        decide(action, [uuid4()], ANA, reason="other")


@pytest.mark.django_db
def test_an_unknown_decision_names_the_known_ones():
    with pytest.raises(DecisionError, match="acknowledge, dismiss"):
        decide("delete", [uuid4()], ANA)


@pytest.mark.django_db
def test_an_anomaly_that_is_not_there_is_reported():
    nowhere = uuid4()
    assert decide("acknowledge", [nowhere], ANA).refused[0].why == "there is no such anomaly"


@pytest.mark.django_db
def test_an_anomaly_that_came_in_among_many_has_no_entry_of_its_own_and_is_refused_as_any_other():
    Anomaly.objects.bulk_create([Anomaly(**anomaly_values()) for _ in range(2)])
    one = Anomaly.objects.latest("id")
    assert history(one.pk) == []
    assert [each.why for each in take("reopen", one, batch=FORM).refused] == ["it is pending already"]


@pytest.mark.django_db
def test_the_second_of_two_is_shown_what_the_first_did():
    anomaly = make_anomaly()
    take("acknowledge", anomaly, ANA)
    why = take("dismiss", anomaly, BOB).refused[0].why
    assert why.startswith("it is acknowledged by ana since 2")
    assert why.endswith("reopen it first")


@pytest.mark.django_db
def test_what_can_be_decided_is_though_others_are_refused():
    first, second = make_anomaly(), make_anomaly(status="dismissed")
    outcome = decide("acknowledge", [first.pk, second.pk], ANA)
    assert outcome.decided == (first.pk,)
    assert [refusal.id for refusal in outcome.refused] == [second.pk]


@pytest.mark.django_db
def test_notes_are_added_and_none_is_lost():
    anomaly = make_anomaly(notes="known since May")
    take("acknowledge", anomaly, note="  seen again ")
    anomaly.refresh_from_db()
    assert anomaly.notes == "known since May\nseen again"


@pytest.mark.django_db
def test_a_decision_without_a_note_leaves_the_notes_alone():
    anomaly = make_anomaly()
    take("acknowledge", anomaly)
    anomaly.refresh_from_db()
    assert anomaly.notes is None


@pytest.mark.django_db
@pytest.mark.parametrize("note", ["a\0b", "a\ud800b"])
def test_a_note_that_the_database_cannot_hold_is_refused(note):
    anomaly = make_anomaly()
    with pytest.raises(DecisionError, match="note holds"):
        take("acknowledge", anomaly, note=note)


@pytest.mark.django_db
def test_a_note_needs_no_decision():
    anomaly = make_anomaly()
    add_note(anomaly.pk, ANA, "look at db2 as well")
    anomaly.refresh_from_db()
    assert (anomaly.status, anomaly.notes) == ("pending", "look at db2 as well")


@pytest.mark.django_db
def test_an_empty_note_is_refused():
    with pytest.raises(DecisionError, match="empty"):
        add_note(make_anomaly().pk, ANA, "  ")


@pytest.mark.django_db
def test_a_decision_stands_in_the_history_with_its_reason_and_note():
    anomaly = make_anomaly()
    take("dismiss", anomaly, reason="duplicate", note="of yesterday's")
    entry = history(anomaly.pk)[0]
    assert (entry.username, entry.address, entry.action) == ("ana", "10.0.0.7", "dismiss")
    assert (entry.reason, entry.note) == ("duplicate", "of yesterday's")


@pytest.mark.django_db
def test_a_refused_decision_leaves_no_record():
    anomaly = make_anomaly(status="dismissed")
    take("acknowledge", anomaly)
    assert not AuditLog.objects.filter(resource_id=anomaly.pk, action="acknowledge").exists()


@pytest.mark.django_db
def test_a_bulk_takes_as_many_queries_as_one(django_assert_num_queries):
    one, many = [make_anomaly()], [make_anomaly() for _ in range(20)]
    for anomalies in (one, many):
        with django_assert_num_queries(6):  # savepoint, actor, lock, update, actor, release
            decide("acknowledge", [anomaly.pk for anomaly in anomalies], ANA)


def test_a_decision_can_be_checked_before_it_is_taken():
    check("dismiss", "other", "a note")
    for given in (("dismiss", None, ""), ("acknowledge", "other", ""), ("reopen", None, "\0")):
        with pytest.raises(DecisionError):
            check(*given)


# --- versions, and forms that are submitted twice ---------------------------------------------------------


@pytest.mark.django_db
def test_an_anomaly_in_its_expected_version_is_decided():
    anomaly = make_anomaly()
    assert take("acknowledge", anomaly, seen={anomaly.pk: 1}).decided == (anomaly.pk,)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("action", "done"), [("investigate", "taken into investigation"), ("acknowledge", "acknowledged")]
)
def test_an_anomaly_that_changed_is_skipped_and_the_change_named(action, done):
    anomaly = make_anomaly()
    take(action, anomaly, BOB)
    (refusal,) = take("dismiss", anomaly, seen={anomaly.pk: 1}).changed
    assert refusal.why.startswith(f"changed since you saw it: {done} by bob at 2")
    anomaly.refresh_from_db()
    assert anomaly.status == MOVES[action].to


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("version", "why"),
    [(7, "it was written since you saw it, though nothing"), (None, "it came without the version")],
)
def test_a_version_that_is_wrong_or_missing_is_refused_with_its_reason(version, why):
    anomaly = make_anomaly()
    (refusal,) = take("acknowledge", anomaly, seen={anomaly.pk: version} if version else {}).refused
    assert refusal.why.startswith(why) and refusal.changed


@pytest.mark.django_db
def test_of_a_decision_that_is_submitted_twice_one_is_stored():
    anomaly, form = make_anomaly(), uuid4()
    first = take("acknowledge", anomaly, batch=form, seen={anomaly.pk: 1})
    again = take("acknowledge", anomaly, batch=form, seen={anomaly.pk: 1})
    assert (first.decided, again.decided, again.repeated, again.refused) == (
        (anomaly.pk,),
        (),
        first.decided,
        (),
    )


@pytest.mark.django_db
@pytest.mark.parametrize("seen", [None, 1])
def test_of_a_note_that_is_submitted_twice_one_is_stored(seen):
    anomaly, form = make_anomaly(), uuid4()
    add_note(anomaly.pk, ANA, "look", batch=form, seen=seen)
    again = add_note(anomaly.pk, ANA, "look", batch=form, seen=seen)
    anomaly.refresh_from_db()
    assert (anomaly.notes, again.decided, again.repeated) == ("look", (), (anomaly.pk,))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("actor", "note", "other"), [(BOB, "look", False), (ANA, "see", False), (ANA, "look", True)]
)
def test_another_note_user_or_form_is_no_repetition(actor, note, other):
    anomaly = make_anomaly()
    add_note(anomaly.pk, ANA, "look", batch=FORM)
    for form in (UUID(int=1), UUID(int=2**128 - 1)) if other else (FORM,):
        assert add_note(anomaly.pk, actor, note, batch=form).decided == (anomaly.pk,)


@pytest.mark.django_db
def test_a_note_without_a_form_is_written_each_time():
    anomaly = make_anomaly()
    for _ in range(2):
        add_note(anomaly.pk, ANA, "look")
    anomaly.refresh_from_db()
    assert anomaly.notes == "look\nlook"


def at_once(jobs):
    """Run the jobs in threads of their own, each with its own connection, and let all start together."""
    barrier = threading.Barrier(len(jobs))

    def run(job):
        try:
            barrier.wait()
            job()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[job]) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_of_eight_analysts_at_once_one_wins_each_anomaly():
    ids = [make_anomaly().pk for _ in range(20)]
    won: Counter = Counter()

    def job(name):
        return lambda: won.update(
            pk for each in ids for pk in decide("acknowledge", [each], Actor(name)).decided
        )

    at_once([job(f"analyst{number}") for number in range(8)])
    assert won == Counter(ids)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_overlapping_bulks_in_opposite_order_neither_deadlock_nor_decide_twice():
    ids = [make_anomaly().pk for _ in range(100)]
    won: Counter = Counter()

    def job(name, order):
        return lambda: won.update(decide("acknowledge", order, Actor(name)).decided)

    at_once([job("ana", ids), job("bob", ids[::-1]), job("cid", ids[50:] + ids[:50])])
    assert won == Counter(ids)
