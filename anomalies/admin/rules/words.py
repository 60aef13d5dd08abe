"""The words for a rule: its subject, its decision, its limits and its state."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies.languages import formats
from anomalies.models import RuleAction, Stream, TriageRule
from anomalies.triage.rules import state_of

from ..ui import formatting as show

_STATES = {
    "active": gettext_lazy("active"),
    "planned": gettext_lazy("planned"),
    "expired": gettext_lazy("expired"),
}


def subject(rule: TriageRule, templates: dict[UUID, str]) -> str:
    """The template of its pattern, or its maintenance window."""
    if rule.pattern is not None:
        return show.visible(templates.get(rule.pattern) or str(rule.pattern), 240)
    return _("maintenance of %(where)s") % {"where": where(rule.stream_type, rule.source)}


def where(stream_type: str, source: str) -> str:
    """The source and the stream, as far as they are given."""
    stream = str(dict(Stream.choices).get(stream_type, stream_type))
    return ", ".join(show.visible(part, 120) for part in (source, stream) if part)


def decision(rule: TriageRule) -> str:
    """The decision that it takes."""
    if rule.action == RuleAction.DISMISS:
        return _("dismiss: %(reason)s") % {"reason": rule.get_dismissal_reason_display()}
    if not rule.assign_to:
        return str(RuleAction.SNOOZE.label)
    return _("assign to %(name)s") % {"name": show.visible(rule.assign_to, 60)}


def limits(rule: TriageRule) -> SafeString | str:
    """The limits beyond which it stops, or the times of its window."""
    if rule.window_start is not None:
        return format_html("{} – {}", show.absolute(rule.window_start), show.absolute(rule.window_end))
    about = {"ncd": show.number(rule.ncd_limit), "count": formats.count(rule.hourly_limit or 0)}
    return _("NCD %(ncd)s, %(count)s an hour") % about


def state(rule: TriageRule) -> str:
    """Its state; of a stopped one by whom, and why."""
    word = state_of(rule)
    if word != "stopped":
        return str(_STATES[word])
    about = {
        "name": show.visible(rule.stopped_by or "", 60),
        "why": show.visible(rule.stop_reason or "", 300),
    }
    words = _("stopped by %(name)s: %(why)s") if rule.stopped_by else _("stopped by itself: %(why)s")
    return words % about


def new_rule_about(pattern: UUID | None, reason: str = "") -> str:
    """The address of the form that makes a rule about a pattern; '' for a row without one."""
    about = {"pattern": pattern, "reason": reason} if reason else {"pattern": pattern}
    return f"{reverse('admin:anomalies_triagerule_add')}?{urlencode(about)}" if pattern else ""
