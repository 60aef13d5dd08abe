"""The outbox: which delivery is sent next, and what becomes of it.

Sending takes two transactions around the request, so that no lock is held while a receiver is waited for. The
first one takes a delivery that is due and sets its next attempt; the second one writes the answer. Killed in
between, the delivery is sent again at that next attempt, under the same id and with the same body: at least
once, and the receiver knows a second one by its id.

Waits double up to an hour, with jitter, so that many deliveries to a receiver that returns do not come at
once (Exponential Backoff And Jitter, AWS Architecture Blog, 2015). While a delivery of a rule waits for its
receiver, the rule's open digest goes on collecting, for up to an hour: a receiver that is down is sent few
large digests when it returns, not one for each window.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from anomalies.models import NotificationDelivery

from .channels import channel_of
from .channels.base import digest_of
from .http_client import WHOLE_SECONDS, Answer
from .rules import SYSTEM, quiet_hours, stop

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=1)
GIVE_UP_AFTER = timedelta(days=3)
KEPT = timedelta(days=90)  # the log of what was sent
_LEASE = timedelta(seconds=2 * WHOLE_SECONDS)  # what is being sent is not taken by another worker before

_NEXT = """
    SELECT id FROM notification_deliveries AS delivery
    WHERE sent_at IS NULL AND gave_up_at IS NULL AND due_at <= %(now)s
      AND NOT (closed_at IS NULL AND due_at > %(collecting)s AND EXISTS (
          SELECT FROM notification_deliveries AS former
          WHERE former.rule_id = delivery.rule_id AND former.closed_at IS NOT NULL AND NOT former.is_test
            AND former.sent_at IS NULL AND former.gave_up_at IS NULL
      ))
    ORDER BY opened_at, id LIMIT 1
    FOR UPDATE SKIP LOCKED
"""
_OLD = """
    DELETE FROM notification_deliveries WHERE id IN (
        SELECT id FROM notification_deliveries
        WHERE coalesce(sent_at, gave_up_at) < %(before)s LIMIT 1000 FOR UPDATE SKIP LOCKED)
"""


def take(now: datetime | None = None) -> NotificationDelivery | None:
    """Take the next delivery that is due, closed and with its body; None where there is none.

    Those that fall into quiet hours are put off to their end.
    """
    now = now or timezone.now()
    with transaction.atomic():
        while delivery := _next(now):
            quiet = quiet_hours(delivery.rule)
            if not quiet or delivery.is_test or (later := quiet.next_allowed(now)) <= now:
                _close(delivery, now)
                return delivery
            delivery.due_at = later
            delivery.save(update_fields=["due_at"])
    return None


def _close(delivery: NotificationDelivery, now: datetime) -> None:
    """Write the body, if it is the first attempt, and the time of the next attempt."""
    if delivery.body is None:
        delivery.closed_at = delivery.closed_at or now
        digest = digest_of(delivery.rule, delivery, delivery.closed_at)
        delivery.body = channel_of(delivery.rule.channel).body(digest)
    delivery.attempts += 1
    delivery.attempted_at = now
    delivery.due_at = now + _LEASE
    delivery.save(update_fields=["closed_at", "body", "attempts", "attempted_at", "due_at"])


def settle(delivery: NotificationDelivery, answer: Answer, now: datetime | None = None) -> None:
    """Write the answer to an attempt: it is sent, or due again, or given up."""
    now = now or timezone.now()
    with transaction.atomic():
        # Where this worker was slow, another one has taken it since: only a success counts then.
        mine = NotificationDelivery.objects.filter(pk=delivery.pk, sent_at=None)
        if answer.ok:
            mine.update(sent_at=now, gave_up_at=None, error=None)
            return
        mine = mine.filter(attempts=delivery.attempts, gave_up_at=None)
        closed_at = delivery.closed_at or now
        if answer.is_final or delivery.is_test or now - closed_at >= GIVE_UP_AFTER:
            mine.update(gave_up_at=now, error=answer.words)
        else:
            mine.update(due_at=now + wait(delivery.attempts, answer.retry_after), error=answer.words)
        if answer.is_final and not delivery.is_test:
            stop([delivery.rule_id], SYSTEM, answer.words)


def wait(attempts: int, asked: float | None = None, chance: float | None = None) -> timedelta:
    """The wait after so many attempts: FIRST_WAIT doubled each time, up to LONGEST_WAIT, half of it by chance
    (0 to 1), and at least the seconds that the receiver asked for."""
    longest: timedelta = min(FIRST_WAIT * 2 ** min(attempts - 1, 20), LONGEST_WAIT)
    share = random.SystemRandom().random() if chance is None else chance
    return max(longest * (0.5 + share / 2), timedelta(seconds=asked or 0))


def forget_old(now: datetime | None = None) -> bool:
    """Delete some of the deliveries that ended longer than KEPT ago; True where there were any."""
    with connection.cursor() as cursor:
        cursor.execute(_OLD, {"before": (now or timezone.now()) - KEPT})
        return bool(cursor.rowcount)


def _next(now: datetime) -> NotificationDelivery | None:
    with connection.cursor() as cursor:
        cursor.execute(_NEXT, {"now": now, "collecting": now - LONGEST_WAIT})
        row = cursor.fetchone()
    return NotificationDelivery.objects.select_related("rule").get(pk=row[0]) if row else None
