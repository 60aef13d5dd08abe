"""The form that makes a rule, about a pattern or for a maintenance window, with what it would have hidden."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies import permissions
from anomalies.models import MOST_DAYS, DismissalReason, Pattern, RuleAction, Status, Stream, TriageRule
from anomalies.queries import hourly_rollup
from anomalies.queries.patterns.what_if import DAYS, MOST, WhatIf, patterns_of, what_if
from anomalies.triage.decisions import DecisionError
from anomalies.triage.rules import MOST_WEEKS, NewRule, RuleError, limits_of, make, make_weekly

from ..ui import formatting as show
from ..views import DeskView, uuid_of
from .words import where

_LIST = "admin:anomalies_triagerule_changelist"
_FIELDS = {"window_start": "start", "window_end": "end"}  # the fields of other names than a rule's


class RuleForm(forms.Form):
    """The decision of a rule, and the note that says why."""

    action = forms.ChoiceField(choices=RuleAction.choices, label=gettext_lazy("Decision"))
    reason = forms.ChoiceField(
        choices=[("", "–"), *DismissalReason.choices],
        required=False,
        help_text=gettext_lazy("Required for a dismissal."),
        label=gettext_lazy("Reason"),
    )
    assign_to = forms.ChoiceField(required=False, label=gettext_lazy("Assign to"))
    note = forms.CharField(
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("Why this is decided in advance."),
        label=gettext_lazy("Note"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = cast(forms.ChoiceField, self.fields["assign_to"])
        people.choices = [("", "–"), *((name, name) for name in permissions.deciders())]

    def decision(self) -> dict[str, Any]:
        """The part of a NewRule that every form has."""
        given = self.cleaned_data
        found = {"action": given["action"], "note": given["note"]}
        return found | {"reason": given["reason"] or None, "assign_to": given["assign_to"] or None}


class PatternRuleForm(RuleForm):
    """A rule about a pattern: also the number of days until it expires."""

    days = forms.IntegerField(
        min_value=1, max_value=MOST_DAYS, initial=MOST_DAYS, label=gettext_lazy("Expires after (days)")
    )

    def rule(self, pattern: UUID | None) -> NewRule:
        """The rule that the form describes."""
        return NewRule(pattern=pattern, days=self.cleaned_data["days"], **self.decision())


class WindowRuleForm(RuleForm):
    """A maintenance window: also a source, a stream or both, and its two times."""

    source = forms.CharField(required=False, max_length=255, label=gettext_lazy("Source"))
    stream_type = forms.ChoiceField(
        required=False, label=gettext_lazy("Stream"), choices=[("", gettext_lazy("any")), *Stream.choices]
    )
    start = forms.DateTimeField(
        label=gettext_lazy("From"), widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    end = forms.DateTimeField(
        label=gettext_lazy("Until"), widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )

    weeks = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST_WEEKS,
        initial=1,
        label=gettext_lazy("Weeks in a row"),
        help_text=gettext_lazy("At the same times each week; each week is a rule of its own."),
    )

    def rule(self, pattern: UUID | None) -> NewRule:
        """The rule that the form describes."""
        given = self.cleaned_data
        return NewRule(
            source=given["source"],
            stream_type=given["stream_type"],
            window=(given["start"], given["end"]),
            **self.decision(),
        )


class NewRuleView(DeskView):
    """Shows the form with a what-if, and makes the rule: about ``?pattern=KEY``, or else for a window."""

    permission = staticmethod(permissions.can_make_rules)
    model = TriageRule
    template = "admin/anomalies/triagerule/add.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the empty form; about a pattern with its limits and the what-if."""
        pattern = self._pattern()
        if pattern is None and "pattern" in request.GET:
            return self._no_pattern()
        reason = request.GET.get("reason", "")
        first = {"reason": reason if reason in DismissalReason.values else DismissalReason.KNOWN_HARMLESS}
        return self._page(self._form_of(pattern)(initial=first), pattern)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Make the rule, or show what it would have hidden."""
        pattern = self._pattern()
        if pattern is None and "pattern" in request.GET:
            return self._no_pattern()
        form = self._form_of(pattern)(request.POST)
        if not form.is_valid() or "_preview" in request.POST:
            return self._page(form, pattern)
        try:
            made = self._made(form, pattern)
        except DecisionError as error:
            form.add_error(_field_of(error, form), str(error))
            return self._page(form, pattern)
        messages.success(
            request,
            _("Rule created: it decides about new anomalies from now on.")
            if made == 1
            else _("%(count)s rules created, one for each week.") % {"count": made},
        )
        return HttpResponseRedirect(reverse(_LIST))

    def _made(self, form: PatternRuleForm | WindowRuleForm, pattern: Pattern | None) -> int:
        """Make what the form describes; returns the number of rules."""
        rule = form.rule(pattern.key if pattern else None)
        if isinstance(form, WindowRuleForm):
            return len(make_weekly(rule, form.cleaned_data["weeks"] or 1, self.actor))
        make(rule, self.actor)
        return 1

    def _pattern(self) -> Pattern | None:
        """The pattern that the address names."""
        key = uuid_of(self.request.GET.get("pattern", ""))
        if key is None:
            return None
        hourly_rollup.fold_if_allowed()
        return Pattern.objects.filter(key=key).first()

    def _no_pattern(self) -> HttpResponse:
        messages.warning(self.request, _("There is no such pattern; choose one of these."))
        return HttpResponseRedirect(reverse("admin:anomalies_pattern_changelist"))

    @staticmethod
    def _form_of(pattern: Pattern | None) -> type[PatternRuleForm | WindowRuleForm]:
        return WindowRuleForm if pattern is None else PatternRuleForm

    def _page(self, form: PatternRuleForm | WindowRuleForm, pattern: Pattern | None) -> HttpResponse:
        context: dict[str, Any] = {"form": form, "title": _("New rule"), "days": DAYS, "pattern": pattern}
        if pattern is not None:
            context |= {"template": show.visible(pattern.template, 400)}
            context |= {"where": where(pattern.stream_type, pattern.source), "limits": limits_of(pattern.key)}
            context |= _shown(what_if([pattern.key]))
        elif form.is_bound and form.is_valid():
            given = form.cleaned_data
            context |= {"where": where(given["stream_type"], given["source"])}
            context |= _shown(what_if(patterns_of(given["stream_type"], given["source"])))
        if "counts" in context:
            context["would_have_hidden"] = _would_have_hidden(context)
        return self.render(context)


def _would_have_hidden(context: dict[str, Any]) -> str:
    """The sentence about what a rule would have hidden in the last days."""
    parts = [f"{count} {Status(status).label}" for status, count in context["counts"]]
    where = context["where"] or _("this pattern")
    words = _("In the last %(days)s days of %(where)s: %(counts)s.")
    return words % {"days": context["days"], "where": where, "counts": ", ".join(parts)}


def _field_of(error: DecisionError, form: forms.Form) -> str | None:
    """The form's field that holds the wrong value; None where no single one does."""
    field = error.field if isinstance(error, RuleError) else "note"
    field = _FIELDS.get(field, field)
    return field if field in form.fields else None


def _shown(found: WhatIf) -> dict[str, Any]:
    """The what-if as the template shows it."""
    counts = [(status, show.capped(count, MOST)) for status, count in found.counts.items()]
    first = [
        {
            "url": reverse("admin:anomalies_anomaly_change", args=[each.id]),
            "when": show.absolute(each.timestamp),
            "status": str(Status(each.status).label),
            "ncd": show.number(each.ncd_score),
            "line": show.first_line(each.explanation),
        }
        for each in found.first
    ]
    return {"counts": counts, "first": first, "total": found.total}
