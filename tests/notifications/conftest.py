"""A receiver for each module, people, and rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from anomalies.audit import Actor
from anomalies.models import NotificationRule
from anomalies.notifications.rules import NewNotification, make

from .receiver import Receiver, receiving


@pytest.fixture(scope="module")
def server() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def receiver(server, settings) -> Receiver:
    """The module's receiver without what came before; it is on this machine, so it has to be listed."""
    settings.NOTIFY_ALLOWED = ["127.0.0.1"]
    server.came.clear()
    server.answers.clear()
    return server


@pytest.fixture
def rule(lead, receiver) -> Callable[..., NotificationRule]:
    """A function that makes rules of the lead's: webhooks to the receiver about every anomaly, at once."""

    def made(**over: Any) -> NotificationRule:
        given = {"condition": "every_match", "channel": "webhook", "target": receiver.url}
        new = NewNotification(**{"name": "ours", "digest_seconds": 60, **given, **over})
        return make(new, Actor(lead.username))[0]

    return made
