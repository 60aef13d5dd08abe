"""The bodies for Slack, Alertmanager and mailboxes, with text from outside made safe for each."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from anomalies.audit import Actor
from anomalies.models import NotificationDelivery
from anomalies.notifications.rules import NewNotification, NotificationError, make, send_test
from anomalies.notifications.sender import send_once
from tests.support.factories import make_anomaly

from .test_collecting import collect

pytestmark = pytest.mark.django_db

HOSTILE = "<!channel> <https://evil.example|click> & \x1b[2J *bold*"


def sent(rule, receiver, count: int = 12, **over: Any) -> Any:
    """The JSON that the receiver got for a digest of so many hostile anomalies, and the path."""
    rule(name="Payments <b>", **over)
    for number in range(count):
        make_anomaly(glass_box_explanation=f"{HOSTILE} {chr(97 + number)}", metadata={"service": "pay<i>"})
    collect()
    assert send_once(timezone.now() + timedelta(minutes=2))
    return json.loads(receiver.came[0].body), receiver.came[0].path


def test_slack_gets_text_and_blocks_in_which_nothing_from_outside_is_a_link_or_a_mention(rule, receiver):
    message, _ = sent(rule, receiver, channel="slack")
    assert message["text"] == "Payments &lt;b&gt;: 12 anomalies"
    texts = [block["text"]["text"] for block in message["blocks"]]
    assert len(texts) == 12 and all(len(text) <= 3_000 for text in texts)
    assert texts[1].count("<") == 1 and "&lt;!channel&gt;" in texts[1] and "¦click" in texts[1]
    assert texts[1].startswith("<http://127.0.0.1:8000/admin/anomalies/anomaly/")
    assert texts[-1].startswith("and 2 more: <http")


def test_a_message_for_slack_is_never_longer_than_it_takes(rule, receiver):
    rule(channel="slack")
    make_anomaly(glass_box_explanation="&" * 5_000, metadata={"service": "<" * 5_000})
    collect()
    send_once(timezone.now() + timedelta(minutes=2))
    texts = [block["text"]["text"] for block in json.loads(receiver.came[0].body)["blocks"]]
    assert max(map(len, texts)) <= 3_000


def test_a_rule_for_slack_has_no_secret(rule):
    assert rule(channel="slack").secret == ""


@pytest.mark.parametrize("ending", ["", "/", "/api/v2/alerts", "/api/v2/alerts/"])
def test_alertmanager_gets_one_alert_whose_labels_name_the_rule_alone(rule, receiver, ending):
    base = receiver.url.removesuffix("/hook")
    (alert,), path = sent(rule, receiver, channel="alertmanager", target=f"{base}/am{ending}")
    assert path == "/am/api/v2/alerts"
    assert {name: alert["labels"][name] for name in ("alertname", "rule", "condition")} == {
        "alertname": "Driftlock",
        "rule": "Payments <b>",
        "condition": "every_match",
    }
    assert alert["annotations"]["summary"] == "Payments <b>: 12 anomalies"
    assert alert["annotations"]["description"].endswith("and 2 more")
    delivery = NotificationDelivery.objects.get()
    assert alert["startsAt"] == delivery.opened_at.isoformat()


def test_a_test_is_no_alert_about_anomalies(rule, receiver):
    send_test(rule(channel="alertmanager", target=receiver.url))
    send_once()
    (alert,) = json.loads(receiver.came[0].body)
    assert alert["labels"]["alertname"] == "DriftlockTest"


# --- e-mail -----------------------------------------------------------------------------------------------


@pytest.fixture
def mailed(lead, settings, mailoutbox) -> list[Any]:
    """The mailbox, with a mail server set."""
    settings.EMAIL_HOST = "mail.example.org"
    return mailoutbox


def by_mail(target: str = "ops@example.org, lead@example.org") -> NotificationDelivery:
    """A digest that was collected for a rule by e-mail, and sent."""
    make(NewNotification("Payments <b>", "every_match", "email", target), Actor("lead"))
    make_anomaly(glass_box_explanation="<script>alert(1)</script> lost")
    collect()
    assert send_once(timezone.now() + timedelta(minutes=2))
    return NotificationDelivery.objects.get()


def test_a_mailbox_gets_plain_text_and_html_with_markup_escaped(mailed):
    delivery = by_mail()
    (message,) = mailed
    assert message.subject == "Payments <b>: 1 anomaly"
    assert message.to == ["ops@example.org", "lead@example.org"]
    assert "- <script>alert(1)</script> lost\n" in message.body
    ((html, kind),) = message.alternatives
    assert kind == "text/html" and "&lt;script&gt;" in html and "<script>" not in html
    assert message.extra_headers["Message-ID"] == f"<{delivery.pk}@127.0.0.1>"
    assert delivery.sent_at


def test_without_a_mail_server_the_log_says_which_setting_is_missing(lead, settings, mailoutbox):
    settings.EMAIL_HOST = ""
    assert by_mail().error == "no e-mail server is set: DRIFTLOCK_EMAIL"
    assert mailoutbox == []


def test_a_mail_server_that_does_not_answer_is_tried_again(lead, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    delivery = by_mail()
    assert delivery.error.startswith("the e-mail server: ") and delivery.gave_up_at is None


@pytest.mark.parametrize("target", ["", ",", "nobody", "a@b.example\nBcc: c@d.example", "x@y, <a@b.example>"])
def test_what_is_no_address_is_refused(lead, target):
    with pytest.raises(NotificationError, match="e-mail address"):
        make(NewNotification("Payments", "every_match", "email", target), Actor("lead"))
