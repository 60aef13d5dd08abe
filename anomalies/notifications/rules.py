"""Notification rules: made, stopped and tested here. A changed rule is another one."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import time
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _

from anomalies.audit import Actor, acting
from anomalies.fields import Now
from anomalies.models import (
    MOST_DIGEST_SECONDS,
    MOST_MINUTES,
    Channel,
    Condition,
    NotificationDelivery,
    NotificationRule,
)
from anomalies.permissions import can_view
from anomalies.queries.filters import AnomalyFilter
from anomalies.queries.saved_filters import SavedFilterError, checked_query

from .channels import channel_of
from .items import sample
from .quiet_hours import QuietHours

SYSTEM = Actor("driftlock", via="work")
ABOUT_ANOMALIES = (Condition.EVERY_MATCH, Condition.NEW_PATTERN, Condition.UNASSIGNED)
MOST_RULES = 100  # active ones: each is compared with every anomaly that arrives
_SECRET_BYTES = 32


class NotificationError(ValueError):
    """A rule that can't be made as given; the message says why."""


@dataclass(frozen=True, slots=True)
class NewNotification:
    """A rule to be made. ``query`` are the filters as in the list's address; ``quiet`` two times of a day."""

    name: str
    condition: str
    channel: str
    target: str
    query: str = ""
    minutes: int | None = None
    digest_seconds: int = 60
    quiet: tuple[time, time] | None = None
    zone: str = "UTC"


def active() -> QuerySet[NotificationRule]:
    """The rules that are not stopped."""
    return NotificationRule.objects.filter(stopped_at=None)


def make(new: NewNotification, actor: Actor) -> tuple[NotificationRule, str]:
    """Make a rule of the actor's; returns it with its secret, '' for a channel without one.

    Raises NotificationError.
    """
    rule = _checked(new, actor.username)
    if active().count() >= MOST_RULES:
        raise NotificationError(
            _("There are %(count)s active rules; stop one first.") % {"count": MOST_RULES}
        )
    if Channel(new.channel) == Channel.WEBHOOK:
        rule.secret = f"whsec_{base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}"
    with acting(actor):
        rule.save(force_insert=True)
    rule.refresh_from_db()
    return rule, rule.secret


def stop(rules: Iterable[UUID], actor: Actor, why: str = "stopped by hand") -> int:
    """Stop rules that are not stopped yet; returns how many. What waits to be sent is sent."""
    found = active().filter(pk__in=list(rules))
    by = None if actor == SYSTEM else actor.username
    with acting(actor):
        return found.update(stopped_at=Now(), stopped_by=by, stop_reason=why)


def send_test(rule: NotificationRule) -> NotificationDelivery:
    """Queue a test of a rule: a sample, which the worker sends at once, also in quiet hours."""
    items = sample(rule)
    return NotificationDelivery.objects.create(
        rule=rule, is_test=True, closed_at=Now(), due_at=Now(), total=len(items), items=items
    )


def quiet_hours(rule: NotificationRule) -> QuietHours | None:
    """The quiet hours of a rule; None for one without."""
    if rule.quiet_from is None or rule.quiet_until is None:
        return None
    return QuietHours(rule.quiet_from, rule.quiet_until, rule.zone)


def filterset_of(rule: NotificationRule) -> AnomalyFilter:
    """The filter of a rule; "me" is its owner."""
    return AnomalyFilter(QueryDict(rule.query), me=rule.owner)


def owned_rules() -> list[NotificationRule]:
    """The active rules. One whose owner has no active account that may see anomalies is stopped."""
    rules = list(active().order_by("id"))
    accounts = User.objects.filter(username__in={rule.owner for rule in rules}, is_active=True, is_staff=True)
    owners = {account.username for account in accounts if can_view(account)}
    for rule in rules:
        if rule.owner not in owners:
            stop([rule.pk], SYSTEM, f"{rule.owner} has no active account that may see anomalies")
    return [rule for rule in rules if rule.owner in owners]


def _checked(new: NewNotification, owner: str) -> NotificationRule:
    name = " ".join(new.name.split())
    if not 0 < len(name) <= 80 or not name.isprintable():
        raise NotificationError(_("Give the rule a name of 1 to 80 printable characters."))
    if new.condition not in Condition.values:
        raise NotificationError(_("Choose a condition: %(known)s.") % {"known": ", ".join(Condition.values)})
    if new.channel not in Channel.values:
        raise NotificationError(_("Choose a channel: %(known)s.") % {"known": ", ".join(Channel.values)})
    if (new.condition == Condition.UNASSIGNED) != (new.minutes is not None):
        raise NotificationError(_("Say after how many minutes for what is unassigned, and for nothing else."))
    if new.minutes is not None and not 1 <= new.minutes <= MOST_MINUTES:
        raise NotificationError(_("Choose 1 to %(most)s minutes.") % {"most": f"{MOST_MINUTES:,}"})
    if not 0 <= new.digest_seconds <= MOST_DIGEST_SECONDS:
        raise NotificationError(
            _("A digest collects for 0 to %(most)s seconds.") % {"most": f"{MOST_DIGEST_SECONDS:,}"}
        )
    return NotificationRule(
        name=name,
        owner=owner,
        condition=new.condition,
        query=_query(new),
        minutes=new.minutes,
        digest_seconds=new.digest_seconds,
        channel=new.channel,
        target=_target(new),
        **_quiet(new),
    )


def _query(new: NewNotification) -> str:
    try:
        query = checked_query(new.query)
    except SavedFilterError as error:
        raise NotificationError(str(error)) from error
    if query and new.condition not in ABOUT_ANOMALIES:
        raise NotificationError(_("A filter is for rules about anomalies; leave it empty."))
    return query


def _target(new: NewNotification) -> str:
    try:
        return channel_of(new.channel).checked_target(new.target.strip())
    except ValueError as error:
        raise NotificationError(str(error)) from error


def _quiet(new: NewNotification) -> dict[str, object]:
    try:
        zone = ZoneInfo(new.zone).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise NotificationError(_("Name a zone of the IANA database, such as Europe/Berlin.")) from error
    if new.quiet is None:
        return {"zone": zone}
    start, end = new.quiet
    if start == end:
        raise NotificationError(
            _("Quiet hours begin and end at different times; stop the rule to send nothing.")
        )
    return {"zone": zone, "quiet_from": start, "quiet_until": end}
