"""The ways by which a digest is sent, by name."""

from __future__ import annotations

from anomalies.models import Channel

from .base import Sending
from .webhook import Webhook

_CHANNELS: dict[str, Sending] = {Channel.WEBHOOK: Webhook()}


def channel_of(name: str) -> Sending:
    """The channel of this name. Raises ValueError where this version has none."""
    if name not in _CHANNELS:
        raise ValueError(f"There is no channel {name}; there are {', '.join(sorted(_CHANNELS))}.")
    return _CHANNELS[name]


def names() -> list[str]:
    """The names of all channels, in the order in which they are offered."""
    return [name for name in Channel.values if name in _CHANNELS]
