"""The ownership rules in order, each with its owner, what is wrong with it, and what it would have taken.

Rules are moved, switched off and deleted here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from anomalies import permissions
from anomalies.models import OwnershipRule
from anomalies.ownership import rules
from anomalies.ownership.giving import LOOKED_AT, WhatIf, what_if
from anomalies.ownership.teams import active_members, teams
from anomalies.permissions import deciders
from anomalies.queries.filters import in_words
from anomalies.work.heartbeats import workers

from ..read_only import ReadOnlyAdmin
from ..ui import formatting as show
from ..views import DeskView, uuid_of
from .rule_form import ChangeOwnershipView, NewOwnershipView
from .team_form import TeamView

LIST = "admin:anomalies_ownershiprule_changelist"
_JOB = "notifications"  # assigns what arrives


@dataclass(frozen=True, slots=True)
class Line:
    """A rule as the page shows it."""

    rule: OwnershipRule
    about: str
    address: str
    problem: str
    would: WhatIf | None


@dataclass(frozen=True, slots=True)
class TeamLine:
    """A team as the page shows it."""

    name: str
    address: str
    members: str
    problem: str


@admin.register(OwnershipRule)
class OwnershipRuleAdmin(ReadOnlyAdmin):
    """The entry in the admin's index; the pages are views of their own."""

    def get_urls(self) -> list[URLPattern]:
        name = "anomalies_ownershiprule"
        return [
            path("", OwnershipView.as_view(), name=f"{name}_changelist"),
            path("add/", NewOwnershipView.as_view(), name=f"{name}_add"),
            path("team/", TeamView.as_view(), name=f"{name}_team"),
            path("<path:key>/change/", ChangeOwnershipView.as_view(), name=f"{name}_change"),
        ]

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return permissions.can_set_owners(request.user)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return permissions.can_set_owners(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return permissions.can_set_owners(request.user)


class OwnershipView(DeskView):
    """Shows the rules in order, with ``?what-if`` what each would have taken; moves, switches and deletes."""

    permission = staticmethod(permissions.can_set_owners)
    model = OwnershipRule
    template = "admin/anomalies/ownershiprule/list.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the rules and the teams."""
        order = rules.in_order()
        total, found = what_if(order) if "what-if" in request.GET else (None, [])
        would = {each.rule.pk: each for each in found}
        problems = rules.problems_of(order)
        active = set(deciders())
        return self.render(
            {
                "title": _("Ownership"),
                "lines": [self._line(rule, problems, would) for rule in order],
                "teams": [self._team(team, active) for team in teams()],
                "total": total,
                "most": LOOKED_AT if total == LOOKED_AT else None,
                "works": not any(rule.enabled for rule in order) or _is_worked(),
            }
        )

    def post(self, request: HttpRequest) -> HttpResponse:
        """Move, switch or delete a rule: the button's name says which, its value the rule."""
        for name, do in _DEEDS.items():
            key = uuid_of(request.POST.get(name, ""))
            if key is not None:
                if not do(key, self.actor):
                    messages.warning(
                        request, _("Nothing was changed: the rule was deleted, or is at the end.")
                    )
                return redirect(LIST)
        messages.warning(request, _("Choose a rule first."))
        return redirect(LIST)

    def _line(self, rule: OwnershipRule, problems: dict[UUID, str], would: dict[UUID, WhatIf]) -> Line:
        return Line(
            rule,
            show.visible(in_words(rules.filterset_of(rule)), 400),
            reverse("admin:anomalies_ownershiprule_change", args=[rule.pk]),
            show.visible(problems.get(rule.pk, ""), 300),
            would.get(rule.pk),
        )

    def _team(self, team: Any, active: set[str]) -> TeamLine:
        may = active_members(team, active)
        gone = [name for name in team.members if name not in may]
        problem = _("may not decide: %(names)s") % {"names": ", ".join(gone)} if gone else ""
        if not may:
            problem = _("no member may decide: nobody sees what it owns")
        address = f"{reverse('admin:anomalies_ownershiprule_team')}?{urlencode({'name': team.name})}"
        members = show.visible(", ".join(team.members) or "–", 400)
        return TeamLine(team.name, address, members, show.visible(problem, 400))


def _is_worked() -> bool:
    return any(one.state == "running" and _JOB in one.jobs for one in workers())


_DEEDS = {
    "up": lambda key, actor: rules.move(key, True, actor),
    "down": lambda key, actor: rules.move(key, False, actor),
    "switch": rules.switch,
    "delete": rules.delete,
}
