"""Triage rules: made, renewed, stopped and undone, by the functions of the desk.

A rule has no version, since nothing of it is edited, so a write needs no If-Match. An Idempotency-Key names
the write. The scope is ``configure``, as a rule decides what nobody will look at; to undo what one did is a
decision.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

from django.http import HttpRequest
from ninja import Status

from anomalies import permissions
from anomalies.models import TriageRule
from anomalies.triage.decisions import DecisionError
from anomalies.triage.rules import NewRule, RuleError, RuleExists, make, make_weekly, renew, stop

from .. import retries
from ..access import caller, needs_too
from ..bulk import undone
from ..problems import Problem, ProblemError
from ..schemas import BulkUndone
from ..writing import DECIDE, REFUSED, Key, assignee
from .reading import absent, router, rule_values, rules_of
from .shapes import NewPatternRule, NewWindow, Renewal, RuleDecision, RuleRow, Rules, Stop

__all__ = ["router"]  # that of reading: ninja joins the methods of an address only within one
MAKE = needs_too("configure", permissions.can_make_rules)


@router.post("/rules", response={201: RuleRow, REFUSED: Problem}, **MAKE)
def make_rule(request: HttpRequest, body: NewPatternRule, key: Key = None) -> Status[dict[str, Any]]:
    """Make a rule about a pattern; its owner is that of the token."""
    new = NewRule(pattern=body.pattern, days=body.days, **_decision(request, body))

    def write() -> dict[str, Any]:
        return rule_values(_made(request, new)[0])

    return Status(201, retries.once(request, key, write))


@router.post("/rules/windows", response={201: Rules, REFUSED: Problem}, **MAKE)
def make_maintenance_window(request: HttpRequest, body: NewWindow, key: Key = None) -> Status[dict[str, Any]]:
    """Make a maintenance window, and those of the following weeks: all, or none."""
    new = NewRule(
        source=body.source,
        stream_type=body.stream_type or "",
        window=(body.window_start, body.window_end),
        **_decision(request, body),
    )

    def write() -> dict[str, Any]:
        return {"rules": rules_of(_made(request, new, body.weeks))}

    return Status(201, retries.once(request, key, write))


@router.post("/rules/{uuid:rule_id}/renewal", response={200: RuleRow, REFUSED: Problem}, **MAKE)
def renew_rule(request: HttpRequest, rule_id: UUID, body: Renewal, key: Key = None) -> dict[str, Any]:
    """Have a rule about a pattern expire so many days from now."""

    def write() -> dict[str, Any]:
        if not renew([rule_id], caller(request), body.days):
            raise _not_renewed(rule_id)
        return rule_values(rule_id)

    answer: dict[str, Any] = retries.once(request, key, write)
    return answer


@router.post("/rules/{uuid:rule_id}/stop", response={200: RuleRow, REFUSED: Problem}, **MAKE)
def stop_rule(request: HttpRequest, rule_id: UUID, body: Stop, key: Key = None) -> dict[str, Any]:
    """Stop a rule; what it did stays. A stopped one stays as it is."""

    def write() -> dict[str, Any]:
        try:
            stop([rule_id], caller(request), body.note)
        except DecisionError as error:
            raise refused(error) from error
        return rule_values(rule_id)

    answer: dict[str, Any] = retries.once(request, key, write)
    return answer


@router.post("/rules/{uuid:rule_id}/undo", response={200: BulkUndone, REFUSED: Problem}, **DECIDE)
def undo_rule(request: HttpRequest, rule_id: UUID, key: Key = None) -> dict[str, Any]:
    """Undo what a rule did, for a few seconds; send it again until ``is_finished``.

    Anomalies that changed since are skipped. The rule is not stopped.
    """
    if not TriageRule.objects.filter(pk=rule_id).exists():
        raise absent(rule_id)
    return undone(request, rule_id, key or uuid4(), "The rule has not decided about any anomaly")


def _decision(request: HttpRequest, body: RuleDecision) -> dict[str, Any]:
    """The part of a NewRule that every rule has."""
    to = assignee(request, body.assign_to)
    return {"action": body.action, "note": body.note, "reason": body.reason, "assign_to": to}


def _made(request: HttpRequest, new: NewRule, weeks: int = 1) -> list[UUID]:
    """The ids of the rules that were made. Raises ProblemError (409, 422) that names the field."""
    try:
        made: Iterable[TriageRule]
        made = make_weekly(new, weeks, caller(request)) if new.window else [make(new, caller(request))]
    except DecisionError as error:
        raise refused(error) from error
    return [rule.pk for rule in made]


def refused(error: DecisionError) -> ProblemError:
    """The problem of a rule that can't be made as given, with the field that is wrong."""
    field = error.field if isinstance(error, RuleError) else "note"
    errors = [{"field": field, "message": str(error)}] if field else []
    return ProblemError(409 if isinstance(error, RuleExists) else 422, str(error), errors)


def _not_renewed(rule_id: UUID) -> ProblemError:
    found = TriageRule.objects.filter(pk=rule_id).first()
    if found is None:
        return absent(rule_id)
    kind = "A maintenance window" if found.pattern is None else "A stopped rule"
    return ProblemError(409, f"{kind} is not renewed; make a new rule.")
