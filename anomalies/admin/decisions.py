"""Decisions as forms: of one anomaly on its page, of many from the list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest

from ..models import Anomaly, DismissalReason
from ..transitions import MOVES, Outcome, decide
from .presentation import visible
from .request import actor_of

# One transaction's worth; a larger set is decided in several goes, and the message says what is left.
BULK_LIMIT = 10_000
_NAMED_REFUSALS = 5


class DecisionForm(forms.Form):
    """What goes with a decision: a reason where it is a dismissal, a note if one likes."""

    reason = forms.ChoiceField(
        required=False, choices=[("", "– reason –"), *DismissalReason.choices], label="Reason"
    )
    note = forms.CharField(
        required=False, max_length=10_000, label="Note", widget=forms.Textarea(attrs={"rows": 2, "cols": 60})
    )

    def __init__(self, *args: Any, action: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.action = action

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.action == "dismiss" and not cleaned.get("reason") and "reason" not in self.errors:
            self.add_error("reason", "Say why: a dismissal needs a reason.")
        return cleaned

    @property
    def decision(self) -> dict[str, Any]:
        """The keyword arguments of ``transitions.decide``."""
        reason = self.cleaned_data["reason"] if self.action == "dismiss" else None
        return {"reason": reason or None, "note": self.cleaned_data["note"]}


class ConfirmationForm(DecisionForm):
    """The same for many; ``seen_at`` is when the set was shown, and what came later is left alone."""

    confirmed = forms.BooleanField(widget=forms.HiddenInput, initial=True)
    seen_at = forms.DateTimeField(widget=forms.HiddenInput, input_formats=["%Y-%m-%dT%H:%M:%S.%f%z"])


def as_seen(queryset: QuerySet[Anomaly], seen_at: datetime) -> QuerySet[Anomaly]:
    """Without the anomalies that arrived or were changed after they were shown."""
    return queryset.filter(created_at__lte=seen_at, updated_at__lte=seen_at)


def ids_of(queryset: QuerySet[Anomaly]) -> list[UUID]:
    """The ids of at most BULK_LIMIT anomalies."""
    return list(queryset.values_list("pk", flat=True)[:BULK_LIMIT])


def decide_and_report(request: HttpRequest, action: str, ids: Sequence[UUID], **decision: Any) -> Outcome:
    """Take the decision, and tell whoever took it what was done, what was not, and why."""
    outcome = decide(action, ids, actor_of(request), **decision)
    if outcome.decided:
        messages.success(request, f"{_count(len(outcome.decided))} {_done(action)}.")
    for refusal in outcome.refused[:_NAMED_REFUSALS]:
        messages.warning(
            request, f"Not {_done(action)}: {str(refusal.id)[:8]}… – {visible(refusal.why, 200)}."
        )
    unnamed = len(outcome.refused) - _NAMED_REFUSALS
    if unnamed > 0:
        messages.warning(request, f"Not {_done(action)} for the same kind of reasons: {unnamed:,} more.")
    return outcome


def _count(number: int) -> str:
    return "1 anomaly" if number == 1 else f"{number:,} anomalies"


def _done(action: str) -> str:
    return "taken into investigation" if action == "investigate" else MOVES[action].done
