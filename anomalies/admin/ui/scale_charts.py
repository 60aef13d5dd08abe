"""Small charts as SVG: a number on its scale, and a stream's time line.

The style sheet has their colours. Each has a text for screen readers; nothing depends on colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from anomalies.queries.neighbours import Range

from . import formatting as show

_WIDTH, _HEIGHT = 180, 22
_LEAST_P = 1e-4  # the left end of a p-value's logarithmic scale
# A shape for each status: they also differ in black and white.
_SHAPES = {
    "pending": "M-4,-4H4V4H-4Z",
    "investigating": "M0,-5L5,4H-5Z",
    "acknowledged": "M0,-5L5,0L0,5L-5,0Z",
    "dismissed": "M-4,0A4,4,0,1,0,4,0A4,4,0,1,0,-4,0",
}


@dataclass(frozen=True, slots=True)
class Tick:
    """One anomaly on a time line: its position, link and text, and whether the page is about it."""

    at: float  # 0 to 1
    status: str
    words: str
    link: str
    here: bool = False


def scale(
    value: float | None, threshold: float | None, usual: Range | None, *, logarithmic: bool = False
) -> str:
    """Draw a number from 0 to 1 on its scale, with its usual range and its threshold; '' for None."""
    if value is None:
        return ""
    place = _log_place if logarithmic else _place
    parts = [format_html('<line class="track" x1="0" x2="{0}" y1="{1}" y2="{1}"/>', _WIDTH, _HEIGHT // 2)]
    if usual is not None:
        low, median, high = place(usual.low), place(usual.median), place(usual.high)
        parts.append(
            format_html(
                '<rect class="usual" x="{}" y="7" width="{}" height="8"/>',
                low,
                show.coordinate(max(float(high) - float(low), 1)),
            )
        )
        parts.append(format_html('<line class="median" x1="{0}" x2="{0}" y1="5" y2="17"/>', median))
    if threshold is not None:
        parts.append(
            format_html('<line class="threshold" x1="{0}" x2="{0}" y1="1" y2="21"/>', place(threshold))
        )
    parts.append(format_html('<circle class="value" cx="{}" cy="{}" r="4"/>', place(value), _HEIGHT // 2))
    return format_html(
        '<svg class="scale" role="img" aria-label="{}" viewBox="-5 0 {} {}" width="{}" height="{}">{}</svg>',
        _in_words(value, threshold, usual),
        _WIDTH + 10,
        _HEIGHT,
        _WIDTH + 10,
        _HEIGHT,
        format_html_join("", "{}", ((part,) for part in parts)),
    )


def time_line(ticks: Sequence[Tick], words: str) -> SafeString:
    """Draw anomalies along the time, each a link; the one that the page is about is larger."""
    marks = format_html_join(
        "",
        '<a href="{}" aria-label="{}"><g class="tick status-{}{}" transform="translate({} {}){}">'
        '<title>{}</title><path d="{}"/></g></a>',
        (
            (
                tick.link,
                tick.words,
                tick.status,
                " here" if tick.here else "",
                show.coordinate(tick.at * 1000),
                30,
                " scale(1.8)" if tick.here else "",
                tick.words,
                _SHAPES.get(tick.status, _SHAPES["pending"]),
            )
            for tick in sorted(ticks, key=lambda tick: tick.here)
        ),
    )
    return format_html(
        '<svg class="time-line" role="group" aria-label="{}" viewBox="-12 0 1024 60">'
        '<line class="track" x1="0" x2="1000" y1="30" y2="30"/>{}</svg>',
        words,
        marks,
    )


def _in_words(value: float, threshold: float | None, usual: Range | None) -> str:
    parts = [show.short(value)]
    if threshold is not None:
        parts.append(_("threshold %(value)s") % {"value": show.short(threshold)})
    if usual is not None:
        low, high, median = (show.short(each) for each in (usual.low, usual.high, usual.median))
        words = _("usual %(low)s to %(high)s, median %(median)s")
        parts.append(words % {"low": low, "high": high, "median": median})
    return "; ".join(parts)


def _place(value: Any) -> str:
    return show.coordinate(min(max(float(value), 0.0), 1.0) * _WIDTH)


def _log_place(value: Any) -> str:
    share = 1 - log10(min(max(float(value), _LEAST_P), 1.0)) / log10(_LEAST_P)
    return show.coordinate(share * _WIDTH)
