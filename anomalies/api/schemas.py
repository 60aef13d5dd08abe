"""The shapes of what the API answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from ninja import Schema

from anomalies.models import DismissalReason, Status, Stream

# JSON has no number for these; they are written as `export` writes them.
Number = float | Literal["NaN", "Infinity", "-Infinity"]


class AnomalyRow(Schema):
    """An anomaly without its evidence; of a list with ``fields`` only those."""

    id: UUID | None = None
    version: int | None = None
    timestamp: datetime | None = None
    stream_type: Stream | None = None
    source: str | None = None
    pattern: UUID | None = None
    status: Status | None = None
    ncd_score: Number | None = None
    p_value: Number | None = None
    novelty: Number | None = None
    confidence_level: Number | None = None
    is_statistically_significant: bool | None = None
    glass_box_explanation: str | None = None
    compression_baseline: Number | None = None
    compression_window: Number | None = None
    compression_combined: Number | None = None
    compression_ratio_change: Number | None = None
    baseline_entropy: Number | None = None
    window_entropy: Number | None = None
    entropy_change: Number | None = None
    metadata: Any = None
    tags: list[str | None] | None = None
    notes: str | None = None
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    dismissed_by: str | None = None
    dismissed_at: datetime | None = None
    dismissal_reason: DismissalReason | None = None
    investigating_by: str | None = None
    investigating_at: datetime | None = None
    assigned_to: str | None = None
    owner_team: str | None = None
    assigned_by: str | None = None
    assigned_at: datetime | None = None
    snoozed_until: datetime | None = None
    snooze_ncd_above: Number | None = None
    snooze_more: int | None = None
    snoozed_by: str | None = None
    snoozed_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class AnomalyDetail(AnomalyRow):
    """An anomaly with the long explanation."""

    detailed_explanation: str | None = None


class AnomalyPage(Schema):
    """A page of a list. ``next_cursor`` begins the next one; null at the end of the list.

    A page of a filter that no index answers may hold fewer rows than asked for, or none, and be followed by
    another.
    """

    anomalies: list[AnomalyRow]
    next_cursor: str | None


class PatternRow(Schema):
    """A pattern: its masked text, where it comes from, and its anomalies by status.

    ``key`` is the value of the filter ``pattern`` of a list of anomalies.
    """

    key: UUID
    stream_type: str
    source: str
    template: str
    first_seen: datetime | None
    last_seen: datetime | None
    pending: int
    investigating: int
    acknowledged: int
    dismissed: int


class PatternPage(Schema):
    """A page of patterns. ``next_cursor`` begins the next one; null at the end of the list."""

    patterns: list[PatternRow]
    next_cursor: str | None


class PatternCount(Schema):
    """A pattern of a selection and its number of anomalies; ``key`` is null where they have no pattern."""

    key: UUID | None
    template: str
    source: str
    count: int


class Skipped(Schema):
    """Anomalies that were skipped for one reason, with the ids of the first of them."""

    why: str
    count: int
    ids: list[UUID]


class BulkState(Schema):
    """A selection: its rows, how many of them were looked at and written, and the skipped ones by reason.

    ``id`` is also the ``decision_id`` of what it wrote.
    """

    id: UUID
    action: str
    rows: int
    done_to: int
    written: int
    is_started: bool
    is_finished: bool
    skipped: list[Skipped]


class BulkPreview(BulkState):
    """A new selection. ``is_capped``: more anomalies match than it holds; ``patterns``: the largest of it."""

    filter: str
    is_capped: bool
    expires_at: datetime
    patterns: list[PatternCount]


class BulkUndone(Schema):
    """The state of the undo of what a selection or a rule wrote."""

    id: UUID
    undone: int
    is_finished: bool
    skipped: list[Skipped]


class EvidenceEvent(Schema):
    """An event: its text, its line in the source, its surprise in bits, and if the detector marked it."""

    text: str
    number: int | None
    bits: Number | None
    odd: bool


class Events(Schema):
    """The first events of a column; ``total`` is null where the column is no list of events."""

    total: int | None
    events: list[EvidenceEvent]


class Evidence(Schema):
    """The events that a window was compared with, and its own."""

    baseline: Events
    window: Events


class Change(Schema):
    """The values of a column before and after."""

    before: Any = None
    after: Any = None


class HistoryEntry(Schema):
    """An entry of the audit log about one anomaly."""

    id: int
    decision_id: str | None
    when: datetime
    username: str
    address: str | None
    action: str
    reason: str | None
    note: str | None
    changes: dict[str, Change]


class History(Schema):
    """The entries about an anomaly, newest first."""

    entries: list[HistoryEntry]


class StreamStats(Schema):
    """The figures of one stream; times to a decision are in seconds."""

    stream_type: str
    total_anomalies: int
    significant_anomalies: int
    avg_ncd_score: Number | None
    avg_p_value: Number | None
    pending_count: int
    investigating_count: int
    acknowledged_count: int
    dismissed_count: int
    median_time_to_decision: float | None
    p90_time_to_decision: float | None
    windows_tested: int | None
    windows_flagged: int | None
    expected_by_chance: float | None


class Stats(Schema):
    """The figures by stream."""

    streams: list[StreamStats]


class Config(Schema):
    """A detection config."""

    id: int
    version: int
    is_active: bool
    ncd_threshold: Number
    p_value_threshold: Number
    baseline_size: int
    window_size: int
    hop_size: int
    stream_overrides: Any = None
    notes: str | None
    created_by: str
    created_at: datetime
    updated_at: datetime


class Configs(Schema):
    """All detection configs, newest first."""

    configs: list[Config]


class Decided(Schema):
    """The state of an anomaly after a write. ``decision_id`` names the write for an undo."""

    id: UUID
    status: Status
    version: int
    decision_id: str
