"""A channel, and what every channel is given: the digest with its links."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from anomalies.models import Condition, NotificationDelivery, NotificationRule

from ..destinations import ForbiddenDestination, check_url
from ..http_client import Answer

LONGEST_TARGET = 2_000


@dataclass(frozen=True, slots=True)
class Digest:
    """The content of one notification: the number of all, and ``items``, the most unusual ones."""

    id: UUID
    rule_id: UUID
    rule: str
    condition: str
    total: int
    items: tuple[dict[str, Any], ...]
    opened_at: datetime
    closed_at: datetime
    is_test: bool
    list_url: str

    @property
    def subject(self) -> str:
        """One line: "Payments: 3 anomalies"."""
        if self.is_test:
            return f"{self.rule}: test"
        if self.condition == Condition.ESCALATED:
            noun = "stopped rule"
        elif self.condition == Condition.SILENT:
            noun = "silent detector"
        else:
            noun = "new pattern" if self.condition == Condition.NEW_PATTERN else "anomaly"
        plural = "anomalies" if noun == "anomaly" else f"{noun}s"
        words = f"{self.total:,} {noun if self.total == 1 else plural}"
        unassigned = ", undecided and unassigned" if self.condition == Condition.UNASSIGNED else ""
        return f"{self.rule}: {words}{unassigned}"

    @property
    def more(self) -> int:
        """The number of those that are counted and not listed."""
        return max(self.total - len(self.items), 0)


class Sending(Protocol):
    """A channel. ``body`` is written once and stored, so that each attempt sends the same."""

    def checked_target(self, target: str) -> str:
        """The target as it is stored. Raises ValueError with what to write."""

    def body(self, digest: Digest) -> str:
        """The text that is sent."""

    def send(self, rule: NotificationRule, delivery: NotificationDelivery) -> Answer:
        """Send the stored body; the id of the delivery names it."""


def digest_of(rule: NotificationRule, delivery: NotificationDelivery, closed_at: datetime) -> Digest:
    """The digest of a delivery that is closed now."""
    return Digest(
        id=delivery.pk,
        rule_id=rule.pk,
        rule=rule.name,
        condition=rule.condition,
        total=delivery.total,
        items=tuple({**item, "url": _url_of(item)} for item in delivery.items),
        opened_at=delivery.opened_at,
        closed_at=closed_at,
        is_test=delivery.is_test,
        list_url=_list_url(rule),
    )


def checked_url(target: str) -> str:
    """The address of a receiver. Raises ValueError."""
    try:
        check_url(target)
    except ForbiddenDestination as error:
        raise ValueError(str(error)) from error
    return target


def _url_of(item: dict[str, Any]) -> str:
    if item.get("kind") != "anomaly":
        return f"{settings.SITE_URL}{reverse('admin:index')}"
    return f"{settings.SITE_URL}{reverse('admin:anomalies_anomaly_change', args=[item['id']])}"


def _list_url(rule: NotificationRule) -> str:
    query = f"?{rule.query}" if rule.query else ""
    return f"{settings.SITE_URL}{reverse('admin:anomalies_anomaly_changelist')}{query}"
