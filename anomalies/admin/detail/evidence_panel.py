"""The evidence on an anomaly's page, as much as the address asks for, and the nearby anomalies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from anomalies import json_column
from anomalies.languages import formats
from anomalies.models import Anomaly, Status
from anomalies.queries.evidence_events import Event, Head, Total
from anomalies.queries.neighbours import around

from ..ui import formatting as show
from ..ui.naming import source_of
from ..ui.scale_charts import Tick, time_line

PARTS = {"baseline": "baseline_data", "window": "window_data"}
_MOST_LINES = 20_000  # shown after "Show all"
_LONGEST_SEARCH = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of a page's address: a text to ``find`` in the evidence, a ``part`` to show whole."""

    find: str = ""
    part: str = ""

    @classmethod
    def of(cls, request: HttpRequest) -> Asked:
        """Read the parameters; unknown values are ignored."""
        part = request.GET.get("all", "")
        find = request.GET.get("find", "").strip()[:_LONGEST_SEARCH]
        return cls(find.replace("\0", ""), part if part in PARTS else "")

    def wants_all(self, part: str) -> bool:
        """Return whether a part has to be read whole."""
        return bool(self.find) or self.part == part


def with_evidence(rows: QuerySet[Anomaly], asked: Asked) -> QuerySet[Anomaly]:
    """Annotate ``metadata_text``; of baseline and window the ``_text`` and number of events, ``_total``."""
    whole = [column for part, column in PARTS.items() if asked.wants_all(part)]
    heads = {f"{column}_text": Head(column) for column in PARTS.values() if column not in whole}
    totals = {f"{column}_total": Total(column) for column in PARTS.values()}
    read = json_column.as_text(json_column.as_text(rows, whole, json_column.OF_ONE_ROW), ["metadata"])
    deferred: QuerySet[Anomaly] = read.defer(*PARTS.values(), "metadata").annotate(**heads, **totals)
    return deferred


def evidence_of(request: HttpRequest, anomaly: Any, contrast: dict[str, Any] | None) -> dict[str, Any]:
    """Return baseline and window, the text to find in them, and the place of the card's line."""
    asked = Asked.of(request)
    place = contrast["place"] if contrast and not asked.find else None
    parts = {part: _evidence(part, column, asked, anomaly) for part, column in PARTS.items()}
    is_shown = place is not None and place < len(parts["window"]["lines"])
    return {"find": asked.find, **parts, "odd_place": place if is_shown else None}


def _evidence(part: str, column: str, asked: Asked, anomaly: Any) -> dict[str, Any]:
    most = _MOST_LINES if asked.part == part else show.SHOWN_LINES
    raw, total = getattr(anomaly, f"{column}_text"), getattr(anomaly, f"{column}_total")
    found = show.evidence(raw, total, find=asked.find, most=most)
    return {
        "name": part,
        "label": _("Baseline") if part == "baseline" else _("Window"),
        "is_kept": raw is not None,
        "lines": [(event, show.marked(_text(event), asked.find)) for event in found.lines],
        "left_out": found.left_out,
        "total": found.total,
        "searched": found.searched,
    }


def _text(event: Event) -> str:
    return event.text if event.value is None else str(event.value)


def time_line_of(anomaly: Any, preserved: str) -> dict[str, Any]:
    """Return the nearby anomalies of the source as a chart and as a table."""
    rows = around(anomaly)
    first, last = rows[-1].timestamp, rows[0].timestamp
    span = (last - first).total_seconds() or 1.0
    ticks = [
        Tick(
            at=(each.timestamp - first).total_seconds() / span,
            status=each.status,
            words=_words(each),
            link=_link(each, preserved),
            here=each.pk == anomaly.pk,
        )
        for each in rows
    ]
    words = ngettext(
        "%(count)s anomaly of %(source)s by time", "%(count)s anomalies of %(source)s by time", len(rows)
    ) % {"count": formats.count(len(rows)), "source": source_of(anomaly)}
    return {
        "chart": time_line(ticks, words),
        "rows": [(each, tick) for each, tick in zip(rows, ticks, strict=True)],
        "first": show.absolute(first),
        "last": show.absolute(last),
        "count": len(rows),
    }


def _words(anomaly: Any) -> str:
    when, status = show.absolute_text(anomaly.timestamp), Status(anomaly.status).label
    return f"{when}, {status}, NCD {show.number(anomaly.ncd_score)}"


def _link(anomaly: Any, preserved: str) -> str:
    url = reverse("admin:anomalies_anomaly_change", args=[anomaly.pk])
    return add_preserved_filters({"preserved_filters": preserved, "opts": Anomaly._meta}, url)
