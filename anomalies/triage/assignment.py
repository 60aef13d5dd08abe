"""Assignment: an anomaly has one assignee, a person who may decide about it or a team, or none.

It names who looks at the anomaly and keeps nobody else from deciding. Versions, batches and locks are those
of a decision (``decisions.hold``); the audit log names it ``assign`` or ``unassign``, and it can be undone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db.models import CharField, Q, Value
from django.db.models.functions import Concat
from django.utils.translation import gettext as _

from anomalies.audit import Actor
from anomalies.fields import Now
from anomalies.models import TEAM_SIGN, Anomaly, Team
from anomalies.permissions import deciders

from .decisions import DecisionError, Hold, Outcome, hold


def assignees() -> list[str]:
    """All to whom an anomaly can be assigned: who may decide, then the teams behind their sign."""
    named = Concat(Value(TEAM_SIGN), "name", output_field=CharField())
    teams = Team.objects.annotate(named=named).values_list("named", flat=True)
    found = deciders().order_by().union(teams, all=True)  # one statement: lists ask it
    return sorted(found, key=lambda name: (name.startswith(TEAM_SIGN), name))


def assign(
    ids: Iterable[UUID],
    to: str | None,
    actor: Actor,
    *,
    seen: Mapping[UUID, int] | None = None,
    batch: UUID | None = None,
    note: str = "",
) -> Outcome:
    """Assign these anomalies to this user or #team, or to nobody; ``seen`` and ``batch`` as in ``decide``.

    The ``note`` goes into the audit log only. An anomaly that has this assignee already is refused. Raises
    DecisionError for a user who may not decide, and for a team that does not exist.
    """
    if to is not None and to not in assignees():
        raise DecisionError(
            _("It can be assigned to a team or to somebody who may decide about it, and to nobody else.")
        )
    return hold(_hold(to, actor, note), ids, actor, seen=seen, batch=batch)


def _hold(to: str | None, actor: Actor, note: str) -> Hold:
    def why_not(anomaly: Anomaly) -> str:
        if not anomaly.assigned_to:
            return _("it is assigned to nobody already")
        return _("it is assigned to %(name)s already") % {"name": anomaly.assigned_to}

    if to is None:
        return Hold(
            "unassign", dict.fromkeys(Anomaly.ASSIGNMENT), why_not, unless=Q(assigned_to=None), note=note
        )
    values = {"assigned_to": to, "assigned_by": actor.username, "assigned_at": Now()}
    return Hold("assign", values, why_not, unless=Q(assigned_to=to), note=note)
