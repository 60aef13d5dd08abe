"""Patterns: what anomalies of one source have in common, with their counts by status.

The anomalies of a pattern are a list like any other: ``/anomalies?pattern=KEY``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from anomalies.models import Pattern, Stream
from anomalies.queries import hourly_rollup

from .access import needs
from .filters import refuse_unknown
from .problems import Problem, ProblemError
from .reading import ABSENT, REFUSED, page_of
from .schemas import PatternPage, PatternRow

router = Router(tags=["patterns"])
READ = needs("read")
ORDERS = {"-pending": ("-pending", "key"), "-last_seen": ("-last_seen", "key"), "key": ("key",)}


class PatternParameters(Schema):
    """The filters, the order and the page of a list of patterns."""

    stream: Annotated[Stream | None, Field(description="The stream.")] = None
    source: str = Field("", max_length=255, description="The source, in full.")
    text: str = Field("", max_length=200, description="A part of the template, in any case.")
    open: Annotated[bool | None, Field(description="Whether any of its anomalies is undecided.")] = None
    order: Literal["-pending", "-last_seen", "key"] = "-pending"
    limit: int = Field(100, ge=1, le=500)
    cursor: str = Field("", max_length=500, description="next_cursor of the page before")


@router.get("/patterns", response={200: PatternPage, REFUSED: Problem}, **READ)
def list_patterns(request: HttpRequest, asked: Query[PatternParameters]) -> dict[str, Any]:
    """List the patterns that have anomalies, page by page.

    Counts move while a list is read; the order "key" never repeats or skips a pattern.
    """
    refuse_unknown(request, PatternParameters.model_fields)
    hourly_rollup.fold_if_allowed()
    ordering = ORDERS[asked.order]
    shown, next_cursor = page_of(_matching(asked), ordering, asked.cursor, asked.limit)
    return {
        "patterns": [_values(row) for row in shown],
        "next_cursor": next_cursor,
    }


def _matching(asked: PatternParameters) -> QuerySet[Pattern]:
    """The patterns that match all filters. PostgreSQL stores no NUL, so a text with one matches nothing."""
    rows = Pattern.objects.with_anomalies().exclude(last_seen=None)
    if "\0" in asked.source + asked.text:
        return rows.none()
    if asked.stream:
        rows = rows.filter(stream_type=asked.stream)
    if asked.source:
        rows = rows.filter(source=asked.source)
    if asked.text:
        rows = rows.filter(template__icontains=asked.text)
    if asked.open is not None:
        rows = rows.open(asked.open)
    return rows


def _values(row: Pattern) -> dict[str, Any]:
    return {name: getattr(row, name) for name in PatternRow.model_fields}


@router.get("/patterns/{uuid:key}", response={200: PatternRow, ABSENT: Problem}, **READ)
def get_pattern(request: HttpRequest, key: UUID) -> dict[str, Any]:
    """Return one pattern."""
    hourly_rollup.fold_if_allowed()
    row = Pattern.objects.filter(key=key).first()
    if row is None:
        raise ProblemError(404, f"There is no pattern {key}.")
    return _values(row)
