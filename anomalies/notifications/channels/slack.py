"""A message as Slack's incoming webhooks take it; Mattermost, Rocket.Chat and others take the same.

``text`` is what a phone shows, ``blocks`` the message. Slack reads ``<…>`` as links and mentions, so &, < and
> are escaped in everything that comes from outside, as its manual asks; it takes 3,000 characters a block. https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import json
from typing import Any

from anomalies.models import NotificationDelivery, NotificationRule

from ..http_client import Answer, post
from .base import Digest, checked_url

_TITLE, _SOURCE = 250, 100  # characters, which escaped take five times as many at most


class Slack:
    """JSON with text and blocks, without a signature: the address is the secret."""

    def checked_target(self, target: str) -> str:
        """The address. Raises ValueError."""
        return checked_url(target)

    def body(self, digest: Digest) -> str:
        """The message: the subject, an item a line, and the number of the others with a link to the list."""
        lines = [_line(item) for item in digest.items]
        more = f"and {digest.more:,} more: " if digest.more else ""
        lines.append(f"{more}{_link(digest.list_url, 'open the list')}")
        blocks = [_section(f"*{_plain(digest.subject)}*"), *(_section(line) for line in lines)]
        return json.dumps({"text": _plain(digest.subject), "blocks": blocks}, ensure_ascii=False)

    def send(self, rule: NotificationRule, delivery: NotificationDelivery) -> Answer:
        """Send the body."""
        return post(rule.target, (delivery.body or "").encode(), {"Content-Type": "application/json"})


def _line(item: dict[str, Any]) -> str:
    parts = (item.get("source"), item.get("stream_type"))
    where = ", ".join(_plain(part[:_SOURCE]) for part in parts if part)
    figures = f" (NCD {item['ncd_score']:.3f}, p {item['p_value']:.2g})" if "ncd_score" in item else ""
    return (
        f"{_link(item['url'], item['title'][:_TITLE] or 'anomaly')}{f' – {where}' if where else ''}{figures}"
    )


def _link(url: str, words: str) -> str:
    return f"<{url}|{_plain(words).replace('|', '¦')}>"


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}
