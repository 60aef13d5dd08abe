"""An alert for Prometheus Alertmanager's API v2, which groups, silences and routes it.

The labels name the rule and nothing that changes, so a later digest of the rule continues the same alert, and
Alertmanager resolves it when none came for its ``resolve_timeout``. What changes is in the annotations.
https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from __future__ import annotations

import json

from anomalies.models import NotificationDelivery, NotificationRule

from ..http_client import Answer, post
from .base import Digest, checked_url

PATH = "/api/v2/alerts"


class Alertmanager:
    """A list of one alert."""

    def checked_target(self, target: str) -> str:
        """The address of the Alertmanager, without or with PATH. Raises ValueError."""
        if "?" in target:
            raise ValueError("Write the address of the Alertmanager, without a question mark.")
        return checked_url(target.rstrip("/").removesuffix(PATH))

    def body(self, digest: Digest) -> str:
        """The alert."""
        titles = [f"{item['title']} {item['url']}" for item in digest.items]
        more = [f"and {digest.more:,} more"] if digest.more else []
        alert = {
            "labels": {
                "alertname": "DriftlockTest" if digest.is_test else "Driftlock",
                "rule": digest.rule,
                "rule_id": str(digest.rule_id),
                "condition": digest.condition,
            },
            "annotations": {"summary": digest.subject, "description": "\n".join([*titles, *more])},
            "startsAt": digest.opened_at.isoformat(),
            "generatorURL": digest.list_url,
        }
        return json.dumps([alert], ensure_ascii=False)

    def send(self, rule: NotificationRule, delivery: NotificationDelivery) -> Answer:
        """Send the body."""
        body = (delivery.body or "").encode()
        return post(f"{rule.target}{PATH}", body, {"Content-Type": "application/json"})
