"""The forms that assign and snooze: one anomaly on its page or in the queue, many from the list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies.audit import Actor
from anomalies.triage.assignment import assign, assignees
from anomalies.triage.decisions import Outcome
from anomalies.triage.snooze import MOST, Rule, end_snooze, snooze

from .edit_conflict import OneAnomalyForm

_SPANS = {
    "1": gettext_lazy("1 hour"),
    "4": gettext_lazy("4 hours"),
    "24": gettext_lazy("1 day"),
    "168": gettext_lazy("1 week"),
    "720": gettext_lazy("30 days"),
}


class AssignForm(forms.Form):
    """The assignee: a user with permission to decide, a team, or none."""

    to = forms.ChoiceField(required=False, label=gettext_lazy("Assign to"))
    batch = forms.UUIDField(required=False, widget=forms.HiddenInput)
    action = "assign"

    def __init__(self, *args: Any, people: Iterable[str] | None = None, **kwargs: Any) -> None:
        """``people`` are the names of all assignees, where a page has read them."""
        super().__init__(*args, **{"auto_id": "id_assign_%s", **kwargs})
        names = assignees() if people is None else people
        to = cast(forms.ChoiceField, self.fields["to"])
        to.choices = [("", _("nobody")), *((name, name) for name in names)]

    def take(self, expected: Mapping[UUID, int], actor: Actor) -> Outcome:
        """Assign the anomalies, each in its expected version. Raises DecisionError."""
        to, batch = self.cleaned_data["to"] or None, self.cleaned_data["batch"]
        return assign(expected, to, actor, seen=expected, batch=batch)


class SnoozeForm(forms.Form):
    """The end of a snooze: at a time, above an NCD, or after N more within 24 h, whichever comes first."""

    span = forms.ChoiceField(required=False, choices=[("", "–"), *_SPANS.items()], label=gettext_lazy("For"))
    until = forms.DateTimeField(
        required=False,
        label=gettext_lazy("or until"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": 1}, format="%Y-%m-%dT%H:%M:%S"),
    )
    ncd_above = forms.FloatField(
        required=False,
        label=gettext_lazy("or until NCD above"),
        widget=forms.NumberInput(attrs={"step": "any", "min": 0, "max": 1, "size": 6}),
    )
    more = forms.IntegerField(
        required=False,
        label=gettext_lazy("or until N more within 24 h"),
        widget=forms.NumberInput(attrs={"min": 1, "max": MOST, "size": 5}),
    )
    batch = forms.UUIDField(required=False, widget=forms.HiddenInput)
    action = "snooze"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "id_snooze_%s", **kwargs})

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("span") and cleaned.get("until"):
            self.add_error("until", _("Enter either a duration or a time."))
        return cleaned

    def take(self, expected: Mapping[UUID, int], actor: Actor) -> Outcome:
        """Snooze the anomalies, each in its expected version. Raises DecisionError for an impossible rule."""
        return snooze(expected, self.rule, actor, seen=expected, batch=self.cleaned_data["batch"])

    @property
    def rule(self) -> Rule:
        """The rule that the form describes."""
        said = self.cleaned_data
        until = said["until"]
        if said["span"]:
            until = timezone.now() + timedelta(hours=int(said["span"]))
        return Rule(until, said["ncd_above"], said["more"])


class AssignOneForm(AssignForm, OneAnomalyForm):
    """The assignee of one anomaly."""


class SnoozeOneForm(SnoozeForm, OneAnomalyForm):
    """The snooze of one anomaly."""


class WakeOneForm(OneAnomalyForm):
    """The end of one anomaly's snooze."""

    action = "wake"

    def take(self, expected: Mapping[UUID, int], actor: Actor) -> Outcome:
        """End the snooze."""
        return end_snooze(expected, actor, seen=expected, batch=self.cleaned_data["batch"])


OF_MANY: dict[str, type[AssignForm] | type[SnoozeForm]] = {"assign": AssignForm, "snooze": SnoozeForm}
