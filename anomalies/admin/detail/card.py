"""The card of an anomaly: what an analyst sees first, in as few words as decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from anomalies import json_column
from anomalies.languages import formats
from anomalies.models import Status
from anomalies.queries.card.contrast import Contrast, Piece, contrast
from anomalies.queries.card.series import series_of
from anomalies.queries.evidence_events import Event, events
from anomalies.queries.patterns.decided import Decision, PatternFacts, Proposal

from ..ui import formatting as show
from ..ui.addresses import anomalies_of
from ..ui.naming import HEADING, name_of
from ..ui.series_chart import series_chart

_WHERE = ("service", "service.name", "file", "host")
_CONTEXT = 200  # characters of a line of context
_RUN = 120  # characters that both lines have in common and that are shown at once
_MARKS = {"added": "<ins>{}</ins>", "missing": "<del>{}</del>", "same": "{}"}
_SPOKEN = {"added": gettext_lazy("new: "), "missing": gettext_lazy("usual: ")}


@dataclass(frozen=True, slots=True)
class Chip:
    """One short fact: its name, its words, and what they mean, shown on hover and read aloud."""

    name: str
    words: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the card: its number in the source, and its text, safe to show."""

    number: str
    text: SafeString | str


def card_of(anomaly: Any, pattern: PatternFacts | None) -> dict[str, Any]:
    """Return the context of the card."""
    metadata = json_column.object_of(anomaly.metadata_text)
    window, baseline = events(anomaly.window_data_text), events(anomaly.baseline_data_text)
    found = contrast(window, baseline, metadata.get("odd_line"))
    return {
        "headline": name_of(anomaly, HEADING),
        "where": show.visible(_where(anomaly, metadata), 120),
        "chips": [_new(anomaly), _rare(anomaly, metadata), _before(pattern)],
        "charts": [*map(series_chart, series_of(baseline, window))],
        "contrast": None if found is None else _shown(found),
        "pattern": None if pattern is None else panel(pattern),
    }


def panel(pattern: PatternFacts) -> dict[str, Any]:
    """Return what the page shows of a pattern: template, counts with links, times, decisions."""
    counts = [
        (Status(status).label, formats.count(count), anomalies_of(pattern.key, status))
        for status, count in pattern.counts.items()
        if count
    ]
    return {
        "template": show.visible(pattern.template, 400),
        "total": formats.count(pattern.total),
        "link": anomalies_of(pattern.key),
        "counts": counts,
        "first": pattern.first_seen,
        "last": pattern.last_seen,
        "in_words": pattern.in_words,
        "decision": _decision(pattern.decisions[0]) if pattern.decisions else None,
        "proposal": pattern.proposal,
    }


def proposed(pattern: dict[str, Any] | None, moves: list[str]) -> Proposal | None:
    """Return the decision that the pattern's decisions agree on, if it is possible here."""
    found: Proposal | None = pattern["proposal"] if pattern else None
    return found if found and found.action in moves else None


def _decision(last: Decision) -> dict[str, Any]:
    return {"words": last.words, "by": show.visible(last.by or "–", 60), "at": last.at}


def _where(anomaly: Any, metadata: dict[str, Any]) -> str:
    """The source: the column, else what the metadata of an older row has of it."""
    texts = (metadata.get(key) for key in _WHERE)
    return anomaly.source or next((text for text in texts if isinstance(text, str) and text), "")


def _new(anomaly: Any) -> Chip:
    if anomaly.novelty is None:
        ncd = show.number(anomaly.ncd_score, 2)
        return Chip(_("New"), f"NCD {ncd}", _("Distance of the window from its baseline, 0 to 1"))
    meaning = _("Share that the stream had not shown before in that place")
    return Chip(_("New"), formats.share(anomaly.novelty), meaning)


def _rare(anomaly: Any, metadata: dict[str, Any]) -> Chip:
    p = anomaly.p_value
    is_of_days = metadata.get("p_value_method") == "tail"
    by_day = _("p = %(p)s: how often a day of this stream shows as much by chance")
    by_window = _("p = %(p)s: how often a window of this stream shows as much by chance")
    meaning = (by_day if is_of_days else by_window) % {"p": show.short(p)}
    if not 0 < p <= 1:
        return Chip(_("Rare"), f"p {show.number(p)}", meaning)
    often = _("1 in %(count)s days") if is_of_days else _("1 in %(count)s windows")
    if p < 1e-6:
        often = _("less than 1 in %(count)s days") if is_of_days else _("less than 1 in %(count)s windows")
    return Chip(_("Rare"), often % {"count": formats.count(1 / max(p, 1e-6))}, meaning)


def _before(pattern: PatternFacts | None) -> Chip:
    meaning = _("Anomalies of the same pattern, and when the first of them happened")
    if pattern is None:
        return Chip(_("Seen"), _("pattern not known yet"), meaning)
    if pattern.total <= 1:
        return Chip(_("Seen"), _("never before"), meaning)
    about = {"count": formats.count(pattern.total)}
    words = ngettext("%(count)s time", "%(count)s times", pattern.total)
    if pattern.first_seen:
        words = ngettext("%(count)s time, first %(when)s", "%(count)s times, first %(when)s", pattern.total)
        about["when"] = show.ago(pattern.first_seen)
    return Chip(_("Seen"), words % about, meaning)


def _shown(found: Contrast) -> dict[str, Any]:
    usual = found.usual
    return {
        "place": found.place,
        "before": [_context(event) for event in found.before],
        "after": [_context(event) for event in found.after],
        "odd": Line(_number(found.odd), _pieces(found.odd_pieces)),
        "usual": usual and Line(_number(usual), _pieces(found.usual_pieces)),
        "alike": formats.share(found.similarity),
        "compared": formats.count(found.compared),
        "is_same": found.similarity == 1,
        "is_marked": found.is_marked,
    }


def _context(event: Event) -> Line:
    return Line(_number(event), show.first_line(event.text, _CONTEXT))


def _number(event: Event) -> str:
    return "" if event.number is None else formats.count(event.number)


def _pieces(pieces: tuple[Piece, ...]) -> SafeString:
    """Mark what only one of both lines has; long runs of what both have are cut in their middle."""
    return format_html_join("", "{}", ((_piece(piece),) for piece in pieces))


def _piece(piece: Piece) -> SafeString | str:
    text = show.visible(piece.text)
    if piece.kind == "same":
        half = _RUN // 2
        return text if len(text) <= _RUN else f"{text[:half]} … {text[-half:]}"
    spoken = format_html('<span class="visually-hidden">{}</span>', _SPOKEN[piece.kind])
    return format_html(_MARKS[piece.kind], format_html("{}{}", spoken, text))
