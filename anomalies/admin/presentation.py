"""How values are shown: numbers, times, statuses, evidence. Everything from a log is text, and escaped."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from .. import jsonb
from ..evidence import Event, as_text, events
from ..terminal import escaped

SHOWN_LINES = 300
SHOWN_CHARACTERS = 2_000


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
    return format_html(
        '<time datetime="{0}" title="{0}">{1}</time>', value.astimezone(UTC).isoformat(), local
    )


def zone_name() -> str:
    """The name of the zone in which the desk shows times."""
    return timezone.get_current_timezone_name()


def status_mark(status: str, words: str) -> SafeString:
    """A status as a coloured word."""
    return format_html('<span class="status status-{}">{}</span>', status, words)


def tag_marks(tags: Iterable[str] | None) -> SafeString | str:
    """Tags side by side, the first ten of them."""
    all_tags = list(tags or ())
    more = format_html(" +{}", len(all_tags) - 10) if len(all_tags) > 10 else ""
    shown = [visible(tag if isinstance(tag, str) else as_text(tag), 40) for tag in all_tags[:10]]
    marks = format_html_join(" ", '<span class="tag">{}</span>', ((tag,) for tag in shown))
    return format_html("{}{}", marks, more)


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
    """The events of a baseline or a window: those shown, and how many there are."""

    lines: tuple[Event, ...]
    total: int

    @property
    def left_out(self) -> int:
        """How many events are not shown."""
        return self.total - len(self.lines)


def evidence(raw: str | None) -> Evidence:
    """The events out of a jsonb column's text, safe to show; a placeholder for what breaks the limits."""
    if raw is not None and isinstance(broken := jsonb.parsed(raw), jsonb.Unreadable):
        return Evidence((Event(str(broken)), Event(visible(raw))), 2)
    found = events(raw)
    return Evidence(tuple(replace(e, text=visible(e.text)) for e in found[:SHOWN_LINES]), len(found))


def pretty_json(raw: str | None) -> str:
    """A jsonb column's text, indented; what breaks the limits as a placeholder and as it stands."""
    if raw is None:
        return ""
    value = jsonb.parsed(raw)
    if isinstance(value, jsonb.Unreadable):
        return f"{value}\n{visible(raw, 20_000)}"
    return visible(json.dumps(value, indent=2, ensure_ascii=False), 20_000)


def json_block(raw: str | None) -> SafeString | str:
    """A jsonb column's text as a block of its own; a dash for none."""
    return "–" if raw is None else format_html('<pre class="json">{}</pre>', pretty_json(raw))
