"""Months and days as links: the parts of the time line that hold any anomaly, under the filter's span."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django import forms
from django.utils import timezone

from anomalies.local_times import boundary_text, input_text
from anomalies.queries.facets import Steps


@dataclass(frozen=True, slots=True)
class Part:
    """A month or a day: its words, and the filter's values that ask for it."""

    words: str
    since: str
    until: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """What is offered: ``steps`` under the filter's span, and the ``month`` or ``day`` that it is."""

    steps: Steps
    month: Part | None = None
    day: Part | None = None

    def parts(self, starts: Iterable[datetime]) -> list[Part]:
        """The months or days that begin then."""
        make = _month if self.steps.unit == "month" else _day
        return [make(timezone.localtime(start)) for start in starts]


def calendar_of(form: forms.Form) -> Calendar:
    """Months; under one month its days; under a day nothing further."""
    zone = timezone.get_current_timezone_name()
    values = form.cleaned_data if form.is_bound and form.is_valid() else {}
    since, until = values.get("since"), values.get("until")
    if not since or not until:
        return Calendar(Steps("month", zone, since, until))
    month, day = _month(timezone.localtime(since)), _day(timezone.localtime(since))
    asked = input_text(since), input_text(until)
    if asked == (month.since, month.until):
        return Calendar(Steps("day", zone, since, until), month)
    if asked == (day.since, day.until):
        return Calendar(Steps("day", zone, since, until), month, day)
    return Calendar(Steps("month", zone, since, until))


def _month(when: datetime) -> Part:
    start = when.replace(day=1, hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    end = (start + timedelta(days=32)).replace(day=1)
    return Part(f"{start:%B %Y}", boundary_text(start), boundary_text(end))


def _day(when: datetime) -> Part:
    start = when.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    end = start + timedelta(days=1)
    return Part(f"{start:%d %B}".lstrip("0"), boundary_text(start), boundary_text(end))
