"""The pages of notifications: a rule is made, listed, tested, copied and stopped; deliveries are logged."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from anomalies.models import NotificationDelivery, NotificationRule, SavedFilter
from anomalies.notifications.http_client import Answer
from anomalies.notifications.outbox import settle, take
from anomalies.work.heartbeats import store_report
from tests.support.factories import make_user

pytestmark = pytest.mark.django_db

RULES, LOG = "/admin/anomalies/notificationrule/", "/admin/anomalies/notificationdelivery/"
GOOD = {
    "name": "Payments",
    "condition": "every_match",
    "query": "status=pending&ncd_min=0.9",
    "digest_seconds": "300",
    "quiet_from": "22:00",
    "quiet_until": "07:00",
    "zone": "Europe/Berlin",
    "channel": "webhook",
    "target": "https://hooks.example.org/x",
}


@pytest.fixture
def desk(client, lead) -> Client:
    client.force_login(lead)
    return client


def words(page: Any) -> str:
    """The text of a page, without its marks and repeated blanks."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.content.decode())))


def test_a_rule_is_made_and_its_secret_is_shown_once(desk):
    page = desk.post(f"{RULES}add/", GOOD)
    rule = NotificationRule.objects.get()
    assert rule.secret in words(page)
    listed = words(desk.get(RULES))
    assert rule.secret not in listed
    for part in (
        "pending anomalies with NCD ≥ 0.9",
        "300 s, quiet 22:00 to 07:00 Europe/Berlin",
        "webhook: https://hooks.example.org/x",
        "active",
    ):
        assert part in listed


def test_a_saved_filter_is_copied_into_the_rule(desk, lead):
    saved = SavedFilter.objects.create(owner=lead, name="urgent", query="status=pending")
    desk.post(f"{RULES}add/", GOOD | {"saved_filter": str(saved.pk), "query": ""})
    saved.delete()
    assert NotificationRule.objects.get().query == "status=pending"


def test_a_saved_filter_of_somebody_else_is_not_offered(desk):
    theirs = SavedFilter.objects.create(owner=make_user("lead", "bob"), name="theirs", query="q=x")
    desk.post(f"{RULES}add/", GOOD | {"saved_filter": str(theirs.pk), "query": ""})
    assert not NotificationRule.objects.exists()


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"quiet_until": ""}, "Quiet hours have a beginning and an end"),
        ({"target": "ftp://x"}, "Write a whole address"),
        ({"query": "status=x"}, "Invalid filter values"),
        ({"zone": "Mars"}, "Name a zone"),
        ({"condition": "sometimes"}, "Select a valid choice"),
        ({"condition": "unassigned"}, "after how many minutes"),
        ({"channel": "email"}, "e-mail address"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(desk, over, said):
    page = desk.post(f"{RULES}add/", GOOD | over)
    assert said in words(page) and 'value="Payments"' in page.content.decode()
    assert not NotificationRule.objects.exists()


def test_a_rule_is_copied_without_its_secret(desk):
    desk.post(f"{RULES}add/", GOOD)
    address = unescape(re.search(r'<a href="([^"]*)">Copy', desk.get(RULES).content.decode())[1])
    form = desk.get(address).content.decode()
    assert 'value="Payments"' in form and "status=pending&amp;ncd_min=0.9" in form and 'value="22:00' in form
    assert "whsec_" not in form


def test_a_test_is_queued_by_a_button_and_its_answer_is_in_the_log(desk):
    desk.post(f"{RULES}add/", GOOD)
    address = re.search(r'formaction="([^"]*)"', desk.get(RULES).content.decode())[1]
    page = words(desk.post(address, follow=True))
    assert "waits for a worker, and none runs" in page and "Payments (test)" in page
    settle(take(), Answer(False, "answered 500 \x1b"))
    assert "answered 500 \\x1b" in words(desk.get(LOG))
    store_report("a:1", ["deliveries"], "running")
    assert "The worker sends the test now" in words(desk.post(address, follow=True))


def test_selected_rules_are_stopped_and_a_stopped_one_is_not_tested(desk):
    desk.post(f"{RULES}add/", GOOD)
    rule = NotificationRule.objects.get()
    sent = {"action": "stop", "_selected_action": [str(rule.pk)], "index": "0"}
    assert "Stopped: 1." in words(desk.post(RULES, sent, follow=True))
    assert "stopped by lead: stopped by hand" in words(desk.get(RULES))
    assert "no such active rule" in words(desk.post(f"{RULES}{rule.pk}/test/", follow=True))
    assert "no such active rule" in words(desk.post(f"{RULES}x/test/", follow=True))


def test_the_log_is_filtered_by_outcome_and_rule(desk):
    desk.post(f"{RULES}add/", GOOD)
    rule = NotificationRule.objects.get()
    for number, over in enumerate(({"sent_at": rule.created_at}, {"gave_up_at": rule.created_at}, {})):
        closed = {"closed_at": rule.created_at, "due_at": rule.created_at}
        NotificationDelivery.objects.create(rule=rule, total=number + 71, **closed, **over)
    shown = {each: words(desk.get(f"{LOG}?outcome={each}")) for each in ("sent", "gave_up", "waiting")}
    assert [number for number in ("71", "72", "73") if f" {number} " in shown["gave_up"]] == ["72"]
    assert "sent 20" in shown["sent"] and "next attempt" in shown["waiting"]
    assert " 73 " in words(desk.get(f"{LOG}?rule__id__exact={rule.pk}"))


def test_both_lists_take_the_same_queries_at_any_size(desk, django_assert_num_queries):
    desk.post(f"{RULES}add/", GOOD)
    rule = NotificationRule.objects.get()
    for size in (3, 30):
        for number in range(size):
            made = NotificationRule.objects.create(
                name=f"{number}",
                owner="x",
                condition="every_match",
                channel="webhook",
                target="https://x.example",
            )
            when = {"closed_at": rule.created_at, "due_at": rule.created_at}
            NotificationDelivery.objects.create(rule=made, **when)
        with django_assert_num_queries(RULES_QUERIES):
            desk.get(RULES)
        with django_assert_num_queries(LOG_QUERIES):
            desk.get(LOG)


RULES_QUERIES, LOG_QUERIES = 4, 5
