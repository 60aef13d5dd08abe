"""The form of a team: its name and its members. Anomalies name a team, so its name is never changed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies import permissions
from anomalies.models import OwnershipRule, Team
from anomalies.ownership.teams import OwnershipError, delete_team, save_team
from anomalies.permissions import deciders

from ..views import DeskView

_LIST = "admin:anomalies_ownershiprule_changelist"


class TeamForm(forms.Form):
    """A team. A member that may no longer decide stays offered until somebody takes it out."""

    name = forms.CharField(
        max_length=60,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("a-z, 0-9 and -; it can't be changed later."),
    )
    members = forms.MultipleChoiceField(
        required=False, label=gettext_lazy("Members"), widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, team: Team | None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = dict.fromkeys([*deciders(), *(team.members if team else [])])
        members = self.fields["members"]
        assert isinstance(members, forms.MultipleChoiceField)
        members.choices = [(name, name) for name in names]
        self.fields["name"].widget.attrs["readonly"] = team is not None


class TeamView(DeskView):
    """Shows the form, with ``?name=`` of a team that exists; makes the team, changes or deletes it."""

    permission = staticmethod(permissions.can_set_owners)
    model = OwnershipRule
    template = "admin/anomalies/ownershiprule/team.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the form."""
        team = self._team(request.GET.get("name", ""))
        initial = {"name": team.name, "members": team.members} if team else {}
        return self._page(TeamForm(team, initial=initial), team)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Save or delete the team, or say what is wrong."""
        team = self._team(request.POST.get("name", ""))
        form = TeamForm(team, request.POST)
        try:
            if "_delete" in request.POST and team is not None:
                delete_team(team.pk, self.actor)
                words = _("The team %(name)s was deleted; its anomalies keep its name.") % {"name": team.name}
                messages.success(request, words)
                return redirect(_LIST)
            if not form.is_valid():
                return self._page(form, team)
            save_team(form.cleaned_data["name"], form.cleaned_data["members"], self.actor)
        except OwnershipError as error:
            form.add_error(error.field, str(error))
            return self._page(form, team)
        messages.success(request, _("The team was saved."))
        return redirect(_LIST)

    def _team(self, name: str) -> Team | None:
        return Team.objects.filter(name=name).first() if "\0" not in name else None

    def _page(self, form: TeamForm, team: Team | None) -> HttpResponse:
        title = _("Team %(name)s") % {"name": team.name} if team else _("New team")
        return self.render({"form": form, "team": team, "title": title})
