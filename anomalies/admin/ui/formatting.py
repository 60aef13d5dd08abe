"""Formats numbers, times, statuses, evidence and JSON for a page; text from outside is safe and escaped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from anomalies import json_column
from anomalies.languages import formats
from anomalies.local_times import zone_mark
from anomalies.queries.evidence_events import MOST_CHARACTERS, Event, as_text, events_in
from anomalies.safe_text import escaped

SHOWN_LINES = 300
SHOWN_CHARACTERS = 2_000
_MARKS = 1024  # cached: a page shows the same few statuses and tags in every row


def number(value: float | None, digits: int = 3) -> str:
    """Format a number with this many decimals and marks between thousands; a dash for None."""
    return "–" if value is None else formats.number_text(f"{value:,.{digits}f}")


def capped(count: int, cap: int) -> str:
    """Format a count that stops at a cap: "9,924", or "10,000+" for more."""
    return f"{formats.count(cap)}+" if count > cap else formats.count(count)


def short(value: float, digits: int = 3) -> str:
    """Format a number with this many significant digits: "0.3"."""
    return formats.number_text(f"{value:.{digits}g}")


def p_value(value: float | None) -> SafeString | str:
    """Format a p-value with three decimals; below 0.001 say so, with the exact value on hover."""
    if value is None:
        return "–"
    if value >= 0.001:
        return formats.number_text(f"{value:.3f}")
    return format_html('<span title="{}">&lt; {}</span>', short(value), formats.number_text("0.001"))


def coordinate(value: float) -> str:
    """Return a place in an SVG drawing to a tenth of a unit."""
    return f"{value:.1f}"


def percent(value: float | None) -> str:
    """Format a signed percentage."""
    return "–" if value is None else formats.percent_text(formats.number_text(f"{value:+,.0f}"))


def moment(value: datetime | None) -> str | SafeString:
    """Format a time as relative to now, with the absolute one and its zone on hover and in print."""
    if value is None:
        return "–"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', _iso(value), absolute_text(value), ago(value)
    )


def absolute(value: datetime | None) -> str | SafeString:
    """Format a time as date and time with the zone."""
    return (
        "–"
        if value is None
        else format_html('<time datetime="{}">{}</time>', _iso(value), absolute_text(value))
    )


def clock_time(value: datetime) -> SafeString:
    """Format a time of day, with date and zone on hover."""
    words = f"{formats.clock(timezone.localtime(value))}{zone_mark(value)}"
    return format_html('<time datetime="{}" title="{}">{}</time>', _iso(value), absolute_text(value), words)


def absolute_text(value: datetime) -> str:
    """Return a time as "2026-11-23 12:00:00 UTC", in the reader's zone and format."""
    local = timezone.localtime(value)
    return f"{formats.date_and_time(local)}{zone_mark(value) or f'{local: %Z}'}"


def minute(value: datetime | None) -> str:
    """Return a time as "2026-11-23 12:00 UTC", in the reader's zone and format."""
    if value is None:
        return "–"
    local = timezone.localtime(value)
    return f"{formats.date_and_minute(local)}{zone_mark(value) or f'{local: %Z}'}"


def day(value: datetime) -> str:
    """Return the date of a time in the reader's zone and format: "2026-11-23"."""
    return formats.date(timezone.localtime(value))


def ago(value: datetime) -> str:
    """Return how long ago a time is ("5 min ago", "in 3 h"), from a day on with the time of day.

    From 30 days on it is the date.
    """
    seconds = (timezone.now() - value).total_seconds()
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if abs(seconds) >= unit:
            words = f"{abs(seconds) // unit:.0f} {name}"
            break
    else:
        return _("just now")
    relative = (_("%(time)s ago") if seconds > 0 else _("in %(time)s")) % {"time": words}
    if abs(seconds) < 86_400:
        return relative
    local, mark = timezone.localtime(value), zone_mark(value)
    if abs(seconds) < 30 * 86_400:
        return f"{relative}, {formats.clock(local)}{mark}"
    return f"{formats.date_and_time(local)}{mark}"


def duration(seconds: float) -> str:
    """Return a length of time in its largest unit: "1.5 h"."""
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{formats.number_text(f'{seconds / unit:.1f}')} {name}"
    return f"{seconds:.0f} s"


