"""The activity of a pattern as a row of bars: an SVG without script or inline style, described in words."""

from __future__ import annotations

from datetime import timedelta
from math import log1p
from uuid import UUID

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from anomalies.queries.patterns.recent import MOST, PARTS, Activity

from .formatting import absolute_text, capped

_WIDTH, _HEIGHT, _STEP = 4 * PARTS, 24, 4


def sparkline(activity: Activity, key: UUID) -> SafeString:
    """Return the bars of one pattern; heights are logarithmic, so that one anomaly beside many is visible."""
    counts = activity.counts[key]
    bars = format_html_join(
        "",
        '<rect x="{}" y="{}" width="3" height="{}"></rect>',
        ((at * _STEP, _HEIGHT - high, high) for at, n in enumerate(counts) if (high := _height(n))),
    )
    shown = ", ".join(capped(n, MOST - 1) for n in counts)
    by_hour, by_day = (
        _("Anomalies by hour, up to %(end)s: %(counts)s"),
        _("Anomalies by day, up to %(end)s: %(counts)s"),
    )
    about = {"end": absolute_text(activity.end), "counts": shown}
    words = (by_hour if activity.step == timedelta(hours=1) else by_day) % about
    return format_html(
        '<svg class="sparkline" role="img" viewBox="0 0 {} {}" width="{}" height="{}"><title>{}</title>'
        '<path d="M0 {}h{}"></path>{}</svg>',
        *(_WIDTH, _HEIGHT, _WIDTH, _HEIGHT),
        words,
        *(_HEIGHT, _WIDTH),
        bars,
    )


def _height(count: int) -> int:
    """The height of a bar; a part with anomalies has at least 3 pixels."""
    return round(3 + (_HEIGHT - 3) * log1p(count - 1) / log1p(MOST - 1)) if count else 0
