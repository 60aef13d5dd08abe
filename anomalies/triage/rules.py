"""Triage rules: made, renewed and stopped here; a trigger of the database applies them (0048).

A rule says what is decided about the anomalies of a pattern that arrive from now on, or about those of a
maintenance window. It expires after MOST_DAYS days at the latest, and stops by itself where the pattern is no
longer what was decided about: an NCD above the highest known one and NCD_MARGIN, or more within an hour than
RATE_FACTOR times the most known (and more than FEW). Text that is new makes another pattern, which the rule
is not about. What a rule did is one decision, whose batch is the id of the rule (``undo``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from anomalies.audit import Actor, acting
from anomalies.fields import Now
from anomalies.models import MOST_DAYS, DismissalReason, RuleAction, TriageRule, newest_of_pattern
from anomalies.permissions import deciders

from .decisions import DecisionError, clean_note

NCD_MARGIN = 0.05
RATE_FACTOR = 3
FEW = 10
LOOKED_AT = 20_000  # the newest anomalies of each status
# A maintenance window takes what detectors report later, too.
LATE = timedelta(days=1)
LONGEST_WINDOW = timedelta(days=MOST_DAYS) - LATE
MOST_WEEKS = LONGEST_WINDOW // timedelta(weeks=1)


class RuleError(DecisionError):
    """A rule that can't be made or renewed as given; the message gives the reason.

    ``field`` is the name of the value that is wrong, "" where no single one is.
    """

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class RuleExists(RuleError):
    """Another rule about the same pattern is active."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits beyond which a rule about a pattern stops, by its ``known`` anomalies."""

    ncd: float
    hourly: int
    known: int


@dataclass(frozen=True, slots=True)
class NewRule:
    """A rule to be made: what it decides, and about what.

    About a ``pattern``, for ``days`` days; or, without one, about a ``source`` or a ``stream_type`` ('' is
    any) within the ``window``, a time and a later one.
    """

    action: str
    note: str
    pattern: UUID | None = None
    days: int = MOST_DAYS
    reason: str | None = None
    assign_to: str | None = None
    stream_type: str = ""
    source: str = ""
    window: tuple[datetime, datetime] | None = None


# The newest of each status, by the index of a pattern's anomalies.
_KNOWN = f"""
    WITH known AS MATERIALIZED (
        SELECT each.*
        FROM unnest(ARRAY['pending', 'dismissed', 'investigating', 'acknowledged']) AS state (status)
        CROSS JOIN LATERAL {
    newest_of_pattern("status, timestamp, ncd_score", "%(pattern)s", "state.status", LOOKED_AT)
} AS each
    )
    SELECT (SELECT count(*) FROM known),
           coalesce((SELECT max(ncd_score) FROM known WHERE status IN ('pending', 'dismissed')),
                    (SELECT max(ncd_score) FROM known)),
           (SELECT max(number) FROM (
               SELECT count(*) AS number FROM known GROUP BY date_trunc('hour', timestamp, 'UTC')
           ) AS by_hour)
"""  # noqa: S608 -- constants
_ABOUT = "SELECT stream_type, source FROM anomalies WHERE pattern = %(pattern)s LIMIT 1"


def limits_of(pattern: UUID) -> Limits | None:
    """The limits of a rule about this pattern, by its newest anomalies; None for a pattern without any.

    What was acknowledged as real is not what such a rule is about, so its NCD does not count unless there is
    nothing else.
    """
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN, {"pattern": pattern})
        known, ncd, most = cursor.fetchone()
    return Limits(min(ncd + NCD_MARGIN, 1.0), max(FEW, RATE_FACTOR * most), known) if known else None


def make(new: NewRule, actor: Actor) -> TriageRule:
    """Make a rule of the actor's. Raises RuleError, or DecisionError for a note that can't be stored."""
    if actor.username not in deciders():
        raise RuleError(_("A rule needs an owner who may decide: it stops when that account is not active."))
    rule = TriageRule(
        action=new.action,
        owner=actor.username,
        note=_checked(new),
        dismissal_reason=new.reason,
        assign_to=new.assign_to,
    )
    with acting(actor):
        if new.pattern is not None:
            _about_pattern(rule, new, actor)
        else:
            _about_window(rule, new)
        try:
            with transaction.atomic():
                rule.save(force_insert=True)
        except IntegrityError as error:
            raise RuleExists(
                "Another rule about this pattern was made in the meantime.", "pattern"
            ) from error
    rule.refresh_from_db()
    return rule


def make_weekly(new: NewRule, weeks: int, actor: Actor) -> list[TriageRule]:
    """Make a maintenance window and those of the following weeks at the same local times: all, or none.

    Each is a rule of its own. Raises RuleError.
    """
    if new.window is None or not 1 <= weeks <= MOST_WEEKS:
        raise RuleError(
            _("A maintenance window is repeated for 1 to %(most)s weeks.") % {"most": MOST_WEEKS}, "weeks"
        )
    start, end = _checked_window(new)
    windows = ((_weeks_later(start, week), _weeks_later(end, week)) for week in range(weeks))
    with acting(actor):
        return [make(replace(new, window=window), actor) for window in windows]


