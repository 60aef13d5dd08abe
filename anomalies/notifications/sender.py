"""One step of sending: take a delivery that is due, send it, write the answer."""

from __future__ import annotations

from datetime import datetime

from .channels import channel_of
from .outbox import settle, take


def send_once(now: datetime | None = None) -> bool:
    """Send the next delivery that is due; False where there is none."""
    delivery = take(now)
    if delivery is None:
        return False
    settle(delivery, channel_of(delivery.rule.channel).send(delivery.rule, delivery), now)
    return True
