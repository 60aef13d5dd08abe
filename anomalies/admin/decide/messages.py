"""Messages about what a decision did: how many anomalies, which were skipped and why, and the undo button."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies.audit.history import DONE
from anomalies.languages import formats
from anomalies.languages.words import anomalies
from anomalies.triage.decisions import Outcome
from anomalies.triage.undo import UNDOABLE

from ..ui.formatting import visible

_NAMED = 5  # skipped anomalies that are named one by one
DONE_NOW = gettext_lazy("%(anomalies)s %(done)s.")
DONE_BEFORE = gettext_lazy("%(anomalies)s %(done)s by you a moment ago; nothing was done twice.")


def report(request: HttpRequest, action: str, outcome: Outcome, name: str = "") -> None:
    """Add messages about an outcome: done, done before by the same form, and skipped with the reason.

    ``name`` is that of the only anomaly, safe to show.
    """
    word, tags = done_word(action), undo_tags(outcome.batch) if action in UNDOABLE else ""
    if outcome.decided:
        about = {"anomalies": anomalies(len(outcome.decided)), "done": word}
        words = _("Note added.") if action == "note" else str(DONE_NOW) % about
        words += f" {name}" if name else ""
        messages.success(request, words, extra_tags=tags)
    if outcome.repeated:
        words = str(DONE_BEFORE) % {"anomalies": anomalies(len(outcome.repeated)), "done": word}
        messages.success(request, words, extra_tags="" if outcome.decided else tags)
    if outcome.changed:
        words = _("Skipped: %(anomalies)s, changed since the page was opened.")
        words %= {"anomalies": anomalies(len(outcome.changed))}
        messages.warning(request, words)
    for refusal in outcome.refused[:_NAMED]:
        about = {"done": word, "id": str(refusal.id)[:8], "why": visible(refusal.why, 200)}
        messages.warning(request, _("Not %(done)s: %(id)s… – %(why)s.") % about)
    unnamed = len(outcome.refused) - _NAMED
    if unnamed > 0:
        about = {"done": word, "count": formats.count(unnamed)}
        messages.warning(request, _("Not %(done)s for similar reasons: %(count)s more.") % about)


def done_word(action: str) -> str:
    """Return the participle of an action: "acknowledged"."""
    return str(DONE[action]) if action in DONE else _("noted")


def undo_tags(batch: Any) -> str:
    """Return the tags of a message with an undo button: the batch to undo, and the undo's own batch."""
    return f"undo {batch} {uuid4()}"