def _iso(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()


def zone_name() -> str:
    """Return the name of the zone in which the desk shows times."""
    return timezone.get_current_timezone_name()


@lru_cache(maxsize=_MARKS)
def status_mark(status: str, words: str) -> SafeString:
    """Return a status as a coloured word."""
    return format_html('<span class="status status-{}">{}</span>', status, words)


def tag_marks(tags: Iterable[str] | None) -> SafeString | str:
    """Return the first ten tags, and how many more there are."""
    all_tags = list(tags or ())
    shown = [visible(tag if isinstance(tag, str) else as_text(tag), 40) for tag in all_tags[:10]]
    marks = format_html_join(" ", "{}", ((_tag_mark(tag),) for tag in shown))
    return format_html("{} +{}", marks, formats.count(len(all_tags) - 10)) if len(all_tags) > 10 else marks


@lru_cache(maxsize=_MARKS)
def _tag_mark(shown: str) -> SafeString:
    return format_html('<span class="tag">{}</span>', shown)


def visible(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """Return text with control and direction characters made visible, cut at ``limit`` characters."""
    shown = escaped(text[:limit], keep="\n\t")
    if len(text) <= limit:
        return shown
    return _("%(text)s … [%(count)s characters]") % {"text": shown, "count": formats.count(len(text))}


def first_line(text: str, limit: int = 160) -> str:
    """Return the first line of an explanation, for a list."""
    lines = text.strip().splitlines()
    if not lines:
        return "–"
    return visible(lines[0][:limit]) + ("…" if len(lines[0]) > limit else "")


@dataclass(frozen=True, slots=True)
class Evidence:
    """The events of a baseline or a window that are shown, and how many there are.

    ``find`` is the text searched for: only events that contain it are shown, out of ``searched``.
    """

    lines: tuple[Event, ...]
    total: int
    find: str = ""
    searched: int = 0

    @property
    def left_out(self) -> int:
        """The number of events that are not shown."""
        return self.total - len(self.lines)


def evidence(
    raw: str | None, total: int | None = None, *, find: str = "", most: int = SHOWN_LINES
) -> Evidence:
    """Parse the events of a jsonb column's text; a value beyond the JSON limits becomes a placeholder.

    ``total`` is the number of events in the column, where ``raw`` has only the first of them.
    """
    if raw is None:
        return Evidence((), 0)
    value = json_column.parsed(raw)
    if len(raw) == MOST_CHARACTERS:
        why = _("has more than %(count)s characters") % {"count": formats.count(MOST_CHARACTERS)}
        value = json_column.Unreadable(raw, why)
    if isinstance(value, json_column.Unreadable):
        return Evidence((Event(str(value)), Event(visible(raw))), 2)
    found = events_in(value)
    hits = [event for event in found if find.casefold() in event.text.casefold()] if find else found
    shown = tuple(_safe(event) for event in hits[:most])
    return Evidence(shown, len(hits) if find else total or len(found), find, len(found))


def _safe(event: Event) -> Event:
    """Return an event that is safe to show; an object or array is indented, to be folded."""
    if event.value is None:
        return replace(event, text=visible(event.text))
    indented = visible(json.dumps(event.value, indent=2, ensure_ascii=False), SHOWN_CHARACTERS * 5)
    return replace(event, text=visible(event.text, 160), value=indented)


def marked(text: str, find: str) -> SafeString | str:
    """Return a text with every match of a search marked."""
    if not find:
        return text
    parts = re.split(f"({re.escape(find)})", text, flags=re.IGNORECASE)
    pieces = (
        (format_html('<mark class="hit">{}</mark>', part) if at % 2 else part,)
        for at, part in enumerate(parts)
    )
    return format_html_join("", "{}", pieces)


def pretty_json(raw: str | None) -> str:
    """Indent a jsonb column's text; a value beyond the JSON limits is a placeholder and the text itself."""
    if raw is None:
        return ""
    value = json_column.parsed(raw)
    if isinstance(value, json_column.Unreadable):
        return f"{value}\n{visible(raw, 20_000)}"
    return visible(json.dumps(value, indent=2, ensure_ascii=False), 20_000)


def json_block(raw: str | None) -> SafeString | str:
    """Return a jsonb column's text as a block; a dash for None."""
    return "–" if raw is None else format_html('<pre class="json">{}</pre>', pretty_json(raw))
