"""The beginning of the start page: one's own anomalies, the oldest ones, new patterns, recent actions."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from anomalies.audit.history import DONE
from anomalies.ingest.heartbeats import DetectorState, detectors_read
from anomalies.languages import formats
from anomalies.languages.words import anomalies, resource
from anomalies.models import OPEN, Anomaly, Stream, TriageRule
from anomalies.permissions import can_decide, can_see_audit_log
from anomalies.queries.bounded.index_order import index_order
from anomalies.queries.bounded.pages import Page
from anomalies.queries.bounded.together import Answers, Read, together
from anomalies.queries.patterns.rules import stopped_lately, templates_of_stopped
from anomalies.queries.people.named import Named, named
from anomalies.queries.shift.backlog import first_open
from anomalies.queries.shift.start import LOOKED_AT, Action, NewPattern, new_patterns, recent_actions
from anomalies.work.heartbeats import WorkerState, workers_read

from .ui import formatting as show
from .ui.addresses import anomalies_of
from .ui.naming import name_of

_SHOWN = 5
RULES = 5  # shown that stopped by themselves
_LIST, _QUEUE, _CARD = (f"admin:anomalies_anomaly_{page}" for page in ("changelist", "queue", "change"))
_PATTERNS = "admin:anomalies_pattern_changelist"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a panel: a linked text, and what is said beside it."""

    url: str
    text: str
    beside: SafeString | str


@dataclass(frozen=True, slots=True)
class Panel:
    """A short list of the start page, with a link to the whole one; ``empty`` is said if there is nothing."""

    key: str
    title: str
    lines: list[Line]
    more: tuple[str, str]  # address and words
    empty: str


@dataclass(frozen=True, slots=True)
class StartReads:
    """The reads of the start page besides charts and lists of anomalies; ``answers`` is one statement.

    ``actions`` is None for those who may not see the audit log. One rule more is read than is shown.
    """

    named: Read[list[Named]]
    patterns: Read[list[NewPattern]]
    actions: Read[list[Action]] | None
    detectors: Read[list[DetectorState]]
    workers: Read[list[WorkerState]]
    rules: Read[list[TriageRule]]
    templates: Read[dict[UUID, str]]

    @classmethod
    def of(cls, request: HttpRequest, now: datetime) -> StartReads:
        """Return the reads for this user."""
        user = request.user
        return cls(
            named(user.get_username(), now),  # who may see anomalies can be named
            new_patterns(now, _SHOWN),
            recent_actions() if can_see_audit_log(user) else None,
            detectors_read(now),
            workers_read(now),
            stopped_lately(RULES + 1),
            templates_of_stopped(RULES + 1),
        )

    def answers(self) -> Answers:
        """Execute the reads."""
        each = (getattr(self, part.name) for part in fields(self))
        with index_order():
            return together(*filter(None, each))


def beginning(request: HttpRequest, reads: StartReads, found: Answers) -> dict[str, Any]:
    """Return the panels for this user, and the recent actions for those who may see the audit log."""
    user = request.user
    mine = [_mine(user.get_username())] if can_decide(user) else []
    actions = [_action(each) for each in found[reads.actions]] if reads.actions else None
    panels = [*mine, *_named(found[reads.named]), _oldest(), _new(found[reads.patterns])]
    return {"panels": panels, "actions": actions}


def _mine(username: str) -> Panel:
    query = urlencode({"assigned": "me", "status": OPEN}, doseq=True)
    return Panel(
        "mine",
        _("Mine"),
        _anomalies(first_open(_SHOWN, assigned_to=username), "assigned=me"),
        (f"{reverse(_LIST)}?{query}", _("All open anomalies assigned to me")),
        _("Nothing open is assigned to you."),
    )


def _named(found: list[Named]) -> list[Panel]:
    """The comments that name this user; no panel without any."""
    lines = [_comment(each) for each in found]
    return [Panel("named", _("Named in comments"), lines, _all_open(), "")] if found else []


def _comment(each: Named) -> Line:
    author, when = show.visible(each.author, 60), show.moment(each.at)
    beside = format_html(_("by {}, {}, about {}"), author, when, name_of(each.anomaly))
    return Line(f"{reverse(_CARD, args=[each.anomaly.pk])}#comments", show.first_line(each.text), beside)


def _oldest() -> Panel:
    oldest = _anomalies(first_open(_SHOWN))
    return Panel("oldest", _("Oldest waiting"), oldest, _all_open(), _("Nothing is open."))


def _all_open() -> tuple[str, str]:
    return f"{reverse(_LIST)}?{urlencode({'status': OPEN}, doseq=True)}", _("All open anomalies")


def _new(found: list[NewPattern]) -> Panel:
    return Panel(
        "new-patterns",
        _("New patterns"),
        [_pattern(each) for each in found],
        (f"{reverse(_PATTERNS)}?open=yes", _("All patterns with undecided anomalies")),
        _("No undecided pattern was first seen in the last 24 hours."),
    )


def _anomalies(page: Page, queue: str = "") -> list[Line]:
    query = f"?{urlencode({'queue': queue})}" if queue else ""
    return [_anomaly(each, query) for each in page.rows]


def _anomaly(row: Any, query: str) -> Line:
    beside = format_html("{}, {}", _stream(row.stream_type), show.moment(row.timestamp))
    return Line(f"{reverse(_CARD, args=[row.pk])}{query}", show.first_line(row.headline), beside)


def _pattern(each: NewPattern) -> Line:
    parts = (
        show.visible(each.source, 60),
        _stream(each.stream_type),
        _("%(count)s open") % {"count": formats.count(each.open)},
    )
    beside = format_html(_("{}, first {}"), ", ".join(filter(None, parts)), show.moment(each.first_seen))
    text = show.visible(each.template or str(each.key), 160)
    return Line(anomalies_of(each.key, *OPEN), text, beside)


def _stream(value: str) -> str:
    return str(dict(Stream.choices).get(value, value))


def _action(each: Action) -> Line:
    done = str(DONE.get(each.action, each.action))
    beside = format_html(_("by {}, {}"), show.visible(each.username, 60), show.moment(each.at))
    if each.resource_type != Anomaly._meta.model_name:
        number = each.number if each.number and each.number.isdigit() else ""
        what = f"{resource(each.resource_type.replace('_', ' '))} {number}".strip()
        return Line("", show.visible(f"{what}: {done}", 120), beside)
    if each.count == 1 and each.resource:
        return Line(
            reverse(_CARD, args=[each.resource]),
            _("%(anomalies)s %(done)s") % {"anomalies": anomalies(1), "done": done},
            beside,
        )
    about = {"anomalies": anomalies(each.count), "count": formats.count(each.count), "done": done}
    if each.count >= LOOKED_AT:
        return Line("", _("%(count)s+ anomalies %(done)s") % about, beside)
    return Line("", _("%(anomalies)s %(done)s") % about, beside)
