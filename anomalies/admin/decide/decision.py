"""The decision about one anomaly: the form, and the page of an anomaly that it is on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies.audit import Actor
from anomalies.models import DismissalReason
from anomalies.triage.decisions import MOVES, Outcome, add_note, decide, why_not
from anomalies.web.kept_note import take_note

from ..detail import page
from ..views import OneAnomalyView
from .edit_conflict import Answer, OneAnomalyForm
from .queue import onward


class DecisionForm(forms.Form):
    """A reason where the decision is a dismissal, and an optional note."""

    reason = forms.ChoiceField(
        required=False,
        choices=[("", gettext_lazy("– reason –")), *DismissalReason.choices],
        label=gettext_lazy("Reason"),
    )
    note = forms.CharField(
        required=False,
        max_length=10_000,
        label=gettext_lazy("Note"),
        widget=forms.Textarea(attrs={"rows": 2, "cols": 60, "placeholder": gettext_lazy("Note")}),
    )
    batch = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, action: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.action = action

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.action == "dismiss" and not cleaned.get("reason") and "reason" not in self.errors:
            self.add_error("reason", _("Choose a reason: a dismissal needs one."))
        return cleaned

    def take(self, expected: Mapping[UUID, int], actor: Actor) -> Outcome:
        """Decide about the anomalies, each in its expected version. Raises DecisionError."""
        if self.action == "note":
            ((pk, version),) = expected.items()
            note, batch = self.cleaned_data["note"], self.cleaned_data["batch"]
            return add_note(pk, actor, note, seen=version, batch=batch)
        return decide(self.action, expected, actor, seen=expected, **self.decision)

    @property
    def decision(self) -> dict[str, Any]:
        """The keyword arguments of ``triage.decisions.decide``."""
        reason = self.cleaned_data["reason"] if self.action == "dismiss" else None
        return {
            "reason": reason or None,
            "note": self.cleaned_data["note"],
            "batch": self.cleaned_data["batch"],
        }


class OneDecisionForm(DecisionForm, OneAnomalyForm):
    """The decision about one anomaly, or a note about it."""


class DecisionView(OneAnomalyView):
    """The page of one anomaly, with the decision form for those who may decide."""

    template = "admin/anomalies/anomaly/detail.html"
    always = ("status", "notes")

    def get(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the page."""
        anomaly = self.read(object_id)
        if anomaly is None:
            return self.no_such_anomaly(object_id)
        form = OneDecisionForm(action="", initial={"note": take_note(request)})
        return self.render(page.whole(self, anomaly, form, Answer()))

    def form(self) -> OneDecisionForm:
        """Return the form as sent; ``agree`` is the decision that was proposed, as "dismiss duplicate"."""
        sent: QueryDict = self.request.POST.copy()
        if "agree" in sent:
            sent["action"], _, sent["reason"] = str(sent["agree"]).partition(" ")
        return OneDecisionForm(sent, action=str(sent.get("action", "")))

    def onward(self, form: OneAnomalyForm, pk: UUID) -> str:
        """Return the next anomaly after a decision in the queue; otherwise the same page."""
        is_queued = "queue" in self.request.GET and form.action in MOVES
        return (is_queued and onward(self.request, pk)) or self.request.get_full_path()

    def read(self, object_id: str) -> Any:
        return page.read(object_id, self.request)

    def refuse(self, anomaly: Any, form: OneAnomalyForm, answer: Answer) -> HttpResponse:
        """Show the page again, or both versions and the form, which then is about the current one."""
        if answer.versions is None:
            return self.render(page.whole(self, anomaly, form, answer), answer.status)
        self.template = "admin/anomalies/anomaly/conflict.html"
        frame = page.frame(self, anomaly, form, answer)
        impossible = form.action in MOVES and form.action not in frame["moves"]
        context = {
            **frame,
            "versions": answer.versions,
            "chosen": form.action if form.action in (*MOVES, "note") else "",
            "why_not": why_not(form.action, anomaly) if impossible else "",
            "reason": dict(DismissalReason.choices).get(form.data.get("reason", "")),
        }
        return self.render(context, answer.status)
