"""A webhook as Standard Webhooks 1.0 has it: an id, a time, and an HMAC over both and the body.

The receiver verifies with the secret that was shown when the rule was made, refuses a time that is too far
from its own, and keeps the id: one that comes again is the same notification.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

from anomalies.models import NotificationDelivery, NotificationRule

from ..http_client import Answer, post
from .base import Digest, checked_url

PREFIX = "whsec_"


class Webhook:
    """Signed JSON to an address."""

    def checked_target(self, target: str) -> str:
        """The address. Raises ValueError."""
        return checked_url(target)

    def body(self, digest: Digest) -> str:
        """The event: its type, its time, and the digest as data."""
        event = {
            "type": "notification.test" if digest.is_test else f"notification.{digest.condition}",
            "timestamp": digest.closed_at.isoformat(),
            "data": {
                "subject": digest.subject,
                "rule": {"id": str(digest.rule_id), "name": digest.rule, "condition": digest.condition},
                "since": digest.opened_at.isoformat(),
                "total": digest.total,
                "not_listed": digest.more,
                "items": list(digest.items),
                "url": digest.list_url,
            },
        }
        return json.dumps(event, ensure_ascii=False, separators=(",", ":"))

    def send(self, rule: NotificationRule, delivery: NotificationDelivery) -> Answer:
        """Send the body with its id and a signature of now."""
        body = (delivery.body or "").encode()
        when = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": str(delivery.pk),
            "webhook-timestamp": when,
            "webhook-signature": signature(rule.secret, str(delivery.pk), when, body),
        }
        return post(rule.target, body, headers)


def signature(secret: str, message_id: str, when: str, body: bytes) -> str:
    """The signature "v1,…" of a message; the key is what follows PREFIX, in base64."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{when}.".encode() + body
    return f"v1,{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}"
