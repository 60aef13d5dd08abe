"""A chart of one series as SVG: the values before, those of the window, the usual band and the odd points.

The style sheet has the colours. It is stretched to the width of the page, so its lines and dots are strokes
that do not scale, and its labels stand around it. Before and window differ in thickness and odd points in
shape: nothing depends on colour alone. It is one image with a description; its figures are in the evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from anomalies.languages import formats
from anomalies.queries.card.series import Point, Series, figure

from . import formatting as show

_WIDTH, _HEIGHT, _MARGIN = 1000, 150, 8
_MANY = 20  # odd points from which on they are drawn smaller


@dataclass(frozen=True, slots=True)
class SeriesChart:
    """The drawing of a series with its labels: name, range of values, first and last time ('' without)."""

    name: str
    values: str
    drawing: SafeString
    first: str
    last: str
    has_band: bool


class _Scale:
    """The place of a point in the drawing."""

    def __init__(self, points: Sequence[Point], band: Sequence[float]) -> None:
        values = [*(point.value for point in points), *band]
        self.low, self.high = min(values), max(values)
        self.first, self.last = points[0].x, points[-1].x

    def x(self, place: float) -> float:
        return _share(place, self.first, self.last) * _WIDTH

    def y(self, value: float) -> float:
        return _MARGIN + (1 - _share(value, self.low, self.high)) * (_HEIGHT - 2 * _MARGIN)


def series_chart(series: Series) -> SeriesChart:
    """Draw a series, with its description for screen readers."""
    band = () if series.low is None or series.high is None else (series.low, series.high)
    scale = _Scale(series.points, band)
    parts = [
        *_band(scale, band),
        _line(scale, series.before, "before"),
        _line(scale, [*series.before[-1:], *series.window], "window"),
        *_begin(scale, series),
        _dots(scale, series.odd),
    ]
    drawing = format_html(
        '<svg class="series" role="img" aria-label="{}" viewBox="0 0 {} {}" preserveAspectRatio="none">'
        "{}</svg>",
        in_words(series),
        _WIDTH,
        _HEIGHT,
        format_html_join("", "{}", ((part,) for part in parts)),
    )
    first, last = (_moment(x) if series.is_timed else "" for x in (scale.first, scale.last))
    name, values = show.visible(series.name, 80), _range((scale.low, scale.high))
    return SeriesChart(name, values, drawing, first, last, bool(band))


def in_words(series: Series) -> str:
    """Return what the chart shows in a sentence without its end."""
    values = [point.value for point in series.window]
    words = ngettext(
        "%(name)s: %(count)s value, %(range)s", "%(name)s: %(count)s values, %(range)s", len(values)
    )
    about = {"count": formats.count(len(values)), "range": _range(values)}
    parts = [words % {"name": show.visible(series.name, 80), **about}]
    if series.low is not None and series.high is not None:
        parts.append(_("usual %(range)s") % {"range": _range((series.low, series.high))})
    if series.odd:
        odd = {"count": formats.count(len(series.odd)), "range": _range([each.value for each in series.odd])}
        parts.append(_("%(count)s odd, %(range)s") % odd)
    return "; ".join(parts)


def _range(values: Iterable[float]) -> str:
    ordered = sorted(values)
    low, high = (formats.number_text(figure(each)) for each in (ordered[0], ordered[-1]))
    return low if low == high else _("%(low)s to %(high)s") % {"low": low, "high": high}


def _band(scale: _Scale, band: Sequence[float]) -> list[SafeString]:
    if not band:
        return []
    top, bottom = scale.y(band[1]), scale.y(band[0])
    height = show.coordinate(max(bottom - top, 1))
    return [
        format_html(
            '<rect class="band" y="{}" width="{}" height="{}"/>', show.coordinate(top), _WIDTH, height
        )
    ]


def _line(scale: _Scale, points: Sequence[Point], kind: str) -> SafeString:
    path = " ".join(
        f"{show.coordinate(scale.x(point.x))},{show.coordinate(scale.y(point.value))}" for point in points
    )
    return format_html('<polyline class="{}" points="{}"/>', kind, path)


def _begin(scale: _Scale, series: Series) -> list[SafeString]:
    """The line at which the window begins."""
    if not series.before:
        return []
    x = show.coordinate(scale.x(series.window[0].x))
    return [format_html('<line class="begin" x1="{0}" x2="{0}" y1="0" y2="{1}"/>', x, _HEIGHT)]


def _dots(scale: _Scale, points: Sequence[Point]) -> SafeString:
    """Lines of no length with round ends, which stay round however the drawing is stretched."""
    places = ((show.coordinate(scale.x(point.x)), show.coordinate(scale.y(point.value))) for point in points)
    kind = "odd many" if len(points) > _MANY else "odd"
    return format_html('<path class="{}" d="{}"/>', kind, " ".join(f"M{x},{y}h0" for x, y in places))


def _share(value: float, low: float, high: float) -> float:
    # Halved first: the difference of two large finite numbers can be infinite.
    span = high / 2 - low / 2
    return (value / 2 - low / 2) / span if span else 0.5


def _moment(seconds: float) -> str:
    return show.absolute_text(datetime.fromtimestamp(seconds, UTC))