def renew(rules: Iterable[UUID], actor: Actor, days: int = MOST_DAYS) -> int:
    """Have rules about patterns that are not stopped expire so many days from now; returns how many."""
    _check_days(days)
    with acting(actor):
        found = TriageRule.objects.filter(pk__in=list(rules), stopped_at=None, pattern__isnull=False)
        return found.update(renewed_at=Now(), expires_at=Now() + timedelta(days=days))


def stop(rules: Iterable[UUID], actor: Actor, why: str = "") -> int:
    """Stop rules that are not stopped yet; returns how many. What they did stays."""
    with acting(actor):
        found = TriageRule.objects.filter(pk__in=list(rules), stopped_at=None)
        why = clean_note(why) or "stopped by hand"
        return found.update(stopped_at=Now(), stopped_by=actor.username, stop_reason=why)


def state_of(rule: TriageRule, now: datetime | None = None) -> str:
    """The state in a word: active, planned, expired or stopped."""
    now = now or timezone.now()
    if rule.stopped_at is not None:
        return "stopped"
    if rule.expires_at <= now:
        return "expired"
    return "planned" if rule.window_start is not None and rule.window_start > now else "active"


def _checked(new: NewRule) -> str:
    """The note of a rule whose decision is complete."""
    note = clean_note(new.note)
    if not note:
        raise RuleError(_("A rule needs a note: why this is decided in advance."), "note")
    if new.action not in RuleAction.values:
        known = ", ".join(RuleAction.values)
        raise RuleError(
            _("There is no rule to %(action)s; there are %(known)s.")
            % {"action": repr(new.action), "known": known},
            "action",
        )
    if (new.action == RuleAction.DISMISS) != (new.reason in DismissalReason.values):
        known = ", ".join(DismissalReason.values)
        raise RuleError(
            _("To dismiss, and for nothing else, give a reason: %(known)s.") % {"known": known}, "reason"
        )
    if (new.action == RuleAction.ASSIGN) != bool(new.assign_to):
        raise RuleError(_("To assign, and for nothing else, name the assignee."), "assign_to")
    if new.assign_to and new.assign_to not in deciders():
        raise RuleError(
            _("It can be assigned to somebody who may decide about it, and to nobody else."), "assign_to"
        )
    return note


def _check_days(days: int) -> None:
    if not 1 <= days <= MOST_DAYS:
        raise RuleError(
            _("A rule holds for 1 to %(most)s days; then it can be renewed.") % {"most": MOST_DAYS}, "days"
        )


def _about_pattern(rule: TriageRule, new: NewRule, actor: Actor) -> None:
    _check_days(new.days)
    if new.window is not None or new.pattern is None:
        raise RuleError(_("A rule about a pattern has no maintenance window."))
    limits = limits_of(new.pattern)
    if limits is None:
        raise RuleError(
            _("No anomaly has this pattern, so nothing is known that a rule could be about."), "pattern"
        )
    _make_room(new.pattern, actor)
    with connection.cursor() as cursor:
        cursor.execute(_ABOUT, {"pattern": new.pattern})
        rule.stream_type, rule.source = cursor.fetchone()
    rule.pattern, rule.ncd_limit, rule.hourly_limit = new.pattern, limits.ncd, limits.hourly
    rule.expires_at = Now() + timedelta(days=new.days)


def _make_room(pattern: UUID, actor: Actor) -> None:
    """Stop an expired rule about the pattern. Raises RuleError where there is another one."""
    former = TriageRule.objects.select_for_update().filter(pattern=pattern, stopped_at=None).first()
    if former is None:
        return
    if state_of(former) != "expired":
        raise RuleExists(
            _("A rule by %(owner)s about this pattern is active; renew or stop that one.")
            % {"owner": former.owner},
            "pattern",
        )
    stop([former.pk], actor, "expired; replaced")


def _weeks_later(moment: datetime, weeks: int) -> datetime:
    """The same local time so many weeks later, whether clocks are changed in between or not."""
    local = timezone.localtime(moment)
    later = local.replace(tzinfo=None) + timedelta(weeks=weeks)
    return later.replace(tzinfo=local.tzinfo, fold=local.fold).astimezone(UTC)


def _about_window(rule: TriageRule, new: NewRule) -> None:
    rule.window_start, rule.window_end = _checked_window(new)
    rule.stream_type, rule.source = new.stream_type, new.source
    rule.expires_at = rule.window_end + LATE


def _checked_window(new: NewRule) -> tuple[datetime, datetime]:
    """The two times of a maintenance window. Raises RuleError."""
    if "\0" in new.source or not (new.stream_type or new.source):
        raise RuleError(_("A maintenance window is about a source, a stream, or both."), "source")
    if new.window is None or new.window[0] >= new.window[1]:
        raise RuleError(_("A maintenance window begins before it ends."), "window_end")
    start, end = new.window
    now = timezone.now()
    if end <= now:
        raise RuleError(_("That window has ended; a rule is about what comes."), "window_end")
    if end > now + LONGEST_WINDOW:
        raise RuleError(
            _("A maintenance window ends within %(days)s days.") % {"days": LONGEST_WINDOW.days}, "window_end"
        )
    if start < now - LONGEST_WINDOW:
        raise RuleError(
            _("A maintenance window begins at most %(days)s days ago.") % {"days": LONGEST_WINDOW.days},
            "window_start",
        )
    return start, end
