"""Months and days as links: those within the filter's time range that hold any anomaly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django import forms
from django.utils import timezone

from anomalies.languages import formats
from anomalies.local_times import boundary_text, input_text
from anomalies.queries.facets import Steps


@dataclass(frozen=True, slots=True)
class Part:
    """A month or a day: its name, and the filter's values for it."""

    words: str
    since: str
    until: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """The ``steps`` within the filter's time range, and the ``month`` or ``day`` that it is."""

    steps: Steps
    month: Part | None = None
    day: Part | None = None

    def parts(self, starts: Iterable[datetime]) -> list[Part]:
        """Return the months or days that begin at these times."""
        make = _month if self.steps.unit == "month" else _day
        return [make(timezone.localtime(start)) for start in starts]


def calendar_of(form: forms.Form) -> Calendar:
    """Return months; within one month its days; within a day nothing further."""
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
    return Part(formats.month_of(start), boundary_text(start), boundary_text(end))


def _day(when: datetime) -> Part:
    start = when.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    end = start + timedelta(days=1)
    return Part(formats.day_of(start), boundary_text(start), boundary_text(end))
