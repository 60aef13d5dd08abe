"""Assigning and snoozing as forms: of one anomaly on its page or in the queue, of many from the list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.utils import timezone

from anomalies import permissions
from anomalies.audit import Actor
from anomalies.triage.assignment import assign
from anomalies.triage.decisions import Outcome
from anomalies.triage.snooze import MOST, Rule, end_snooze, snooze

from .edit_conflict import VersionedForm

_SPANS = {"1": "1 hour", "4": "4 hours", "24": "1 day", "168": "1 week", "720": "30 days"}


class AssignForm(forms.Form):
    """To whom: one of those who may decide, or nobody."""

    to = forms.ChoiceField(required=False, label="Assign to")
    batch = forms.UUIDField(required=False, widget=forms.HiddenInput)
    action = "assign"

    def __init__(self, *args: Any, people: Iterable[str] | None = None, **kwargs: Any) -> None:
        """``people`` are the deciders, where a page has them at hand."""
        super().__init__(*args, **{"auto_id": "id_assign_%s", **kwargs})
        names = permissions.deciders() if people is None else people
        self.fields["to"].choices = [("", "nobody"), *((name, name) for name in names)]  # type: ignore[attr-defined]

    def take(self, seen: Mapping[UUID, int], actor: Actor) -> Outcome:
        """Do it. Raises DecisionError."""
        to, batch = self.cleaned_data["to"] or None, self.cleaned_data["batch"]
        return assign(seen, to, actor, seen=seen, batch=batch)


class SnoozeForm(forms.Form):
    """Until when: a time or so long from now, an NCD, so many more in 24 h; whichever comes first."""

    span = forms.ChoiceField(required=False, choices=[("", "–"), *_SPANS.items()], label="For")
    until = forms.DateTimeField(
        required=False,
        label="or until",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": 1}, format="%Y-%m-%dT%H:%M:%S"),
    )
    ncd_above = forms.FloatField(
        required=False,
        label="or until NCD above",
        widget=forms.NumberInput(attrs={"step": "any", "min": 0, "max": 1, "size": 6}),
    )
    more = forms.IntegerField(
        required=False,
        label="or until so many more in 24 h",
        widget=forms.NumberInput(attrs={"min": 1, "max": MOST, "size": 5}),
    )
    batch = forms.UUIDField(required=False, widget=forms.HiddenInput)
    action = "snooze"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "id_snooze_%s", **kwargs})

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("span") and cleaned.get("until"):
            self.add_error("until", "Say either how long or until when.")
        return cleaned

    def take(self, seen: Mapping[UUID, int], actor: Actor) -> Outcome:
        """Do it. Raises DecisionError for a rule by which nothing can sleep."""
        return snooze(seen, self.rule, actor, seen=seen, batch=self.cleaned_data["batch"])

    @property
    def rule(self) -> Rule:
        """The rule that the form describes."""
        said = self.cleaned_data
        until = said["until"]
        if said["span"]:
            until = timezone.now() + timedelta(hours=int(said["span"]))
        return Rule(until, said["ncd_above"], said["more"])


class AssignOneForm(VersionedForm, AssignForm):
    """To whom one anomaly is assigned."""


class SnoozeOneForm(VersionedForm, SnoozeForm):
    """Until when one anomaly sleeps."""


class WakeOneForm(VersionedForm):
    """That one anomaly is to sleep no longer."""

    action = "wake"

    def take(self, seen: Mapping[UUID, int], actor: Actor) -> Outcome:
        """Do it."""
        return end_snooze(seen, actor, seen=seen, batch=self.cleaned_data["batch"])


Form = AssignOneForm | SnoozeOneForm | WakeOneForm
OF_ONE: dict[str, type[Form]] = {"assign": AssignOneForm, "snooze": SnoozeOneForm, "wake": WakeOneForm}
OF_MANY: dict[str, type[AssignForm] | type[SnoozeForm]] = {"assign": AssignForm, "snooze": SnoozeForm}
