"""Assignment and snooze on the desk: the forms of one anomaly, of selected ones, and in the queue."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from anomalies.audit import Actor
from anomalies.models import Anomaly
from anomalies.triage.decisions import decide
from tests.support.factories import NOON, make_anomaly, make_user
from tests.support.forms import LIST, page_of, send

pytestmark = pytest.mark.django_db

QUEUE = f"{LIST}queue/"


@pytest.fixture
def desk(client: Client, analyst) -> Client:
    client.force_login(analyst)
    return client


def hold(client: Client, anomaly: Anomaly, action: str, opened: Any = None, **typed: str) -> Any:
    """Send one of the page's forms."""
    opened = opened or client.get(page_of(anomaly))
    now = opened.context["anomaly"]
    carried = {"version": now.version, "entry": now.last_entry or 0, "batch": opened.context["batch"]}
    return client.post(f"{LIST}{anomaly.pk}/{action}/", {**carried, **typed})


def now(anomaly: Anomaly) -> Anomaly:
    return Anomaly.objects.get(pk=anomaly.pk)


def test_an_anomaly_is_assigned_to_me_by_one_button(desk):
    anomaly = make_anomaly()
    hold(desk, anomaly, "assign", mine="1")
    assert (now(anomaly).assigned_to, now(anomaly).assigned_by) == ("analyst", "analyst")
    assert "Assigned to <strong>analyst</strong>" in desk.get(page_of(anomaly)).content.decode()


def test_it_can_be_given_to_somebody_who_may_decide_and_to_nobody_else(desk):
    make_user("lead"), make_user("viewer")
    anomaly = make_anomaly()
    assert hold(desk, anomaly, "assign", to="viewer").status_code == 200
    assert now(anomaly).assigned_to is None
    hold(desk, anomaly, "assign", to="lead")
    assert now(anomaly).assigned_to == "lead"


def test_a_snooze_is_said_in_one_sentence_on_page_and_list(desk):
    anomaly = make_anomaly()
    hold(desk, anomaly, "snooze", until="2099-01-01T09:00:00", ncd_above="0.9", more="5")
    words = "noozed by analyst until 2099-01-01 09:00"
    for path in (page_of(anomaly), LIST):
        shown = desk.get(path).content.decode()
        assert words in shown and "NCD above 0.9" in shown and "5 more logs in 24 h" in shown


@pytest.mark.parametrize("typed", [{}, {"until": "2020-01-01T00:00:00"}, {"ncd_above": "2"}, {"span": "9"}])
def test_a_rule_by_which_nothing_sleeps_is_refused(desk, typed):
    anomaly = make_anomaly()
    assert hold(desk, anomaly, "snooze", **typed).status_code == 200
    assert now(anomaly).snoozed_at is None


def test_what_sleeps_is_woken_by_a_button(desk):
    anomaly = make_anomaly()
    hold(desk, anomaly, "snooze", span="24")
    assert now(anomaly).snoozed_at is not None
    hold(desk, anomaly, "wake")
    assert now(anomaly).snoozed_at is None


def test_what_sleeps_is_not_in_the_queue(desk):
    asleep = make_anomaly(timestamp=NOON)
    awake = make_anomaly(timestamp=NOON - timedelta(hours=1))
    hold(desk, asleep, "snooze", span="24")
    query = urlencode({"queue": "status=pending&snoozed=no"})
    assert desk.get(QUEUE).url == f"{page_of(awake)}?{query}"


def test_opening_the_queue_wakes_what_is_due(desk):
    asleep = make_anomaly(timestamp=NOON)
    hold(desk, asleep, "snooze", ncd_above="0.8")
    later = timezone.now() + timedelta(seconds=9)  # than this test's transaction
    make_anomaly(timestamp=NOON - timedelta(hours=1), ncd_score=0.93, created_at=later)
    assert str(asleep.pk) in desk.get(QUEUE).url
    assert "NCD 0.93 above 0.8" in desk.get(page_of(asleep)).content.decode()


def test_the_queue_can_be_what_is_assigned_to_me(desk):
    make_anomaly(timestamp=NOON)
    mine = make_anomaly(timestamp=NOON - timedelta(hours=1))
    hold(desk, mine, "assign", mine="1")
    assert str(mine.pk) in desk.get(f"{QUEUE}?assigned=me").url


def test_an_out_of_date_form_is_answered_with_both_versions(desk):
    anomaly = make_anomaly()
    opened = desk.get(page_of(anomaly))
    decide("investigate", [anomaly.pk], Actor("bo"))
    answer = hold(desk, anomaly, "assign", opened, mine="1")
    assert answer.status_code == 409 and "investigate" in answer.content.decode()
    assert now(anomaly).assigned_to is None


def test_ticked_rows_are_assigned_to_me_at_once(desk):
    made = [make_anomaly(metadata={"host": f"db{n}"}) for n in range(3)]
    ids = [str(each.pk) for each in made[:2]]
    send(desk, LIST, action="assign_to_me", _selected_action=ids, index="0")
    assert sorted(Anomaly.objects.values_list("assigned_to", flat=True), key=str) == [
        None,
        "analyst",
        "analyst",
    ]


def test_ticked_rows_are_snoozed_after_the_page_that_asks_until_when(desk):
    anomaly = make_anomaly()
    asked = send(desk, LIST, action="snooze", _selected_action=[str(anomaly.pk)], index="0")
    assert now(anomaly).snoozed_at is None
    send(desk, LIST, asked, span="24")
    assert now(anomaly).snoozed_by == "analyst"


def test_a_viewer_sees_whose_it_is_and_no_form(client, viewer):
    client.force_login(viewer)
    anomaly = make_anomaly(assigned_to="ana")
    shown = client.get(page_of(anomaly)).content.decode()
    assert "Assigned to <strong>ana</strong>" in shown and 'name="mine"' not in shown
