"""Teams: made, changed and deleted here. A team's name is never changed: anomalies name it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from anomalies.audit import Actor, acting
from anomalies.models import OwnershipRule, Team
from anomalies.permissions import deciders

MOST_TEAMS, MOST_MEMBERS = 100, 200
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
_RESERVED = ("mine",)  # of the filter ``team``


class OwnershipError(ValueError):
    """A team or a rule that can't be made or changed as given; the message says why.

    ``field`` is the name of the value that is wrong, None where no single one is.
    """

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


def teams() -> QuerySet[Team]:
    """All teams, by name."""
    return Team.objects.order_by("name")


def save_team(name: str, members: Iterable[str], actor: Actor) -> Team:
    """Make a team, or give the one of this name these members. Raises OwnershipError."""
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise OwnershipError(_("A team's name has 1 to 60 of a-z, 0-9 and -, and is not “mine”."), "name")
    named = sorted(set(members))
    unknown = set(named) - set(User.objects.filter(username__in=named).values_list("username", flat=True))
    if unknown:
        raise OwnershipError(
            _("There is no account %(names)s.") % {"names": ", ".join(sorted(unknown))}, "members"
        )
    if len(named) > MOST_MEMBERS:
        raise OwnershipError(_("A team has at most %(most)s members.") % {"most": MOST_MEMBERS}, "members")
    with acting(actor):
        team = Team.objects.select_for_update().filter(name=name).first()
        if team is None:
            if Team.objects.count() >= MOST_TEAMS:
                raise OwnershipError(
                    _("There are %(count)s teams; delete one first.") % {"count": MOST_TEAMS}, "name"
                )
            return Team.objects.create(name=name, members=named, created_by=actor.username)
        team.members = named
        team.save(update_fields=["members"])
        return team


def delete_team(pk: UUID, actor: Actor) -> str:
    """Delete a team that no rule names, and return its name. Its anomalies keep it. Raises OwnershipError."""
    with acting(actor):
        team = Team.objects.select_for_update().filter(pk=pk).first()
        if team is None:
            raise OwnershipError(_("There is no such team."))
        naming = OwnershipRule.objects.filter(assign_to=team.assignee).order_by("position")
        if names := list(naming.values_list("name", flat=True)):
            raise OwnershipError(
                _("These rules name the team: %(names)s. Change them first.") % {"names": ", ".join(names)}
            )
        team.delete()
        return team.name


def active_members(team: Team, active: set[str] | None = None) -> list[str]:
    """The members that may decide about anomalies; ``active`` are all who may, where it is known."""
    may = set(deciders()) if active is None else active
    return [name for name in team.members if name in may]
