"""Notification rules: made complete or not at all, on record without their secret, stopped."""

from __future__ import annotations

from datetime import time

import pytest

from anomalies.audit import Actor
from anomalies.models import AuditLog, NotificationDelivery, NotificationRule
from anomalies.notifications.rules import NewNotification, NotificationError, make, stop

pytestmark = pytest.mark.django_db

GOOD = {
    "name": "Payments",
    "condition": "every_match",
    "channel": "webhook",
    "target": "https://hooks.example.org/x",
}
LEAD = Actor("lead", via="test")
WRONG = {
    "name": [{"name": " "}, {"name": "x" * 81}, {"name": "a\x1bb"}],
    "condition": [{"condition": "sometimes"}],
    "channel": [{"channel": "pigeon"}],
    "address": [{"target": "hooks.example.org"}, {"target": "https://u:p@hooks.example.org/"}],
    "ilter": [{"query": "status=nonsense"}, {"query": "ncd_min=7"}, {"condition": "silent", "query": "q=x"}],
    "minutes": [{"minutes": 5}, {"condition": "unassigned"}, {"condition": "unassigned", "minutes": 0}],
    "seconds": [{"digest_seconds": -1}, {"digest_seconds": 86_401}],
    "zone": [{"zone": "Berlin"}, {"zone": "../etc"}],
    "times": [{"quiet": (time(7), time(7))}],
}


def test_a_rule_has_its_owner_its_filter_and_a_secret_of_its_own():
    rule, secret = make(NewNotification(**GOOD, query="?status=pending&page=3"), LEAD)
    assert (rule.owner, rule.query, rule.secret) == ("lead", "status=pending", secret)
    assert secret.startswith("whsec_") and secret != make(NewNotification(**GOOD), LEAD)[1]


@pytest.mark.parametrize(("word", "over"), [(word, over) for word, each in WRONG.items() for over in each])
def test_what_is_wrong_is_named_and_nothing_is_made(word, over):
    with pytest.raises(NotificationError, match=word):
        make(NewNotification(**{**GOOD, **over}), LEAD)
    assert not NotificationRule.objects.exists()


def test_making_and_stopping_leave_entries_without_the_secret():
    rule, secret = make(NewNotification(**GOOD), LEAD)
    assert stop([rule.pk], Actor("bob"), "no longer needed") == 1
    assert stop([rule.pk], Actor("bob")) == 0
    entries = AuditLog.objects.filter(resource_type="notification rule").order_by("id")
    assert [(entry.action, entry.username) for entry in entries] == [("create", "lead"), ("stop", "bob")]
    assert entries[0].new_values["receiver"] == "https://hooks.example.org"
    assert entries[1].new_values["stop_reason"] == "no longer needed"
    assert secret not in str([(entry.old_values, entry.new_values, entry.metadata) for entry in entries])


def test_another_secret_is_recorded_as_a_change_and_not_shown():
    make(NewNotification(**GOOD), LEAD)
    NotificationRule.objects.update(secret="whsec_forged", target="https://evil.example.org/")
    entry = AuditLog.objects.filter(resource_type="notification rule").latest("id")
    assert entry.new_values == {"secret": "changed", "target": "changed"}


def test_a_rule_has_one_open_digest_only():
    rule, _ = make(NewNotification(**GOOD), LEAD)
    first, second = (NotificationDelivery(rule=rule, due_at=rule.created_at) for _ in range(2))
    NotificationDelivery.objects.bulk_create([first, second], ignore_conflicts=True)
    assert NotificationDelivery.objects.count() == 1
