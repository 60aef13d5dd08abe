"""An incident as a row of the list, with an anomaly's columns: the same table holds both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from anomalies.languages import formats, words
from anomalies.models import Anomaly, Status
from anomalies.queries.incidents import Episode

from ..decide.assign_snooze import with_assign_snooze
from ..ui import formatting as show


class IncidentRow:
    """The values that the list's columns read from an anomaly, for several: highest NCD, lowest p, all tags.

    ``link`` returns the address of an anomaly's page, with the list's filter for the way back.
    """

    _meta = Anomaly._meta  # Django's admin reads it

    def __init__(self, incident: Episode, link: Callable[[Any], str]) -> None:
        members = incident.members
        self.incident = incident
        self._link = link
        self.pk = self.id = ",".join(str(each.pk) for each in members)
        self.stream_type = members[0].stream_type
        self.source = ", ".join(dict.fromkeys(each.source for each in members if each.source))
        self.ncd_score = incident.peak.ncd_score
        self.p_value = min(each.p_value for each in members)
        self.novelty = max((each.novelty for each in members if each.novelty is not None), default=None)
        self.is_statistically_significant = any(each.is_statistically_significant for each in members)
        self.compression_ratio_change = incident.peak.compression_ratio_change
        self.tags = list(dict.fromkeys(tag for each in members for tag in each.tags or ()))

    def __str__(self) -> str:
        number = words.after_preposition(len(self.incident.members))
        return _("incident of %(anomalies)s, %(stream)s") % {"anomalies": number, "stream": self.stream_type}

    @property
    def states(self) -> SafeString:
        """The statuses of its anomalies, with counts where they differ."""
        found = Counter(each.status for each in self.incident.members)
        if len(found) == 1:
            return show.status_mark(*_status(*found))
        marks = (
            (show.status_mark(status, f"{formats.count(found[status])} {label}"),)
            for status, label in Status.choices
            if found[status]
        )
        return format_html_join(" ", "{}", marks)

    @property
    def when(self) -> SafeString:
        """The time of its first anomaly."""
        first = min(self.incident.members[0].timestamp, self.incident.members[-1].timestamp)
        return format_html("{}", show.moment(first))

    @property
    def headline(self) -> SafeString:
        """The explanation of its peak, and all of its anomalies when it is opened."""
        members = self.incident.members
        lines = format_html_join(
            "\n",
            '<li><a href="{}">{}</a> {} NCD {} p {} <span class="help">{}</span></li>',
            (
                (
                    self._link(each),
                    show.clock_time(each.timestamp),
                    show.status_mark(*_status(each.status)),
                    show.number(each.ncd_score),
                    show.p_value(each.p_value),
                    with_assign_snooze(show.first_line(each.headline, 80), each),
                )
                for each in members
            ),
        )
        return format_html(
            '<a href="{}">{}</a>\n<details class="incident"><summary>{}</summary><ol>{}</ol></details>',
            self._link(self.incident.peak),
            show.first_line(self.incident.peak.headline),
            self._summary(),
            lines,
        )

    def _summary(self) -> str:
        ends = [
            said
            for reaches, said in (
                (self.incident.begins_earlier, _("begins on the previous page")),
                (self.incident.goes_on, _("continues on the next page")),
            )
            if reaches
        ]
        number = words.anomalies(len(self.incident.members))
        if self.incident.span:
            lasts = {"anomalies": number, "duration": _duration(self.incident.span)}
            number = _("%(anomalies)s in %(duration)s") % lasts
        return "; ".join([number, *ends])


def tick_members(request: HttpRequest) -> None:
    """Replace selected incidents by their anomalies in the form that was sent."""
    ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
    if any("," in each for each in ticked):
        form = request.POST.copy()
        form.setlist(ACTION_CHECKBOX_NAME, [pk for each in ticked for pk in each.split(",")])
        cast(Any, request).POST = form


def _status(status: str) -> tuple[str, str]:
    return status, str(Status(status).label)


def _duration(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    if not seconds:
        return _("less than 1 s")
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
