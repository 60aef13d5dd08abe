"""The shapes of triage rules: what is sent to make one, and what is answered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from ninja import Schema
from pydantic import AwareDatetime, Field

from anomalies.models import MOST_DAYS, DismissalReason, RuleAction, Status, Stream
from anomalies.triage.rules import MOST_WEEKS

from ..schemas import Number
from ..writing import Note, Username

Days = Annotated[int, Field(ge=1, le=MOST_DAYS)]


class RuleDecision(Schema):
    """The decision of a rule, with its note: why this is decided in advance.

    A dismissal needs ``reason``, an assignment ``assign_to``: a username, or "me" for the owner of the token.
    """

    action: RuleAction
    reason: DismissalReason | None = None
    assign_to: Username | None = None
    note: Note


class NewPatternRule(RuleDecision):
    """A rule about the anomalies of a pattern, for so many days."""

    pattern: UUID
    days: Days = MOST_DAYS


class NewWindow(RuleDecision):
    """A maintenance window of a source, of a stream, or of a source of a stream, between two times.

    With ``weeks`` it is made for so many weeks in a row at the same local times, one rule for each.
    """

    source: Annotated[str, Field(max_length=255)] = ""
    stream_type: Stream | None = None
    window_start: AwareDatetime
    window_end: AwareDatetime
    weeks: Annotated[int, Field(ge=1, le=MOST_WEEKS)] = 1


class Renewal(Schema):
    """The number of days from now on after which the rule expires."""

    days: Days = MOST_DAYS


class Stop(Schema):
    """The reason to stop a rule."""

    note: Note = ""


class RuleRow(Schema):
    """A rule: its decision, what it is about, its limits, its state, and how often it was applied.

    ``state`` is active, planned (a window that has not begun), expired or stopped. A rule that stopped by
    itself has ``stopped_at`` and no ``stopped_by``. ``id`` is the ``decision_id`` of what it decided.
    """

    id: UUID
    state: str
    action: RuleAction
    dismissal_reason: DismissalReason | None
    assign_to: str | None
    note: str
    owner: str
    pattern: UUID | None
    template: str | None
    stream_type: str
    source: str
    ncd_limit: Number | None
    hourly_limit: int | None
    window_start: datetime | None
    window_end: datetime | None
    created_at: datetime
    renewed_at: datetime
    expires_at: datetime
    stopped_at: datetime | None
    stopped_by: str | None
    stop_reason: str | None
    hits: int
    last_hit: datetime | None


class RulePage(Schema):
    """A page of rules. ``next_cursor`` begins the next one; null at the end of the list."""

    rules: list[RuleRow]
    next_cursor: str | None


class Rules(Schema):
    """The rules that were made."""

    rules: list[RuleRow]


class RuleLimits(Schema):
    """The limits beyond which a rule about a pattern stops, by its ``known`` anomalies."""

    ncd: Number
    hourly: int
    known: int


class HiddenAnomaly(Schema):
    """An anomaly that the rule would have decided about; of its explanation the first 400 characters."""

    id: UUID
    timestamp: datetime
    status: Status
    ncd_score: Number
    explanation: str


class WhatIf(Schema):
    """The anomalies of the last ``days`` days that a rule would have decided about.

    ``counts`` by status end at ``counted_to`` + 1. ``first`` has the first ten, acknowledged ones before
    others. ``limits`` are those of a rule about the pattern; null for a window, or without any anomaly.
    """

    days: int
    counted_to: int
    counts: dict[str, int]
    first: list[HiddenAnomaly]
    limits: RuleLimits | None


class RuleProposal(Schema):
    """A pattern that was dismissed again and again for one reason, and has no rule."""

    pattern: UUID
    stream_type: str
    source: str
    template: str
    dismissed: int
    reason: DismissalReason


class RuleProposals(Schema):
    """The patterns for which a rule is proposed, those dismissed most often first."""

    proposals: list[RuleProposal]
