"""Queue mode: one after another, and the next one after each decision."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from anomalies.audit import Actor
from anomalies.models import Anomaly
from anomalies.triage.decisions import decide
from tests.support.factories import NOON, make_anomaly
from tests.support.forms import LIST, send

pytestmark = pytest.mark.django_db

QUEUE = "/admin/anomalies/anomaly/queue/"


@pytest.fixture
def desk(client: Client, analyst) -> Client:
    client.force_login(analyst)
    return client


def made(*hours: int, **over: Any) -> list[Anomaly]:
    return [make_anomaly(timestamp=NOON - timedelta(hours=hour), **over) for hour in hours]


def page_of(anomaly: Anomaly, query: str = "status=pending&snoozed=no") -> str:
    return f"{LIST}{anomaly.pk}/change/?{urlencode({'queue': query})}"


def after(desk: Client, response: Any) -> Any:
    """The address after all redirects."""
    while response.status_code == 302:
        response = desk.get(response.url)
    return response


def test_the_queue_begins_with_the_newest_that_is_pending(desk):
    newest, _ = made(1, 2)
    make_anomaly(status="dismissed")
    assert desk.get(QUEUE).url == page_of(newest)


def test_a_decision_leads_to_the_next_one(desk):
    first, second = made(1, 2)
    answer = send(desk, page_of(first), action="acknowledge", note="")
    assert desk.get(answer.url).url == page_of(second)
    assert Anomaly.objects.get(pk=first.pk).status == "acknowledged"


def test_a_note_stays_where_it_was_written(desk):
    first, _ = made(1, 2)
    assert send(desk, page_of(first), action="note", note="hm").url == page_of(first)


def test_outside_of_a_queue_a_decision_stays_on_its_page(desk):
    (anomaly,) = made(1)
    path = f"{LIST}{anomaly.pk}/change/"
    assert send(desk, path, action="acknowledge", note="").url == path


def test_skipping_goes_on_and_back_leads_back(desk):
    first, second, third = made(1, 2, 3)
    bar = desk.get(page_of(second)).context["queue"]
    assert desk.get(bar["next"]).url == page_of(third)
    assert desk.get(bar["previous"]).url == page_of(first)


def test_at_its_end_the_queue_starts_again_and_says_so(desk):
    first, second = made(1, 2)
    bar = desk.get(page_of(second)).context["queue"]
    page = desk.get(bar["next"], follow=True)
    assert page.request["PATH_INFO"] == f"{LIST}{first.pk}/change/"
    assert "End of the queue; it starts again from the top." in page.content.decode()


def test_what_somebody_else_has_decided_is_passed_over(desk):
    first, second, third = made(1, 2, 3)
    bar = desk.get(page_of(first)).context["queue"]
    decide("investigate", [second.pk], Actor("bo"))
    assert desk.get(bar["next"]).url == page_of(third)


def test_a_decision_about_what_has_changed_is_not_taken(desk):
    first, _ = made(1, 2)
    opened = desk.get(page_of(first))
    decide("investigate", [first.pk], Actor("bo"))
    answer = send(desk, page_of(first), opened, action="acknowledge", note="mine")
    assert answer.status_code == 409 and "mine" in answer.content.decode()
    assert "waiting" in answer.content.decode()


def test_an_empty_queue_says_so_on_the_list(desk):
    (anomaly,) = made(1)
    page = after(desk, send(desk, page_of(anomaly), action="acknowledge", note=""))
    assert page.request["PATH_INFO"] == LIST
    assert "Nothing is waiting: pending, not snoozed anomalies." in page.content.decode()


def test_the_lists_filter_is_the_queues(desk):
    made(1)
    (llm,) = made(2, stream_type="llm")
    link = f"{QUEUE}?stream=llm&ncd_min=0.1"
    shown = desk.get(f"{LIST}?stream=llm&ncd_min=0.1").content.decode()
    assert f'href="{QUEUE}?ncd_min=0.1&amp;stream=llm"' in shown
    assert desk.get(link).url == page_of(llm, "stream=llm&ncd_min=0.1&status=pending&snoozed=no")


def test_another_status_is_worked_through_when_it_is_asked_for(desk):
    made(1)
    (taken,) = made(2, status="investigating")
    assert desk.get(f"{QUEUE}?status=investigating").url == page_of(taken, "status=investigating&snoozed=no")


@pytest.mark.parametrize("query", ["status=gone", "ncd_min=x", "metadata=x"])
def test_an_invalid_queue_filter_leads_to_the_list(desk, query):
    made(1)
    assert "Invalid queue filter" in desk.get(f"{QUEUE}?{query}", follow=True).content.decode()


@pytest.mark.parametrize("place", ["x", "1,2", "\0", "9" * 9000])
def test_a_place_that_is_none_begins_the_queue(desk, place):
    (anomaly,) = made(1)
    assert desk.get(QUEUE, {"after": place}).url == page_of(anomaly)


def test_whoever_may_only_look_can_go_through_it(client, viewer):
    client.force_login(viewer)
    first, second = made(1, 2)
    bar = client.get(page_of(first)).context["queue"]
    assert client.get(bar["next"]).url == page_of(second)


def test_the_order_by_time_is_kept_from_page_to_page(desk):
    first, second = made(1, 2, novelty=0.1)
    (novel,) = made(3, novelty=0.9, glass_box_explanation="novel")
    by_time = "status=pending&snoozed=no&order=time"
    assert desk.get(QUEUE).url == page_of(novel)
    assert desk.get(f"{QUEUE}?order=time").url == page_of(first, by_time)
    answer = send(desk, page_of(first, by_time), action="acknowledge", note="")
    assert desk.get(answer.url).url == page_of(second, by_time)


def test_the_bar_says_the_order_the_oldest_and_what_is_for_review(desk):
    (anomaly,) = made(1, metadata={"review": True})
    bar = desk.get(page_of(anomaly)).context["queue"]
    assert bar["is_for_review"] and not bar["is_by_time"] and bar["oldest"]
    assert desk.get(bar["other_order"]).url == page_of(anomaly, "status=pending&snoozed=no&order=time")
    assert "order" not in desk.get(page_of(anomaly, "order=time")).context["queue"]["list"]
