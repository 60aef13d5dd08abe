"""The words for a rule: its subject, its decision, its limits and its state."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from anomalies.models import RuleAction, Stream, TriageRule
from anomalies.triage.rules import state_of

from ..ui import formatting as show


def subject(rule: TriageRule, templates: dict[UUID, str]) -> str:
    """The template of its pattern, or its maintenance window."""
    if rule.pattern is not None:
        return show.visible(templates.get(rule.pattern) or str(rule.pattern), 240)
    return f"maintenance of {where(rule.stream_type, rule.source)}"


def where(stream_type: str, source: str) -> str:
    """The source and the stream, as far as they are given."""
    stream = str(dict(Stream.choices).get(stream_type, stream_type))
    return ", ".join(show.visible(part, 120) for part in (source, stream) if part)


def decision(rule: TriageRule) -> str:
    """The decision that it takes."""
    if rule.action == RuleAction.DISMISS:
        return f"dismiss: {rule.get_dismissal_reason_display()}"
    return f"assign to {show.visible(rule.assign_to or '', 60)}" if rule.assign_to else "snooze"


def limits(rule: TriageRule) -> SafeString | str:
    """The limits beyond which it stops, or the times of its window."""
    if rule.window_start is not None:
        return format_html("{} – {}", show.absolute(rule.window_start), show.absolute(rule.window_end))
    return f"NCD {show.number(rule.ncd_limit)}, {rule.hourly_limit:,} an hour"


def state(rule: TriageRule) -> str:
    """Its state; of a stopped one by whom, and why."""
    word = state_of(rule)
    if word != "stopped":
        return word
    by = f"by {show.visible(rule.stopped_by, 60)}" if rule.stopped_by else "by itself"
    return f"stopped {by}: {show.visible(rule.stop_reason or '', 300)}"


def new_rule_about(pattern: UUID | None, reason: str = "") -> str:
    """The address of the form that makes a rule about a pattern; '' for a row without one."""
    about = {"pattern": pattern, "reason": reason} if reason else {"pattern": pattern}
    return f"{reverse('admin:anomalies_triagerule_add')}?{urlencode(about)}" if pattern else ""
