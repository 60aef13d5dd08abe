"""The form of an ownership rule: it makes or changes one, or tests it without saving."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies import permissions
from anomalies.models import TEAM_SIGN, OwnershipRule
from anomalies.ownership.giving import what_if
from anomalies.ownership.rules import NewOwnership, change, checked, in_order, make
from anomalies.ownership.teams import OwnershipError
from anomalies.queries import saved_filters
from anomalies.triage.assignment import assignees

from ..views import DeskView, uuid_of

_LIST = "admin:anomalies_ownershiprule_changelist"


class OwnershipForm(forms.Form):
    """An ownership rule; its filter is a saved one, which is copied, or the query of the list's address."""

    name = forms.CharField(max_length=80, label=gettext_lazy("Name"))
    saved_filter = forms.ChoiceField(required=False, label=gettext_lazy("Saved filter"))
    query = forms.CharField(
        required=False,
        max_length=4_000,
        label=gettext_lazy("Or filter"),
        help_text=gettext_lazy(
            "What the list's address has behind “?”, such as source=payments&ncd_min=0.9."
        ),
    )
    assign_to = forms.ChoiceField(
        label=gettext_lazy("Owner"), help_text=gettext_lazy("A team begins with #.")
    )
    enabled = forms.BooleanField(required=False, initial=True, label=gettext_lazy("Enabled"))

    def __init__(self, user: permissions.User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._saved = {str(each.pk): each for each in saved_filters.visible_to(cast(Any, user))}
        offered = cast(forms.ChoiceField, self.fields["saved_filter"])
        offered.choices = [("", "–"), *((pk, each.name) for pk, each in self._saved.items())]
        # Teams first: a rule outlives who is on duty.
        names = sorted(assignees(), key=lambda name: not name.startswith(TEAM_SIGN))
        owners = cast(forms.ChoiceField, self.fields["assign_to"])
        owners.choices = [("", "–"), *((name, name) for name in names)]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("saved_filter") and given.get("query"):
            self.add_error("query", _("Choose a saved filter or write one, not both."))
        return given

    def rule(self) -> NewOwnership:
        """The rule that the form describes."""
        given = self.cleaned_data
        saved = self._saved.get(given["saved_filter"])
        query = saved.query if saved else given["query"]
        return NewOwnership(given["name"], given["assign_to"], query, given["enabled"])


class NewOwnershipView(DeskView):
    """Shows the form, makes the rule behind all others, or tests it (``_test``)."""

    permission = staticmethod(permissions.can_set_owners)
    model = OwnershipRule
    template = "admin/anomalies/ownershiprule/form.html"
    title: Any = gettext_lazy("New ownership rule")

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form; ``?query=`` fills in a filter."""
        return self.page(OwnershipForm(request.user, initial={"query": request.GET.get("query", "")}))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Make the rule, or test it, or say what is wrong."""
        return self.answer(None)

    def answer(self, rule: OwnershipRule | None) -> HttpResponse:
        """Make a rule, or change ``rule``; or test it without saving, in its place among the others."""
        form = OwnershipForm(self.request.user, self.request.POST)
        if not form.is_valid():
            return self.page(form)
        try:
            if "_test" in self.request.POST:
                return self.page(form, would=self._would(form, rule))
            if rule is None:
                make(form.rule(), self.actor)
            else:
                change(rule.pk, form.rule(), self.actor)
        except OwnershipError as error:
            form.add_error(error.field, str(error))
            return self.page(form)
        messages.success(self.request, _("Saved. It applies to what arrives from now on."))
        return redirect(_LIST)

    def page(self, form: OwnershipForm, **further: Any) -> HttpResponse:
        """Show the form."""
        return self.render({"form": form, "title": self.title, **further})

    def _would(self, form: OwnershipForm, rule: OwnershipRule | None) -> dict[str, Any]:
        tried = checked(form.rule(), self.actor)
        stored = in_order()
        places = [each.pk for each in stored]
        before = stored if rule is None else stored[: places.index(rule.pk) if rule.pk in places else None]
        total, found = what_if([*(each for each in before if each.enabled), tried])
        return {"total": total, "last": found[-1]}


class ChangeOwnershipView(NewOwnershipView):
    """Shows the form of a rule that exists, changes it where it stands, or tests the change."""

    title = gettext_lazy("Change ownership rule")

    def get(self, request: HttpRequest, key: str = "") -> HttpResponse:
        """Show the form with the rule."""
        rule = self._rule(key)
        if rule is None:
            return redirect(_LIST)
        values = {name: getattr(rule, name) for name in ("name", "query", "assign_to", "enabled")}
        return self.page(OwnershipForm(request.user, initial=values))

    def post(self, request: HttpRequest, key: str = "") -> HttpResponse:
        """Change the rule, or test the change, or say what is wrong."""
        rule = self._rule(key)
        return redirect(_LIST) if rule is None else self.answer(rule)

    def _rule(self, key: str) -> OwnershipRule | None:
        pk = uuid_of(key)
        rule = OwnershipRule.objects.filter(pk=pk).first() if pk else None
        if rule is None:
            messages.warning(self.request, _("There is no such ownership rule."))
        return rule
