"""The shift page for leads: who decided what in a stretch of time, and what of it contradicts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from anomalies.audit.history import done
from anomalies.languages import formats
from anomalies.languages.words import after_preposition, anomalies
from anomalies.local_times import LocalMomentField, LocalMomentInput, input_text
from anomalies.models import OPEN, AuditLog, DismissalReason, Stream, TriageRule
from anomalies.permissions import can_see_shifts
from anomalies.queries.patterns.rules import templates
from anomalies.queries.shift.backlog import DAYS, Backlog
from anomalies.queries.shift.contradictions import Side
from anomalies.queries.shift.record import READ, ROWS, Decided, Person, Record, RuleWork, Undone
from anomalies.queries.shift.report import PATTERNS, Shift, shift

from .rules import words
from .ui import formatting as show
from .ui.addresses import anomalies_of
from .ui.tables import Cell, Table
from .views import LIST, DeskView

PAGE = "admin:anomalies_auditlog_shift"
_PRESETS = (
    ("8", gettext_lazy("Last 8 hours")),
    ("24", gettext_lazy("Last 24 hours")),
    ("168", gettext_lazy("Last 7 days")),
)
_TEMPLATE = 240  # characters shown


class RangeForm(forms.Form):
    """The stretch of time: the last hours up to now, or from one time to another."""

    hours = forms.TypedChoiceField(choices=_PRESETS, coerce=int, required=False, empty_value=None)
    since = LocalMomentField(label=gettext_lazy("From"), required=False, widget=LocalMomentInput())
    until = LocalMomentField(label=gettext_lazy("Until"), required=False, widget=LocalMomentInput())

    def clean(self) -> dict[str, Any]:
        """Check that the time does not end before it begins."""
        given = super().clean() or {}
        since, until = given.get("since"), given.get("until")
        if since and since >= (until or timezone.now()):
            raise ValidationError({"since": _("The start must be before the end.")})
        if until and not since and "since" not in self.errors:
            raise ValidationError({"since": _("Enter a start time.")})
        return given

    def span(self, now: datetime) -> tuple[datetime, datetime]:
        """Return its begin and its end, of a valid form."""
        given = self.cleaned_data
        if given["since"]:
            return given["since"], given["until"] or now
        return now - timedelta(hours=given["hours"] or int(_PRESETS[0][0])), now


class ShiftView(DeskView):
    """Shows the report; it changes nothing."""

    permission = staticmethod(can_see_shifts)
    reads_replica = True
    model = AuditLog
    template = "admin/anomalies/auditlog/shift.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the report of the time in the address, by default of the last eight hours."""
        form, now = RangeForm(request.GET), timezone.now()
        context: dict[str, Any] = {"title": _("Shift"), "form": form, "zone": show.zone_name()}
        if form.is_valid():
            since, until = form.span(now)
            context |= _report(shift(since, until, now))
        return self.render({**context, "presets": _presets(form)})


def _presets(form: RangeForm) -> list[dict[str, Any]]:
    given = form.cleaned_data if form.is_valid() else {}
    is_range = bool(given.get("since")) or not form.is_valid()
    chosen = None if is_range else str(given.get("hours") or _PRESETS[0][0])
    return [
        {"words": label, "url": f"{reverse(PAGE)}?hours={value}", "is_chosen": value == chosen}
        for value, label in _PRESETS
    ]


def _report(found: Shift) -> dict[str, Any]:
    record = found.record
    return {
        "span": format_html("{} – {}", show.absolute(record.since), show.absolute(record.until)),
        "facts": _facts(found),
        "tables": [
            _contradictions(found),
            _decided(record),
            _people(record),
            _rules(record),
            _undone(record),
        ],
        "reached": record.reached and show.absolute(record.reached),
        "read": formats.count(READ),
        "before": record.reached and _address(record.since, record.reached),
    }


def _address(since: datetime, until: datetime) -> str:
    return f"{reverse(PAGE)}?{urlencode({'since': input_text(since), 'until': input_text(until)})}"


# --- facts --------------------------------------------------------------------------------------------------


