"""The ways by which a digest is sent, by name."""

from __future__ import annotations

from anomalies.models import Channel

from .alertmanager import Alertmanager
from .base import Sending
from .email import Email
from .slack import Slack
from .webhook import Webhook

_CHANNELS: dict[str, Sending] = {
    Channel.WEBHOOK: Webhook(),
    Channel.SLACK: Slack(),
    Channel.ALERTMANAGER: Alertmanager(),
    Channel.EMAIL: Email(),
}


def channel_of(name: str) -> Sending:
    """The channel of this name."""
    return _CHANNELS[name]
