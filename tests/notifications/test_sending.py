"""Sending: signed, at least once under one id, later each time, not in quiet hours, and given up at last."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import count

import pytest
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from anomalies.models import NotificationDelivery, NotificationRule
from anomalies.notifications.http_client import WHOLE_SECONDS, Answer
from anomalies.notifications.outbox import GIVE_UP_AFTER, KEPT, forget_old, settle, take, wait
from anomalies.notifications.rules import send_test
from anomalies.notifications.sender import send_once
from tests.support.factories import make_anomaly

from .receiver import Receiver
from .test_collecting import Killed, collect, killed_at

pytestmark = pytest.mark.django_db


def send(now: datetime) -> int:
    """Send all that is due at this moment; how many attempts."""
    return next(number for number in count() if not send_once(now))


@pytest.fixture
def now() -> datetime:
    """After the window of what is collected in the test."""
    return timezone.now() + timedelta(minutes=2)


@pytest.fixture
def delivery(rule) -> NotificationDelivery:
    """A digest of two anomalies, collected and not sent yet."""
    rule()
    make_anomaly(ncd_score=0.91)
    make_anomaly(ncd_score=0.92)
    collect()
    return NotificationDelivery.objects.get()


def test_a_digest_is_not_sent_before_the_end_of_its_window(delivery, receiver):
    assert send(delivery.due_at - timedelta(seconds=1)) == 0
    assert send(delivery.due_at) == 1
    assert len(receiver.came) == 1


def test_a_webhook_is_verified_by_the_published_library(delivery, receiver, now):
    send(now)
    (request,) = receiver.came
    secret = NotificationRule.objects.get().secret
    event = Webhook(secret).verify(request.body, request.headers)
    assert event["type"] == "notification.every_match"
    assert event["data"]["subject"] == "ours: 2 anomalies"
    assert [item["ncd_score"] for item in event["data"]["items"]] == [0.92, 0.91]
    assert event["data"]["items"][0]["url"].startswith("http://127.0.0.1:8000/admin/anomalies/anomaly/")
    assert request.headers["webhook-id"] == str(delivery.pk)


def test_a_changed_body_or_another_secret_is_not_verified(delivery, receiver, now):
    send(now)
    (request,) = receiver.came
    secret = NotificationRule.objects.get().secret
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(request.body.replace(b"2 anomalies", b"3 anomalies"), request.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").verify(request.body, request.headers)


def test_a_receiver_that_is_down_for_an_hour_loses_nothing(delivery, receiver, now):
    receiver.answers[:] = [503] * 9
    end = now + timedelta(hours=1)
    while (due := NotificationDelivery.objects.get().due_at) < end and receiver.answers:
        send(max(due, now))
    receiver.answers.clear()
    send(end + timedelta(hours=1))
    bodies = {(request.headers["webhook-id"], request.body) for request in receiver.came}
    assert len(receiver.came) > 5 and len(bodies) == 1
    assert NotificationDelivery.objects.get().sent_at


def test_while_a_digest_waits_for_its_receiver_the_next_one_collects(delivery, receiver, now):
    receiver.answers[:] = [503] * 20
    send(now)
    for minute in range(1, 40):
        make_anomaly()
        collect(now=now + timedelta(minutes=minute))
        send(now + timedelta(minutes=minute))
    assert NotificationDelivery.objects.count() == 2
    receiver.answers.clear()
    for later in (1.6, 2):
        send(now + timedelta(hours=later))
    assert [json.loads(request.body)["data"]["total"] for request in receiver.came[-2:]] == [2, 39]


def test_a_digest_waits_for_no_delivery_of_another_rule_nor_for_one_that_was_given_up(rule, receiver, now):
    waiting, gone, other = (rule(name=name) for name in ("waiting", "gone", "other"))
    for each, ended in ((waiting, None), (gone, now)):
        NotificationDelivery.objects.create(
            rule=each, due_at=now + timedelta(hours=9), closed_at=now, gave_up_at=ended, total=1
        )
    NotificationDelivery.objects.create(
        rule=other, due_at=now + timedelta(hours=9), closed_at=now, is_test=True, total=1
    )
    for each in (waiting, gone, other):
        NotificationDelivery.objects.create(rule=each, due_at=now, total=1)
    assert send(now) == 2
    sent = NotificationDelivery.objects.exclude(sent_at=None).values_list("rule__name", flat=True)
    assert set(sent) == {"gone", "other"}


def test_a_digest_waits_an_hour_at_most_for_the_delivery_before_it(rule, receiver, now):
    ours = rule()
    for due, closed in ((now + timedelta(hours=9), now), (now - timedelta(hours=1), None)):
        NotificationDelivery.objects.create(rule=ours, due_at=due, closed_at=closed, total=1)
    assert send(now - timedelta(seconds=1)) == 0
    assert send(now) == 1


def test_what_one_worker_sends_no_other_takes_until_its_lease_ends(delivery, now):
    assert take(now).pk == delivery.pk
    assert take(now + timedelta(seconds=2 * WHOLE_SECONDS - 1)) is None
    again = take(now + timedelta(seconds=2 * WHOLE_SECONDS))
    assert (again.pk, again.attempts) == (delivery.pk, 2)


def test_every_attempt_sends_the_body_of_the_first(delivery, receiver, now):
    receiver.answers[:] = [500]
    send(now)
    NotificationRule.objects.update(name="renamed")
    send(now + timedelta(hours=2))
    assert len({request.body for request in receiver.came}) == 1 < len(receiver.came)


@pytest.mark.parametrize("status", [301, 400, 401, 404, 429, 500, 503])
def test_a_failure_is_in_the_log_and_due_again(delivery, receiver, now, status):
    receiver.answers[:] = [status]
    send(now)
    delivery.refresh_from_db()
    assert f"answered {status}" in delivery.error
    assert delivery.sent_at is None and delivery.gave_up_at is None and delivery.due_at > now


def test_the_receiver_says_how_long_to_wait(delivery, receiver, now):
    receiver.answers[:] = [(429, {"Retry-After": "600"})]
    send(now)
    delivery.refresh_from_db()
    assert delivery.due_at == now + timedelta(seconds=600)


def test_waits_double_up_to_an_hour_with_half_of_it_by_chance():
    seconds = [[wait(n, chance=chance).total_seconds() for chance in (0, 1)] for n in (1, 2, 3, 7, 8, 99)]
    assert seconds == [[15, 30], [30, 60], [60, 120], [960, 1920], [1800, 3600], [1800, 3600]]
    assert wait(1, asked=7200, chance=0) == timedelta(hours=2)


def test_after_days_it_is_given_up_and_the_log_says_so(delivery, receiver, now):
    receiver.answers[:] = [500, 500]
    send(now)
    send(now + GIVE_UP_AFTER)
    delivery.refresh_from_db()
    assert delivery.gave_up_at and delivery.sent_at is None and "answered 500" in delivery.error
    assert send(now + 2 * GIVE_UP_AFTER) == 0


def test_a_receiver_that_is_gone_stops_the_rule(delivery, receiver, now):
    receiver.answers[:] = [410]
    send(now)
    rule = NotificationRule.objects.get()
    assert rule.stop_reason == "answered 410: the receiver wants no more notifications"
    assert NotificationDelivery.objects.get().gave_up_at == now


def test_a_host_that_is_not_allowed_any_more_is_not_asked(delivery, receiver, now, settings):
    settings.NOTIFY_ALLOWED = []
    send(now)
    delivery.refresh_from_db()
    assert receiver.came == [] and "no public address" in delivery.error


def test_what_is_due_in_quiet_hours_is_sent_after_them(rule, receiver, now):
    start, end = (now + timedelta(minutes=minutes) for minutes in (-5, 60))
    rule(quiet=(start.time(), end.time()))
    NotificationDelivery.objects.create(rule=NotificationRule.objects.get(), due_at=now, total=1)
    assert send(now) == 0
    assert send(end) == 1


def test_a_test_is_sent_at_once_also_in_quiet_hours_and_tried_once(rule, receiver, now):
    start, end = (now + timedelta(minutes=minutes) for minutes in (-5, 60))
    send_test(rule(quiet=(start.time(), end.time())))
    receiver.answers[:] = [500]
    assert send(now) == 1
    assert json.loads(receiver.came[0].body)["type"] == "notification.test"
    assert NotificationDelivery.objects.get().gave_up_at == now


def test_a_sender_that_is_killed_at_any_statement_loses_nothing(rule, receiver, now):
    rule()
    for nth in count(1):
        make_anomaly()
        collect(now=now)
        pk = NotificationDelivery.objects.latest("opened_at", "id").pk
        now += timedelta(hours=2)
        receiver.came.clear()
        with killed_at(nth) as seen, suppress(Killed):
            send(now)
        send(now + timedelta(minutes=5))
        assert NotificationDelivery.objects.get(pk=pk).sent_at, seen[-1]
        assert len({(request.headers["webhook-id"], request.body) for request in receiver.came}) == 1
        now += timedelta(hours=2)
        if len(seen) < nth:
            break
    assert nth > 5


def test_an_answer_that_comes_late_changes_nothing_but_a_success_does(delivery, now):
    slow = take(now)
    other = take(now + timedelta(minutes=5))
    settle(other, Answer(False, "of the second"), now)
    settle(slow, Answer(False, "of the first"), now)
    assert NotificationDelivery.objects.get().error == "of the second"
    settle(slow, Answer(True), now)
    assert NotificationDelivery.objects.get().sent_at == now


def test_what_was_sent_stays_sent_and_a_late_success_takes_a_giving_up_back(delivery, now):
    taken = take(now)
    settle(taken, Answer(False, "gone", is_final=True), now)
    assert NotificationDelivery.objects.get().gave_up_at == now
    settle(taken, Answer(True), now)
    settle(taken, Answer(False, "late"), now)
    stored = NotificationDelivery.objects.get()
    assert (stored.sent_at, stored.gave_up_at, stored.error) == (now, None, None)


def test_a_test_that_is_refused_stops_no_rule(rule, receiver, now):
    send_test(rule())
    receiver.answers[:] = [410]
    assert send(now) == 1
    assert NotificationRule.objects.get().stopped_at is None


def test_what_was_given_up_is_forgotten_as_what_was_sent(delivery, now):
    settle(take(now), Answer(False, "gone", is_final=True), now)
    assert not forget_old(now + KEPT)
    assert forget_old(now + KEPT + timedelta(seconds=1))


def test_the_log_is_kept_for_90_days(delivery, receiver, now):
    send(now)
    assert not forget_old(now + KEPT - timedelta(seconds=1))
    assert forget_old(now + KEPT + timedelta(seconds=1))
    assert not NotificationDelivery.objects.exists()


def test_the_receiver_fixture_is_this_machine(receiver: Receiver):
    assert receiver.url.startswith("http://127.0.0.1:")
