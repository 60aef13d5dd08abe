"""Assignment: an anomaly has one assignee who may decide about it, or none.

It names who looks at the anomaly and keeps nobody else from deciding. Versions, batches and locks are those
of a decision (``decisions.hold``); the audit log names it ``assign`` or ``unassign``, and it can be undone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db.models import Q

from anomalies.audit import Actor
from anomalies.fields import Now
from anomalies.models import Anomaly
from anomalies.permissions import deciders

from .decisions import DecisionError, Hold, Outcome, hold


def assign(
    ids: Iterable[UUID],
    to: str | None,
    actor: Actor,
    *,
    seen: Mapping[UUID, int] | None = None,
    batch: UUID | None = None,
) -> Outcome:
    """Assign these anomalies to this user, or to nobody; ``seen`` and ``batch`` as in ``decide``.

    An anomaly that has this assignee already is refused. Raises DecisionError for a user who may not decide.
    """
    if to is not None and to not in deciders():
        raise DecisionError("It can be assigned to somebody who may decide about it, and to nobody else.")
    return hold(_hold(to, actor), ids, actor, seen=seen, batch=batch)


def _hold(to: str | None, actor: Actor) -> Hold:
    def why_not(anomaly: Anomaly) -> str:
        return f"it is assigned to {anomaly.assigned_to or 'nobody'} already"

    if to is None:
        return Hold("unassign", dict.fromkeys(Anomaly.ASSIGNMENT), why_not, unless=Q(assigned_to=None))
    values = {"assigned_to": to, "assigned_by": actor.username, "assigned_at": Now()}
    return Hold("assign", values, why_not, unless=Q(assigned_to=to))
