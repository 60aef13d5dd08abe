"""An episode as a line of the list, with an anomaly's columns: the same table holds both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from anomalies.local_times import zone_mark
from anomalies.models import Anomaly, Status
from anomalies.queries.incidents import Episode

from ..decide.assign_snooze import with_held
from ..ui import formatting as show


class EpisodeLine:
    """What the list's columns ask of an anomaly, answered for several: peak NCD, least p, all tags.

    ``link`` gives the address of an anomaly's page, from where a way leads back to the same list.
    """

    _meta = Anomaly._meta  # asked by Django's admin

    def __init__(self, episode: Episode, link: Callable[[Any], str]) -> None:
        members = episode.members
        self.episode = episode
        self._link = link
        self.pk = self.id = ",".join(str(each.pk) for each in members)
        self.stream_type = members[0].stream_type
        self.ncd_score = episode.peak.ncd_score
        self.p_value = min(each.p_value for each in members)
        self.novelty = max((each.novelty for each in members if each.novelty is not None), default=None)
        self.is_statistically_significant = any(each.is_statistically_significant for each in members)
        self.compression_ratio_change = episode.peak.compression_ratio_change
        self.tags = list(dict.fromkeys(tag for each in members for tag in each.tags or ()))

    def __str__(self) -> str:
        return f"{len(self.episode.members)} {self.stream_type} anomalies of one episode"

    @property
    def states(self) -> SafeString:
        """The statuses of its anomalies, how many of each where they differ."""
        found = Counter(each.status for each in self.episode.members)
        if len(found) == 1:
            return show.status_mark(*_status(*found))
        marks = (
            (show.status_mark(status, f"{found[status]} {words}"),)
            for status, words in Status.choices
            if found[status]
        )
        return format_html_join(" ", "{}", marks)

    @property
    def when(self) -> SafeString:
        """From its first anomaly to its last."""
        times = sorted(each.timestamp for each in (self.episode.members[0], self.episode.members[-1]))
        if times[0].replace(microsecond=0) == times[1].replace(microsecond=0):
            return format_html("{}", show.moment(times[0]))
        return format_html("{} – {}", show.moment(times[0]), show.moment(times[1], after=times[0]))

    @property
    def headline(self) -> SafeString:
        """What its peak says, and all of its anomalies when one opens it."""
        members = self.episode.members
        lines = format_html_join(
            "\n",
            '<li><a href="{}">{}</a> {} NCD {} p {} <span class="help">{}</span></li>',
            (
                (
                    self._link(each),
                    f"{timezone.localtime(each.timestamp):%H:%M:%S}{zone_mark(each.timestamp)}",
                    show.status_mark(*_status(each.status)),
                    show.number(each.ncd_score),
                    show.p_value(each.p_value),
                    with_held(show.first_line(each.headline, 80), each),
                )
                for each in members
            ),
        )
        return format_html(
            '<a href="{}">{}</a>\n<details class="episode"><summary>{}</summary><ol>{}</ol></details>',
            self._link(self.episode.peak),
            show.first_line(self.episode.peak.headline),
            self._told(),
            lines,
        )

    def _told(self) -> str:
        count = len(self.episode.members)
        words = f"{count} anomalies" if count > 1 else "1 anomaly"
        span = f" in {_duration(self.episode.span)}" if self.episode.span else ""
        ends = [
            words
            for reaches, words in (
                (self.episode.begins_earlier, "begins on the previous page"),
                (self.episode.goes_on, "goes on on the next page"),
            )
            if reaches
        ]
        return words + span + "".join(f"; {end}" for end in ends)


def tick_members(request: HttpRequest) -> None:
    """Put the anomalies of ticked episodes in their place in the form that was sent."""
    ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
    if any("," in each for each in ticked):
        form = request.POST.copy()
        form.setlist(ACTION_CHECKBOX_NAME, [pk for each in ticked for pk in each.split(",")])
        request.POST = form  # type: ignore[assignment]


def _status(status: str) -> tuple[str, str]:
    return status, str(Status(status).label)


def _duration(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    if not seconds:
        return "less than 1 s"
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
