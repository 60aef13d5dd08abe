"""Decisions as forms: of one anomaly on its page, of many from the list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest

from anomalies.audit import Actor
from anomalies.audit.history import done
from anomalies.models import DismissalReason
from anomalies.triage.decisions import Outcome, decide
from anomalies.triage.undo import UNDOABLE

from ..ui.formatting import visible
from .edit_conflict import VersionedForm
from .undo import offer

# So many rows travel in a form, with the versions that were seen; a larger set is frozen in the database.
FORM_LIMIT = 1_000
_NAMED_REFUSALS = 5


class DecisionForm(forms.Form):
    """What goes with a decision: a reason where it is a dismissal, a note if one likes."""

    reason = forms.ChoiceField(
        required=False, choices=[("", "– reason –"), *DismissalReason.choices], label="Reason"
    )
    note = forms.CharField(
        required=False, max_length=10_000, label="Note", widget=forms.Textarea(attrs={"rows": 2, "cols": 60})
    )
    batch = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, action: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.action = action

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.action == "dismiss" and not cleaned.get("reason") and "reason" not in self.errors:
            self.add_error("reason", "Say why: a dismissal needs a reason.")
        return cleaned

    def take(self, seen: Mapping[UUID, int], actor: Actor) -> Outcome:
        """Take the decision about the anomalies that were seen."""
        return decide(self.action, seen, actor, seen=seen, **self.decision)

    @property
    def decision(self) -> dict[str, Any]:
        """The keyword arguments of ``transitions.decide``."""
        reason = self.cleaned_data["reason"] if self.action == "dismiss" else None
        return {
            "reason": reason or None,
            "note": self.cleaned_data["note"],
            "batch": self.cleaned_data["batch"],
        }


class OneDecisionForm(VersionedForm, DecisionForm):
    """The decision about one anomaly, on its page."""


def report(request: HttpRequest, action: str, outcome: Outcome) -> None:
    """Tell whoever took a decision what was done, what was not, and why; by its batch it can be undone."""
    word, tags = done_word(action), offer(outcome.batch) if action in UNDOABLE else ""
    if outcome.decided:
        messages.success(request, f"{counted(len(outcome.decided))} {word}.", extra_tags=tags)
    if outcome.repeated:
        words = f"{counted(len(outcome.repeated))} {word} by you a moment ago; nothing was done twice."
        messages.success(request, words, extra_tags="" if outcome.decided else tags)
    if outcome.changed:
        words = f"{counted(len(outcome.changed))} left alone: changed since you saw what you decided about."
        messages.warning(request, words)
    for refusal in outcome.refused[:_NAMED_REFUSALS]:
        messages.warning(request, f"Not {word}: {str(refusal.id)[:8]}… – {visible(refusal.why, 200)}.")
    unnamed = len(outcome.refused) - _NAMED_REFUSALS
    if unnamed > 0:
        messages.warning(request, f"Not {word} for the same kind of reasons: {unnamed:,} more.")


def counted(number: int) -> str:
    """So many anomalies, in words."""
    return "1 anomaly" if number == 1 else f"{number:,} anomalies"


def done_word(action: str) -> str:
    """What became of an anomaly by this decision."""
    return "noted" if action == "note" else done(action)