def _facts(found: Shift) -> list[tuple[str, Cell]]:
    """Return the figures of the page as pairs of a name and a sentence."""
    record = found.record
    return [
        (_("Decisions"), _decisions(record)),
        (_("Time to decision"), _waits(record)),
        (_("By rules"), _("%(anomalies)s on arrival") % {"anomalies": _anomalies(record.rules)}),
        (_("Undone"), _anomalies(record.undone)),
        (_("Agreement"), _agreement(found)),
        (_("Backlog now"), _backlog(found.backlog)),
    ]


def _decisions(record: Record) -> str:
    decisions = sum(each.decisions for each in record.people)
    people = sum(each.decisions > 0 for each in record.people)
    words = ngettext(
        "%(decisions)s about %(anomalies)s, by %(people)s person",
        "%(decisions)s about %(anomalies)s, by %(people)s people",
        people,
    )
    about = after_preposition(sum(each.anomalies for each in record.decided))
    return words % {
        "decisions": formats.count(decisions),
        "anomalies": about,
        "people": formats.count(people),
    }


def _anomalies(rows: Iterable[Decided | RuleWork | Undone]) -> str:
    return anomalies(sum(each.anomalies for each in rows))


def _waits(record: Record) -> str:
    waits = record.waits
    if waits.median is None or waits.p90 is None:
        return _("nothing was acknowledged or dismissed")
    words = _(
        "median %(median)s, 90%% within %(p90)s of arrival (n = %(count)s; a decision about many anomalies "
        "counts once)"
    )
    times = {"median": show.duration(waits.median), "p90": show.duration(waits.p90)}
    return words % {**times, "count": formats.count(waits.n)}


def _agreement(found: Shift) -> str:
    share, count = found.agreement.share, found.agreement.patterns
    if share is None:
        return _("no pattern of this shift was decided by more than one person")
    words = _(
        "%(share)s: one answer about %(agreed)s of %(count)s patterns that more than one person decided about"
    )
    agreed = formats.count(found.agreement.agreed)
    return words % {"share": formats.share(share), "agreed": agreed, "count": formats.count(count)}


def _backlog(backlog: Backlog) -> Cell:
    if backlog.count is None:
        return _("being counted")
    if not backlog.count:
        return _("nothing is open")
    median, p90 = (
        show.duration(each.total_seconds())
        if each is not None
        else _("more than %(count)s d") % {"count": DAYS}
        for each in (backlog.median, backlog.p90)
    )
    address = f"{reverse(LIST)}?{urlencode({'status': OPEN}, doseq=True)}"
    oldest = show.moment(backlog.oldest.timestamp) if backlog.oldest else "–"
    count = _("%(count)s open") % {"count": formats.count(backlog.count)}
    link = format_html('<a href="{}">{}</a>', address, count)
    words = _("{}; age: median {}, {} at most {}; the oldest {}")
    return format_html(words, link, median, formats.share(0.9), p90, oldest)


# --- tables -------------------------------------------------------------------------------------------------


def _contradictions(found: Shift) -> Table:
    part = _(
        "The %(count)s patterns decided last in this time of which some anomalies are acknowledged and "
        "others dismissed, whenever that was."
    )
    every = _(
        "Patterns decided in this time of which some anomalies are acknowledged and others dismissed, "
        "whenever that was."
    )
    return Table(
        "contradictions",
        _("Contradictions"),
        (_("Pattern"), _("Source"), _("Acknowledged"), _("Dismissed")),
        [
            (
                _pattern(each.pattern, each.template),
                _where(each.source, each.stream_type),
                *map(_side, each.sides),
            )
            for each in found.contradictions
        ],
        note=(part if found.is_part else every) % {"count": formats.count(PATTERNS)},
    )


def _side(side: Side) -> Cell:
    people = ", ".join(show.visible(name, 60) for name in side.people) or _("nobody")
    link = reverse("admin:anomalies_anomaly_change", args=[side.anomaly])
    when = format_html(
        '<a href="{}">{}</a>', link, show.moment(side.at) if side.at else _("at an unknown time")
    )
    if not side.reasons:
        return format_html(_("{} by {}; last {}"), formats.count(side.count), people, when)
    reasons = ", ".join(side.reasons)
    return format_html(_("{} by {} as {}; last {}"), formats.count(side.count), people, reasons, when)


