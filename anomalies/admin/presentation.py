"""How values are shown: numbers, times, statuses, evidence. Everything from a log is text, and escaped."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

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


def moment(value: datetime | None) -> str | SafeString:
    """A time in the desk's zone; in full, as ISO 8601 in UTC, when one points at it."""
    if value is None:
        return "–"
    local = f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S}"
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
    shown = [visible(tag, 40) for tag in tags or ()]
    more = format_html(" +{}", len(shown) - 10) if len(shown) > 10 else ""
    marks = format_html_join(" ", '<span class="tag">{}</span>', ((tag,) for tag in shown[:10]))
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
class Line:
    """One event of the evidence: its number in the source and its bits where the detector gave them."""

    text: str
    number: int | None = None
    bits: float | None = None
    odd: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """The events of a baseline or a window: those shown, and how many there are."""

    lines: tuple[Line, ...]
    total: int

    @property
    def left_out(self) -> int:
        """How many events are not shown."""
        return self.total - len(self.lines)


def evidence(raw: str | None) -> Evidence:
    """The events out of a jsonb column's text, whatever shape its detector gave them.

    Ours are objects {"line", "text", "bits", "odd"}; others write arrays of texts, objects, or anything.
    JSON that Python can't hold (too deep, a number of 5,000 digits) is shown as it stands.
    """
    if raw is None:
        return Evidence((), 0)
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return Evidence((Line(visible(raw)),), 1)
    events = _events(value)
    return Evidence(tuple(_line(event) for event in events[:SHOWN_LINES]), len(events))


def _events(value: Any) -> list[Any]:
    if isinstance(value, dict):
        for key in ("events", "lines"):
            if isinstance(value.get(key), list):
                return value[key]
        return [f"{key}: {as_text(inner)}" for key, inner in value.items()]
    if isinstance(value, str):
        return value.splitlines()
    return value if isinstance(value, list) else [value]


def _line(event: Any) -> Line:
    if isinstance(event, dict) and isinstance(event.get("text"), str):
        number, bits = event.get("line"), event.get("bits")
        return Line(
            text=visible(event["text"]),
            number=number if isinstance(number, int) else None,
            bits=bits if isinstance(bits, int | float) else None,
            odd=event.get("odd") is True,
        )
    return Line(visible(as_text(event)))


def as_text(value: Any) -> str:
    """A value out of JSON as text: a text as it stands, anything else as JSON."""
    try:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "(nested too deep to show)"


def pretty_json(raw: str | None) -> str:
    """A jsonb column's text, indented where Python can hold it."""
    if raw is None:
        return ""
    try:
        return visible(json.dumps(json.loads(raw), indent=2, ensure_ascii=False), 20_000)
    except (ValueError, RecursionError):
        return visible(raw, 20_000)


def json_block(raw: str | None) -> SafeString | str:
    """A jsonb column's text as a block of its own; a dash for none."""
    return "–" if raw is None else format_html('<pre class="json">{}</pre>', pretty_json(raw))
