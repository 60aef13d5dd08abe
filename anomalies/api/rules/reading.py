"""Triage rules: listed, read one by one, proposed, and asked what one would have hidden."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from anomalies.models import Stream, TriageRule
from anomalies.queries.patterns.rules import ACTIVE, proposals, templates, with_hits
from anomalies.queries.patterns.what_if import DAYS, MOST, patterns_of, what_if
from anomalies.triage.rules import limits_of, state_of

from ..filters import refuse_unknown
from ..problems import Problem, ProblemError
from ..reading import ABSENT, READ, REFUSED, page_of
from ..rows import number
from .shapes import RulePage, RuleProposals, RuleRow, WhatIf

router = Router(tags=["rules"])
NEWEST_FIRST = ("-created_at", "id")
_BY_ITSELF = Q(stopped_at__isnull=False, stopped_by=None)
_STATES = {"active": ACTIVE, "itself": _BY_ITSELF, "ended": ~ACTIVE}
_COMPUTED = ("state", "template")


class RuleParameters(Schema):
    """The filters and the page of a list of rules."""

    state: Annotated[
        Literal["active", "itself", "ended"] | None,
        Field(
            description="active: or planned; itself: stopped by itself; ended: expired, or stopped by anybody"
        ),
    ] = None
    pattern: Annotated[UUID | None, Field(description="The key of the pattern that it is about.")] = None
    limit: int = Field(100, ge=1, le=500)
    cursor: str = Field("", max_length=500, description="next_cursor of the page before")


class RuleSubject(Schema):
    """The subject of a rule: a pattern, or a source, a stream, or both."""

    pattern: Annotated[UUID | None, Field(description="The key of a pattern.")] = None
    source: str = Field("", max_length=255, description="The source, in full.")
    stream: Annotated[Stream | None, Field(description="The stream.")] = None


@router.get("/rules", response={200: RulePage, REFUSED: Problem}, **READ)
def list_rules(request: HttpRequest, asked: Query[RuleParameters]) -> dict[str, Any]:
    """List the triage rules, the newest first, page by page."""
    refuse_unknown(request, RuleParameters.model_fields)
    shown, next_cursor = page_of(_matching(asked), NEWEST_FIRST, asked.cursor, asked.limit, with_hits)
    return {"rules": values_of(shown), "next_cursor": next_cursor}


def _matching(asked: RuleParameters) -> QuerySet[TriageRule]:
    rows = TriageRule.objects.filter(_STATES[asked.state] if asked.state else Q())
    return rows.filter(pattern=asked.pattern) if asked.pattern else rows


@router.get("/rules/proposals", response={200: RuleProposals, REFUSED: Problem}, **READ)
def list_rule_proposals(request: HttpRequest) -> dict[str, Any]:
    """List the patterns for which a rule is proposed; a proposal decides nothing."""
    return {"proposals": [asdict(each) for each in proposals()]}


@router.get("/rules/what-if", response={200: WhatIf, REFUSED: Problem}, **READ)
def what_a_rule_would_hide(request: HttpRequest, about: Query[RuleSubject]) -> dict[str, Any]:
    """Return the anomalies of the last 30 days that a rule would have decided about.

    Of a source or stream, those of the 1,000 patterns that were seen last.
    """
    refuse_unknown(request, RuleSubject.model_fields)
    if bool(about.pattern) == bool(about.source or about.stream):
        message = "name a pattern, or else a source, a stream, or both"
        raise ProblemError(400, f"pattern: {message}.", [{"field": "pattern", "message": message}])
    return _would_hide(about.pattern, about.stream or "", about.source)


def _would_hide(pattern: UUID | None, stream_type: str, source: str) -> dict[str, Any]:
    keys = [pattern] if pattern else _patterns(stream_type, source)
    found, limits = what_if(keys), limits_of(pattern) if pattern else None
    first = [{**asdict(each), "ncd_score": number(each.ncd_score)} for each in found.first]
    return {
        "days": DAYS,
        "counted_to": MOST,
        "counts": found.counts,
        "first": first,
        "limits": asdict(limits) if limits else None,
    }


def _patterns(stream_type: str, source: str) -> list[UUID]:
    """The patterns of a source or stream; PostgreSQL stores no NUL, so a source with one has none."""
    return [] if "\0" in source else patterns_of(stream_type, source)


@router.get("/rules/{uuid:rule_id}", response={200: RuleRow, ABSENT: Problem}, **READ)
def get_rule(request: HttpRequest, rule_id: UUID) -> dict[str, Any]:
    """Return one rule."""
    return rule_values(rule_id)


def rule_values(rule_id: UUID) -> dict[str, Any]:
    """The values of a rule by its id. Raises ProblemError (404)."""
    found = rules_of([rule_id])
    if not found:
        raise absent(rule_id)
    return found[0]


def absent(rule_id: UUID) -> ProblemError:
    """The problem of an id that no rule has."""
    return ProblemError(404, f"There is no rule {rule_id}.")


def rules_of(ids: list[UUID]) -> list[dict[str, Any]]:
    """The values of these rules, in the order in which they begin."""
    rows = with_hits(TriageRule.objects.filter(pk__in=ids))
    return values_of(list(rows.order_by("window_start", "id")))


def values_of(rows: list[Any]) -> list[dict[str, Any]]:
    """The values of rules that have their hits, each with its state and its pattern's template."""
    known = templates(rows)
    names = [name for name in RuleRow.model_fields if name not in _COMPUTED]
    return [
        {name: number(getattr(row, name)) for name in names}
        | {"state": state_of(row), "template": known.get(row.pattern)}
        for row in rows
    ]
