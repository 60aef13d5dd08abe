"""Ownership rules: made, changed, put in order and deleted here. The first one that matches wins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.models import Case, Max, When
from django.http import QueryDict
from django.utils.translation import gettext as _

from anomalies.audit import Actor, acting
from anomalies.models import TEAM_SIGN, OwnershipRule
from anomalies.queries.filters import AnomalyFilter, asked_of
from anomalies.queries.saved_filters import SavedFilterError, checked_query
from anomalies.triage.assignment import assignees

from .teams import OwnershipError, active_members, teams

MOST_RULES = 100  # each is compared with every anomaly that arrives
_UNASSIGNED = ("assigned", "team")  # filters that no anomaly that arrives meets
# Two people who change the order at once would leave two rules at one position: one waits for the other.
_ALONE = "SELECT pg_advisory_xact_lock(hashtext('driftlock.ownership_rules'))"


@dataclass(frozen=True, slots=True)
class NewOwnership:
    """A rule to be made. ``query`` is a filter as in the list's address; ``assign_to`` a user or #team."""

    name: str
    assign_to: str
    query: str = ""
    enabled: bool = True


def in_order() -> list[OwnershipRule]:
    """All rules, the first to be tried first."""
    return list(OwnershipRule.objects.order_by("position", "id"))


def filterset_of(rule: OwnershipRule) -> AnomalyFilter:
    """The filter of a rule."""
    return AnomalyFilter(QueryDict(rule.query))


def problems_of(rules: Iterable[OwnershipRule]) -> dict[UUID, str]:
    """The reasons for which rules are skipped, or reach nobody, by rule."""
    known = assignees()
    people = {name for name in known if not name.startswith(TEAM_SIGN)}
    empty = {team.assignee for team in teams() if not active_members(team, people)}
    found = {}
    for rule in rules:
        if not filterset_of(rule).form.is_valid():
            found[rule.pk] = _("skipped: its filter is not valid any more")
        elif rule.assign_to not in known:
            found[rule.pk] = _("skipped: %(name)s has no active account that may decide") % {
                "name": rule.assign_to
            }
            if rule.assign_to.startswith(TEAM_SIGN):
                found[rule.pk] = _("skipped: there is no team %(name)s") % {"name": rule.assign_to}
        elif rule.assign_to in empty:
            found[rule.pk] = _("no member of %(name)s may decide: nobody sees what it owns") % {
                "name": rule.assign_to
            }
    return found


def applied(rules: Iterable[OwnershipRule]) -> list[OwnershipRule]:
    """Those of the rules, in their order, that are enabled and can assign."""
    enabled = [rule for rule in rules if rule.enabled]
    if not enabled:
        return []
    known = assignees()
    return [rule for rule in enabled if rule.assign_to in known and filterset_of(rule).form.is_valid()]


def checked(new: NewOwnership, actor: Actor) -> OwnershipRule:
    """The rule that would be made, not stored. Raises OwnershipError."""
    name = " ".join(new.name.split())
    if not 0 < len(name) <= 80 or not name.isprintable():
        raise OwnershipError(_("Give the rule a name of 1 to 80 printable characters."), "name")
    if new.assign_to not in assignees():
        raise OwnershipError(_("Choose a team, or somebody who may decide."), "assign_to")
    try:
        query = checked_query(new.query)
    except SavedFilterError as error:
        raise OwnershipError(str(error), "query") from error
    filterset = AnomalyFilter(QueryDict(query))
    if filterset.form.is_valid() and not asked_of(filterset).keys().isdisjoint(_UNASSIGNED):
        raise OwnershipError(_("What arrives is assigned to nobody yet: leave out the assignee."), "query")
    return OwnershipRule(
        name=name,
        query=query,
        assign_to=new.assign_to,
        enabled=new.enabled,
        created_by=actor.username,
        position=(OwnershipRule.objects.aggregate(last=Max("position"))["last"] or 0) + 1,
    )


def make(new: NewOwnership, actor: Actor) -> OwnershipRule:
    """Make a rule behind all others. Raises OwnershipError."""
    with acting(actor):
        _alone()
        if OwnershipRule.objects.count() >= MOST_RULES:
            raise OwnershipError(_("There are %(count)s rules; delete one first.") % {"count": MOST_RULES})
        rule = checked(new, actor)
        rule.save(force_insert=True)
    rule.refresh_from_db()
    return rule


def change(pk: UUID, new: NewOwnership, actor: Actor) -> None:
    """Change a rule where it stands; it applies to what arrives from then on. Raises OwnershipError."""
    with acting(actor):
        given = checked(new, actor)
        values = {"name": given.name, "query": given.query, "assign_to": given.assign_to}
        if not OwnershipRule.objects.filter(pk=pk).update(**values, enabled=given.enabled):
            raise OwnershipError(_("The rule was deleted in the meantime."))


def delete(pk: UUID, actor: Actor) -> bool:
    """Delete a rule; False where there is none. What it assigned stays assigned."""
    with acting(actor):
        return bool(OwnershipRule.objects.filter(pk=pk).delete()[0])


def move(pk: UUID, up: bool, actor: Actor) -> bool:
    """Let a rule change places with the one before (``up``) or behind it; False where there is none."""
    with acting(actor):
        _alone()
        order = in_order()
        place = next((number for number, rule in enumerate(order) if rule.pk == pk), None)
        if place is None:
            return False
        other = place - 1 if up else place + 1
        if not 0 <= other < len(order):
            return False
        sides = ((order[place], order[other].position), (order[other], order[place].position))
        for rule, position in sides:
            OwnershipRule.objects.filter(pk=rule.pk).update(position=position)
        return True


def switch(pk: UUID, actor: Actor) -> bool:
    """Disable an enabled rule, or enable a disabled one; False where there is none."""
    with acting(actor):
        return bool(
            OwnershipRule.objects.filter(pk=pk).update(
                enabled=Case(When(enabled=True, then=False), default=True)
            )
        )


def _alone() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_ALONE)