def _decided(record: Record) -> Table:
    def row(each: Decided) -> tuple[Cell, ...]:
        return (
            show.visible(each.username, 60),
            _pattern(each.pattern, each.template),
            _where(each.source, each.stream_type),
            _done(each.action, each.reason),
            formats.count(each.anomalies),
            formats.count(each.decisions),
            formats.count(each.changed),
            show.moment(each.last_at),
        )

    numbers = (_("Anomalies"), _("Decisions"), _("Changed since"))
    return Table(
        "decided",
        _("Decided, by pattern"),
        (_("Who"), _("Pattern"), _("Source"), _("Decision"), *numbers, _("Last")),
        [row(each) for each in record.decided],
        frozenset(numbers),
        _cut(record, "decided"),
    )


def _people(record: Record) -> Table:
    def row(each: Person) -> tuple[Cell, ...]:
        counts = (
            each.decisions,
            each.acknowledge,
            each.dismiss,
            each.investigate,
            each.reopen,
            each.undo,
        )
        waits = (each.median, each.p90)
        return (
            show.visible(each.username, 60),
            *(formats.count(count) for count in counts),
            *("–" if wait is None else show.duration(wait) for wait in waits),
        )

    numbers = (
        *(_("Decisions"), _("Acknowledged"), _("Dismissed"), _("Investigating"), _("Reopened"), _("Undone")),
        *(_("Median time"), _("90% within")),
    )
    return Table(
        "people",
        _("By person"),
        (_("Who"), *numbers),
        [row(each) for each in record.people],
        frozenset(numbers),
        _cut(record, "people"),
    )


def _rules(record: Record) -> Table:
    made = {rule.pk: rule for rule in TriageRule.objects.filter(pk__in={each.rule for each in record.rules})}
    known = templates(list(made.values()))

    def row(each: RuleWork) -> tuple[Cell, ...]:
        rule = made.get(each.rule)
        return (
            words.subject(rule, known) if rule else str(each.rule),
            show.visible(each.owner, 60),
            done(each.action),
            formats.count(each.anomalies),
            formats.count(each.changed) if each.action == "dismiss" else "–",
        )

    return Table(
        "rules",
        _("By rules"),
        (_("About"), _("Owner"), _("Decision"), _("Anomalies"), _("Changed since")),
        [row(each) for each in record.rules],
        frozenset((_("Anomalies"), _("Changed since"))),
        _cut(record, "rules"),
    )


def _undone(record: Record) -> Table:
    def row(each: Undone) -> tuple[Cell, ...]:
        return (
            show.visible(each.username, 60),
            _("%(done)s by %(name)s")
            % {
                "done": done(each.action) if each.action else _("a decision"),
                "name": show.visible(each.owner, 60) or "–",
            },
            formats.count(each.anomalies),
            show.moment(each.at),
        )

    return Table(
        "undone",
        _("Undone"),
        (_("Who"), _("Decision"), _("Anomalies"), _("When")),
        [row(each) for each in record.undone],
        frozenset((_("Anomalies"),)),
        _cut(record, "undone"),
    )


def _cut(record: Record, name: str) -> str:
    words = _("The first %(count)s rows; there are more. Choose a shorter time.")
    return words % {"count": formats.count(ROWS)} if name in record.cut else ""


def _pattern(key: Any, template: str) -> Cell:
    if key is None:
        return _("no pattern, or deleted")
    return format_html(
        '<a href="{}">{}</a>', anomalies_of(key), show.visible(template, _TEMPLATE) or str(key)
    )


def _where(source: str, stream_type: str) -> str:
    stream = str(dict(Stream.choices).get(stream_type, stream_type))
    return ", ".join(show.visible(part, 120) for part in (source, stream) if part) or "–"


def _done(action: str, reason: str | None) -> str:
    label = str(dict(DismissalReason.choices).get(reason or "", reason or ""))
    if not label:
        return done(action)
    return _("%(decision)s as %(reason)s") % {"decision": done(action), "reason": label}
