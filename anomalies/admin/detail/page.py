"""The page of one anomaly: how the row is read, and what the page shows of it."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.forms import Form
from django.http import HttpRequest

from anomalies.audit import history, with_last_entry
from anomalies.models import Anomaly
from anomalies.permissions import can_decide, can_make_rules
from anomalies.queries.bounded.counts import Count
from anomalies.queries.bounded.together import together
from anomalies.queries.card.headline import with_headline
from anomalies.queries.patterns.decided import pattern_of, with_pattern
from anomalies.queries.precedents import in_words, precedents
from anomalies.triage.decisions import allowed_moves
from anomalies.triage.undo import UNDOABLE

from ..decide.assign_snooze import assign_snooze, with_people
from ..decide.edit_conflict import Answer, new_batch
from ..decide.queue import bar, waiting_read
from ..rules.words import new_rule_about
from ..ui import formatting as show
from ..ui.naming import name_of, source_of
from ..views import DeskView
from .card import card_of, proposed
from .evidence_panel import Asked, evidence_of, time_line_of, with_evidence
from .thread import thread, with_comments
from .threshold_table import FigureReads, figures


def read(object_id: str, request: HttpRequest) -> Any:
    """Read an anomaly with as much of its evidence as the address asks for; None where there is none."""
    rows = with_last_entry(with_evidence(Anomaly.objects.all(), Asked.of(request)), "anomaly")
    rows = with_comments(with_pattern(with_headline(rows)))
    try:
        return with_people(rows).filter(pk=object_id).first()
    except ValidationError:
        return None


def whole(view: DeskView, anomaly: Any, form: Form, answer: Answer) -> dict[str, Any]:
    """Return the context of the whole page."""
    similar = precedents(anomaly, anomaly.window_data_text)
    entries = history(anomaly.pk)
    last = entries[0] if entries else None
    card = card_of(anomaly, pattern_of(anomaly))
    compared, waiting = FigureReads.of(anomaly), waiting_read(view.request)
    found = together(compared.usual, compared.active, *([waiting] if waiting else []))
    base = frame(view, anomaly, form, answer, found[waiting] if waiting else None)
    may_undo = last is not None and last.batch and last.action in UNDOABLE and can_decide(view.request.user)
    return {
        **base,
        **card,
        "proposed": proposed(card["pattern"], base["moves"]),
        "explanation": show.visible(anomaly.glass_box_explanation, 20_000),
        "details": show.visible(anomaly.detailed_explanation or "", 20_000),
        "notes": show.visible(anomaly.notes or "", 20_000),
        "tags": show.tag_marks(anomaly.tags),
        "figures": figures(anomaly, found[compared.usual], next(iter(found[compared.active]), None)),
        **evidence_of(view.request, anomaly, card["contrast"]),
        "time_line": time_line_of(anomaly, view.preserved_filters),
        "metadata": show.pretty_json(anomaly.metadata_text),
        "similar": similar,
        "whose": source_of(anomaly),
        "similar_in_words": in_words(similar),
        "new_rule": new_rule_about(anomaly.pattern) if can_make_rules(view.request.user) else "",
        **thread(view.request, anomaly),
        "history": entries,
        "undoable": last if may_undo else None,
    }


def frame(
    view: DeskView, anomaly: Any, form: Form, answer: Answer, waiting: Count | None = None
) -> dict[str, Any]:
    """Return what the page and an edit conflict share: the anomaly's head, the form, the queue."""
    may_decide = can_decide(view.request.user)
    return {
        "title": name_of(anomaly),
        "name": name_of(anomaly),
        "anomaly": anomaly,
        "state": show.status_mark(anomaly.status, anomaly.get_status_display()),
        "form": form,
        "batch": new_batch(),
        "answer": answer,
        "moves": allowed_moves(anomaly.status) if may_decide else [],
        "may_decide": may_decide,
        "preserved_filters": view.preserved_filters,
        "queue": bar(view.request, anomaly, waiting),
        **assign_snooze(view.request, anomaly),
    }
