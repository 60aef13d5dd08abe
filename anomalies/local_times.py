"""Moments in the reader's zone, written so that no two of them look alike, and read as they are written.

Where clocks are put back, an hour comes twice; there a time has its zone's abbreviation and its offset. An
address has offsets throughout for a reader whose zone is not the desk's: others may follow it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

_LOCAL = "%Y-%m-%dT%H:%M:%S"
_CALENDAR_INPUT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?")  # what a browser's own field can hold


def is_ambiguous(value: datetime) -> bool:
    """Return whether another moment has the same local time as an aware one."""
    local = timezone.localtime(value)
    return local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset()


def zone_mark(value: datetime) -> str:
    """Return " CET +01:00" for a moment in an hour that comes twice; '' for every other one."""
    if not is_ambiguous(value):
        return ""
    local = timezone.localtime(value)
    name = f"{local:%Z}"
    return f" {name} {_offset(local)}" if name[:1].isalpha() else f" {_offset(local)}"


def input_text(value: datetime) -> str:
    """Return a moment as an address has it: local, with the offset where it could mean another moment."""
    local = timezone.localtime(value)
    return f"{local:{_LOCAL}}{_offset(local) if is_own_zone() or is_ambiguous(value) else ''}"


def field_text(value: datetime) -> str:
    """Return a moment as a field shows it: local, with the offset only where the hour comes twice."""
    local = timezone.localtime(value)
    return f"{local:{_LOCAL}}{_offset(local) if is_ambiguous(value) else ''}"


def is_own_zone() -> bool:
    """True for a reader who chose another zone than the desk's."""
    return timezone.get_current_timezone_name() != timezone.get_default_timezone_name()


def kept_text(text: str) -> str:
    """Return a time in the reader's zone as it is kept for others, who read it in the desk's."""
    return _with_offset(text, timezone.get_current_timezone())


def of_the_desk(text: str) -> str:
    """Return a time that was kept, as an address of this reader has it."""
    return _with_offset(text, timezone.get_default_timezone())


def _with_offset(text: str, zone: tzinfo) -> str:
    """Add the offset to a local time of this zone, for a reader with another; other text stays as it is."""
    naive = _naive(text) if is_own_zone() else None
    if naive is None:
        return text
    local = naive.replace(tzinfo=zone)
    return f"{local:{_LOCAL}}{_offset(local)}"


def boundary_text(naive: datetime) -> str:
    """Return a local time as a filter takes it: the first moment of that name, or the next one there is."""
    return input_text(naive.replace(tzinfo=timezone.get_current_timezone(), fold=0).astimezone(UTC))


class LocalMomentField(forms.DateTimeField):
    """A local time, or one with an offset, 2026-10-25T02:30:00+01:00: necessary where it may be two."""

    def to_python(self, value: Any) -> datetime | None:
        try:
            return super().to_python(value)
        except ValidationError as error:
            naive = _naive(value)
            if naive is None or error.code != "ambiguous_timezone":
                raise
            raise ValidationError(_which(naive), code=error.code) from error


class LocalMomentInput(forms.DateTimeInput):
    """The browser's field for a date and a time; a text field for a moment that this can't hold."""

    def __init__(self) -> None:
        super().__init__(attrs={"type": "datetime-local", "step": 1}, format=_LOCAL)

    def format_value(self, value: Any) -> str | None:
        """Return a moment as it is written in the reader's zone, other text as it is."""
        moment = parse_moment(value)
        return field_text(moment) if moment else super().format_value(value)

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        shown = context["widget"]["value"]
        if shown and (not _CALENDAR_INPUT.fullmatch(shown) or _readings(_naive(shown)) != 1):
            context["widget"]["type"] = "text"
        return context


def parse_moment(value: Any) -> datetime | None:
    """Return the moment that an ISO text with an offset is; None for any other value."""
    moment = _parsed(value)
    return moment if moment is not None and moment.tzinfo is not None else None


def _naive(value: Any) -> datetime | None:
    moment = _parsed(value)
    return moment if moment is not None and moment.tzinfo is None else None


def _parsed(value: Any) -> datetime | None:
    try:
        return parse_datetime(value.strip()) if isinstance(value, str) else None
    except ValueError:
        return None


def _readings(naive: datetime | None) -> int:
    """Return how many moments have a local time: none in the hour that is left out, two in the repeated."""
    if naive is None:
        return 1
    zone = timezone.get_current_timezone()
    moments = {naive.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    back = {moment for moment in moments if moment.astimezone(zone).replace(tzinfo=None, fold=0) == naive}
    return len(back)


def _which(naive: datetime) -> str:
    zone, name = timezone.get_current_timezone(), timezone.get_current_timezone_name()
    about = {"time": f"{naive:%H:%M}", "day": f"{naive:%Y-%m-%d}", "zone": name}
    if not _readings(naive):
        words = _("%(time)s does not exist on %(day)s in %(zone)s: clocks are put forward then.")
        return words % about
    first, second = (f"{naive:{_LOCAL}}{_offset(naive.replace(tzinfo=zone, fold=fold))}" for fold in (0, 1))
    words = _("%(time)s comes twice on %(day)s in %(zone)s: write %(first)s or %(second)s.")
    return words % {**about, "first": first, "second": second}


def _offset(local: datetime) -> str:
    digits = f"{local:%z}"
    return f"{digits[:3]}:{digits[3:5]}"
