"""How values are shown: numbers, times, statuses, evidence. Everything from a log is text, and escaped."""

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

from anomalies import json_column
from anomalies.local_times import zone_mark
from anomalies.queries.evidence_events import MOST_CHARACTERS, Event, as_text, events_in
from anomalies.safe_text import escaped

SHOWN_LINES = 300
SHOWN_CHARACTERS = 2_000
_MARKS = 1024  # kept as drawn: a page shows the same few statuses and tags on every line


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many digits behind the point; a dash for none."""
    return "–" if value is None else f"{value:.{digits}f}"


def p_value(value: float | None) -> str:
    """A p-value: small ones by their power of ten, never as 0.000."""
    if value is None:
        return "–"
    return f"{value:.1e}" if 0 < value < 0.001 else f"{value:.3f}"


def percent(value: float | None) -> str:
    """A signed percentage."""
    return "–" if value is None else f"{value:+.0f} %"


def moment(value: datetime | None, after: datetime | None = None) -> str | SafeString:
    """A time in the desk's zone, without its date where it comes ``after`` another of that day.

    In full, as ISO 8601 in UTC, when one points at it.
    """
    if value is None:
        return "–"
    local = f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S}"
    if after is not None and timezone.localdate(after) == timezone.localdate(value):
        local = local[11:]
    local += zone_mark(value)
    return format_html(
        '<time datetime="{0}" title="{0}">{1}</time>', value.astimezone(UTC).isoformat(), local
    )


def zone_name() -> str:
    """The name of the zone in which the desk shows times."""
    return timezone.get_current_timezone_name()


@lru_cache(maxsize=_MARKS)
def status_mark(status: str, words: str) -> SafeString:
    """A status as a coloured word."""
    return format_html('<span class="status status-{}">{}</span>', status, words)


def tag_marks(tags: Iterable[str] | None) -> SafeString | str:
    """Tags side by side, the first ten of them."""
    all_tags = list(tags or ())
    shown = [visible(tag if isinstance(tag, str) else as_text(tag), 40) for tag in all_tags[:10]]
    marks = format_html_join(" ", "{}", ((_tag_mark(tag),) for tag in shown))
    return format_html("{} +{}", marks, len(all_tags) - 10) if len(all_tags) > 10 else marks


@lru_cache(maxsize=_MARKS)
def _tag_mark(shown: str) -> SafeString:
    return format_html('<span class="tag">{}</span>', shown)


def visible(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """Text with control and direction characters made visible, cut at ``limit`` characters."""
    more = f" … [{len(text):,} characters]" if len(text) > limit else ""
    return escaped(text[:limit], keep="\n\t") + more


def first_line(text: str, limit: int = 160) -> str:
    """What a list shows of an explanation."""
    lines = text.strip().splitlines()
    if not lines:
        return "–"
    return visible(lines[0][:limit]) + ("…" if len(lines[0]) > limit else "")


@dataclass(frozen=True, slots=True)
class Evidence:
    """The events of a baseline or a window: those shown, and how many there are.

    ``find`` is what was searched for: only events that hold it are shown, out of ``searched``.
    """

    lines: tuple[Event, ...]
    total: int
    find: str = ""
    searched: int = 0

    @property
    def left_out(self) -> int:
        """How many events are not shown."""
        return self.total - len(self.lines)


def evidence(
    raw: str | None, total: int | None = None, *, find: str = "", most: int = SHOWN_LINES
) -> Evidence:
    """The events out of a jsonb column's text, safe to show; a placeholder for what breaks the limits.

    ``total`` is how many the column holds, where ``raw`` is but the first of them.
    """
    if raw is None:
        return Evidence((), 0)
    value = json_column.parsed(raw)
    if len(raw) == MOST_CHARACTERS:
        value = json_column.Unreadable(raw, f"has more than {MOST_CHARACTERS:,} characters")
    if isinstance(value, json_column.Unreadable):
        return Evidence((Event(str(value)), Event(visible(raw))), 2)
    found = events_in(value)
    hits = [event for event in found if find.casefold() in event.text.casefold()] if find else found
    shown = tuple(_safe(event) for event in hits[:most])
    return Evidence(shown, len(hits) if find else total or len(found), find, len(found))


def _safe(event: Event) -> Event:
    """The event as it can be shown; an object or array indented, to be folded."""
    if event.value is None:
        return replace(event, text=visible(event.text))
    indented = visible(json.dumps(event.value, indent=2, ensure_ascii=False), SHOWN_CHARACTERS * 5)
    return replace(event, text=visible(event.text, 160), value=indented)


def marked(text: str, find: str) -> SafeString | str:
    """A text with all that was searched for marked in it."""
    if not find:
        return text
    parts = re.split(f"({re.escape(find)})", text, flags=re.IGNORECASE)
    pieces = (
        (format_html('<mark class="hit">{}</mark>', part) if at % 2 else part,)
        for at, part in enumerate(parts)
    )
    return format_html_join("", "{}", pieces)


def pretty_json(raw: str | None) -> str:
    """A jsonb column's text, indented; what breaks the limits as a placeholder and as it stands."""
    if raw is None:
        return ""
    value = json_column.parsed(raw)
    if isinstance(value, json_column.Unreadable):
        return f"{value}\n{visible(raw, 20_000)}"
    return visible(json.dumps(value, indent=2, ensure_ascii=False), 20_000)


def json_block(raw: str | None) -> SafeString | str:
    """A jsonb column's text as a block of its own; a dash for none."""
    return "–" if raw is None else format_html('<pre class="json">{}</pre>', pretty_json(raw))
