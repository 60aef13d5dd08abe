"""Messages about what a decision did: how many anomalies, which were skipped and why, and the undo button."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.http import HttpRequest

from anomalies.audit.history import DONE
from anomalies.triage.decisions import Outcome
from anomalies.triage.undo import UNDOABLE

from ..ui.formatting import visible

_NAMED = 5  # skipped anomalies that are named one by one


def report(request: HttpRequest, action: str, outcome: Outcome, name: str = "") -> None:
    """Add messages about an outcome: done, done before by the same form, and skipped with the reason.

    ``name`` is that of the only anomaly, safe to show.
    """
    word, tags = done_word(action), undo_tags(outcome.batch) if action in UNDOABLE else ""
    if outcome.decided:
        words = "Note added." if action == "note" else f"{counted(len(outcome.decided))} {word}."
        words += f" {name}" if name else ""
        messages.success(request, words, extra_tags=tags)
    if outcome.repeated:
        words = f"{counted(len(outcome.repeated))} {word} by you a moment ago; nothing was done twice."
        messages.success(request, words, extra_tags="" if outcome.decided else tags)
    if outcome.changed:
        words = f"Skipped: {counted(len(outcome.changed))}, changed since the page was opened."
        messages.warning(request, words)
    for refusal in outcome.refused[:_NAMED]:
        messages.warning(request, f"Not {word}: {str(refusal.id)[:8]}… – {visible(refusal.why, 200)}.")
    unnamed = len(outcome.refused) - _NAMED
    if unnamed > 0:
        messages.warning(request, f"Not {word} for similar reasons: {unnamed:,} more.")


def counted(number: int) -> str:
    """Say how many anomalies: "1 anomaly", "9,924 anomalies"."""
    return "1 anomaly" if number == 1 else f"{number:,} anomalies"


def done_word(action: str) -> str:
    """Return the participle of an action: "acknowledged"."""
    return DONE.get(action, "noted")


def undo_tags(batch: Any) -> str:
    """Return the tags of a message with an undo button: the batch to undo, and the undo's own batch."""
    return f"undo {batch} {uuid4()}"
