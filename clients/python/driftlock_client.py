"""A typed client of Driftlock's HTTP API, written by scripts/python_client.py. Do not edit it.

    client = Driftlock("https://driftlock.example.org", token)
    page = client.list_anomalies(status=["pending"], limit=50)

An answer of 400 and above raises ApiError with its problem (RFC 9457). Times and ids are texts, as in JSON.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Literal, NotRequired, TypedDict, cast

Send = Callable[[str, str, dict[str, str], bytes | None], tuple[int, bytes]]


class ApiError(Exception):
    """An answer of 400 and above: its status, and its problem as an object."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status}: {problem.get('detail', '')}")
        self.status = status
        self.problem = problem


class AddedComment(TypedDict):
    """A stored comment; ``unknown`` are the @names that nobody has who may see anomalies."""

    id: str
    author: str
    text: str | None
    named: list[str]
    created_at: str
    withdrawn_at: str | None
    unknown: list[str]


class AnomalyDetail(TypedDict):
    """An anomaly with the long explanation."""

    id: NotRequired[str | None]
    version: NotRequired[int | None]
    timestamp: NotRequired[str | None]
    stream_type: NotRequired[Stream | None]
    source: NotRequired[str | None]
    pattern: NotRequired[str | None]
    status: NotRequired[Status | None]
    ncd_score: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    p_value: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    novelty: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    confidence_level: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    is_statistically_significant: NotRequired[bool | None]
    glass_box_explanation: NotRequired[str | None]
    compression_baseline: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    compression_window: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    compression_combined: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    compression_ratio_change: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    baseline_entropy: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    window_entropy: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    entropy_change: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    metadata: NotRequired[Any]
    tags: NotRequired[list[str | None] | None]
    notes: NotRequired[str | None]
    acknowledged_by: NotRequired[str | None]
    acknowledged_at: NotRequired[str | None]
    dismissed_by: NotRequired[str | None]
    dismissed_at: NotRequired[str | None]
    dismissal_reason: NotRequired[DismissalReason | None]
    investigating_by: NotRequired[str | None]
    investigating_at: NotRequired[str | None]
    assigned_to: NotRequired[str | None]
    owner_team: NotRequired[str | None]
    assigned_by: NotRequired[str | None]
    assigned_at: NotRequired[str | None]
    snoozed_until: NotRequired[str | None]
    snooze_ncd_above: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    snooze_more: NotRequired[int | None]
    snoozed_by: NotRequired[str | None]
    snoozed_at: NotRequired[str | None]
    created_at: NotRequired[str | None]
    updated_at: NotRequired[str | None]
    detailed_explanation: NotRequired[str | None]


class AnomalyPage(TypedDict):
    """A page of a list."""

    anomalies: list[AnomalyRow]
    next_cursor: str | None


class AnomalyRow(TypedDict):
    """An anomaly without its evidence; of a list with ``fields`` only those."""

    id: NotRequired[str | None]
    version: NotRequired[int | None]
    timestamp: NotRequired[str | None]
    stream_type: NotRequired[Stream | None]
    source: NotRequired[str | None]
    pattern: NotRequired[str | None]
    status: NotRequired[Status | None]
    ncd_score: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    p_value: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    novelty: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    confidence_level: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    is_statistically_significant: NotRequired[bool | None]
    glass_box_explanation: NotRequired[str | None]
    compression_baseline: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    compression_window: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    compression_combined: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    compression_ratio_change: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    baseline_entropy: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    window_entropy: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    entropy_change: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    metadata: NotRequired[Any]
    tags: NotRequired[list[str | None] | None]
    notes: NotRequired[str | None]
    acknowledged_by: NotRequired[str | None]
    acknowledged_at: NotRequired[str | None]
    dismissed_by: NotRequired[str | None]
    dismissed_at: NotRequired[str | None]
    dismissal_reason: NotRequired[DismissalReason | None]
    investigating_by: NotRequired[str | None]
    investigating_at: NotRequired[str | None]
    assigned_to: NotRequired[str | None]
    owner_team: NotRequired[str | None]
    assigned_by: NotRequired[str | None]
    assigned_at: NotRequired[str | None]
    snoozed_until: NotRequired[str | None]
    snooze_ncd_above: NotRequired[float | Literal["NaN", "Infinity", "-Infinity"] | None]
    snooze_more: NotRequired[int | None]
    snoozed_by: NotRequired[str | None]
    snoozed_at: NotRequired[str | None]
    created_at: NotRequired[str | None]
    updated_at: NotRequired[str | None]


class Assignment(TypedDict):
    """The assignee: a username, "me" for the owner of the token, or null for nobody."""

    to: str | None


class AuditEntry(TypedDict):
    """An entry of the audit log: the values before and after, and what else is known about the …"""

    id: int
    timestamp: str
    username: str
    ip_address: str | None
    action: str
    resource_type: str
    resource_id: str | None
    old_values: NotRequired[Any]
    new_values: NotRequired[Any]
    metadata: NotRequired[Any]


class AuditPage(TypedDict):
    """A page of entries."""

    entries: list[AuditEntry]
    next_cursor: str | None


class AuditParameters(TypedDict):
    """The filters, the order and the page of a list of entries."""

    resource_type: NotRequired[str]
    resource_id: NotRequired[str | None]
    username: NotRequired[str]
    action: NotRequired[str]
    since: NotRequired[str | None]
    until: NotRequired[str | None]
    order: NotRequired[Literal["-timestamp", "timestamp"]]
    limit: NotRequired[int]
    cursor: NotRequired[str]


class BulkAsked(TypedDict):
    """The action that a preview is about."""

    action: Literal["acknowledge", "dismiss", "investigate", "reopen", "assign", "snooze"]


class BulkConfirmation(TypedDict):
    """The values of the action: a decision's reason and note, an assignment's "to", or a …"""

    until: NotRequired[str | None]
    ncd_above: NotRequired[float | None]
    more: NotRequired[int | None]
    reason: NotRequired[DismissalReason | None]
    note: NotRequired[str]
    to: NotRequired[str | None]


class BulkPreview(TypedDict):
    """A new selection."""

    id: str
    action: str
    rows: int
    done_to: int
    written: int
    is_started: bool
    is_finished: bool
    skipped: list[Skipped]
    filter: str
    is_capped: bool
    expires_at: str
    patterns: list[PatternCount]


class BulkState(TypedDict):
    """A selection: its rows, how many of them were looked at and written, and the skipped ones …"""

    id: str
    action: str
    rows: int
    done_to: int
    written: int
    is_started: bool
    is_finished: bool
    skipped: list[Skipped]


class BulkUndone(TypedDict):
    """The state of the undo of what a selection or a rule wrote."""

    id: str
    undone: int
    is_finished: bool
    skipped: list[Skipped]


class Bundle(TypedDict):
    """An anomaly with all decisions and comments about it, the signature over it and the key's id."""

    bundle: dict[str, Any]
    key: str
    signature: str


class Change(TypedDict):
    """The values of a column before and after."""

    before: NotRequired[Any]
    after: NotRequired[Any]


class CommentRow(TypedDict):
    """A comment; ``named`` are the users whom its text names, and a withdrawn one has no text."""

    id: str
    author: str
    text: str | None
    named: list[str]
    created_at: str
    withdrawn_at: str | None


class Comments(TypedDict):
    """The comments about an anomaly, the oldest first, at most the newest 200."""

    comments: list[CommentRow]


class Config(TypedDict):
    """A detection config."""

    id: int
    version: int
    is_active: bool
    ncd_threshold: float | Literal["NaN", "Infinity", "-Infinity"]
    p_value_threshold: float | Literal["NaN", "Infinity", "-Infinity"]
    baseline_size: int
    window_size: int
    hop_size: int
    stream_overrides: NotRequired[Any]
    notes: str | None
    created_by: str
    created_at: str
    updated_at: str


class Configs(TypedDict):
    """All detection configs, newest first."""

    configs: list[Config]


class Decided(TypedDict):
    """The state of an anomaly after a write."""

    id: str
    status: Status
    version: int
    decision_id: str


class Decision(TypedDict):
    """A decision; a dismissal needs a reason."""

    action: Literal["acknowledge", "dismiss", "investigate", "reopen"]
    reason: NotRequired[DismissalReason | None]
    note: NotRequired[str]


DismissalReason = Literal["false_positive", "known_harmless", "duplicate", "other"]


class Events(TypedDict):
    """The first events of a column; ``total`` is null where the column is no list of events."""

    total: int | None
    events: list[EvidenceEvent]


class Evidence(TypedDict):
    """The events that a window was compared with, and its own."""

    baseline: Events
    window: Events


class EvidenceEvent(TypedDict):
    """An event: its text, its line in the source, its surprise in bits, and if the detector …"""

    text: str
    number: int | None
    bits: float | Literal["NaN", "Infinity", "-Infinity"] | None
    odd: bool


class FieldError(TypedDict):
    """A field or parameter that is wrong, and what mends it."""

    field: str
    message: str


class FilterParameters(TypedDict):
    """The filters as query parameters; all are combined by "and"."""

    q: NotRequired[str]
    status: NotRequired[list[Literal["pending", "acknowledged", "dismissed", "investigating"]]]
    stream: NotRequired[list[Literal["logs", "metrics", "traces", "llm"]]]
    significant: NotRequired[Literal["true", "false"]]
    review: NotRequired[Literal["true", "false"]]
    within: NotRequired[Literal["1h", "24h", "7d", "30d"]]
    since: NotRequired[str]
    until: NotRequired[str]
    ncd_min: NotRequired[str]
    ncd_max: NotRequired[str]
    p_min: NotRequired[str]
    p_max: NotRequired[str]
    tags_any: NotRequired[str]
    tags_all: NotRequired[str]
    tags_none: NotRequired[str]
    pattern: NotRequired[str]
    source: NotRequired[str]
    host: NotRequired[str]
    service: NotRequired[str]
    config: NotRequired[str]
    dismissal_reason: NotRequired[list[Literal["false_positive", "known_harmless", "duplicate", "other"]]]
    metadata: NotRequired[str]
    assigned: NotRequired[str]
    team: NotRequired[str]
    snoozed: NotRequired[Literal["yes", "no"]]


class HiddenAnomaly(TypedDict):
    """An anomaly that the rule would have decided about; of its explanation the first 400 …"""

    id: str
    timestamp: str
    status: Status
    ncd_score: float | Literal["NaN", "Infinity", "-Infinity"]
    explanation: str


class History(TypedDict):
    """The entries about an anomaly, newest first."""

    entries: list[HistoryEntry]


class HistoryEntry(TypedDict):
    """An entry of the audit log about one anomaly."""

    id: int
    decision_id: str | None
    when: str
    username: str
    address: str | None
    action: str
    reason: str | None
    note: str | None
    changes: dict[str, Change]


class IngestStopped(TypedDict):
    """An ingest that did not reach the end: lines up to ``last_line_kept`` are stored or rejected."""

    type: str
    title: str
    status: int
    detail: str
    errors: NotRequired[list[FieldError] | None]
    current_version: NotRequired[int | None]
    expected_version: NotRequired[int | None]
    current_status: NotRequired[str | None]
    last_line_kept: NotRequired[int]
    result: NotRequired[Ingested | None]


class Ingested(TypedDict):
    """The result: lines read, stored as new, stored before, and rejected; the first 1,000 errors."""

    read: int
    new: int
    known: int
    rejected: int
    errors: list[LineError]


class LineError(TypedDict):
    """A line that was not stored, by its number from 1, and what mends it."""

    line: int
    field: str | None
    reason: str


class NewComment(TypedDict):
    """A comment; @username in its text names somebody who may see anomalies."""

    text: str


class NewConfig(TypedDict):
    """Changes of the active config; what is left out or null stays as it is there."""

    ncd_threshold: NotRequired[float | None]
    p_value_threshold: NotRequired[float | None]
    baseline_size: NotRequired[int | None]
    window_size: NotRequired[int | None]
    hop_size: NotRequired[int | None]
    stream_overrides: NotRequired[dict[str, dict[str, float | int]] | None]
    notes: NotRequired[str | None]


class NewNote(TypedDict):
    """A note to append."""

    note: str


class NewPatternRule(TypedDict):
    """A rule about the anomalies of a pattern, for so many days."""

    action: RuleAction
    reason: NotRequired[DismissalReason | None]
    assign_to: NotRequired[str | None]
    note: str
    pattern: str
    days: NotRequired[int]


class NewWindow(TypedDict):
    """A maintenance window of a source, of a stream, or of a source of a stream, between two times."""

    action: RuleAction
    reason: NotRequired[DismissalReason | None]
    assign_to: NotRequired[str | None]
    note: str
    source: NotRequired[str]
    stream_type: NotRequired[Stream | None]
    window_start: str
    window_end: str
    weeks: NotRequired[int]


class Paging(TypedDict):
    """The order and the size of a page, the place where it begins, and the fields of its rows."""

    order: NotRequired[Literal["-timestamp", "timestamp", "-ncd_score", "ncd_score", "p_value", "-p_value"]]
    limit: NotRequired[int]
    cursor: NotRequired[str]
    fields: NotRequired[str]


class PatternCount(TypedDict):
    """A pattern of a selection and its number of anomalies; ``key`` is null where they have no …"""

    key: str | None
    template: str
    source: str
    count: int


class PatternPage(TypedDict):
    """A page of patterns."""

    patterns: list[PatternRow]
    next_cursor: str | None


class PatternParameters(TypedDict):
    """The filters, the order and the page of a list of patterns."""

    stream: NotRequired[Stream | None]
    source: NotRequired[str]
    text: NotRequired[str]
    open: NotRequired[bool | None]
    order: NotRequired[Literal["-pending", "-last_seen", "key"]]
    limit: NotRequired[int]
    cursor: NotRequired[str]


class PatternRow(TypedDict):
    """A pattern: its masked text, where it comes from, and its anomalies by status."""

    key: str
    stream_type: str
    source: str
    template: str
    first_seen: str | None
    last_seen: str | None
    pending: int
    investigating: int
    acknowledged: int
    dismissed: int


class Problem(TypedDict):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: NotRequired[list[FieldError] | None]
    current_version: NotRequired[int | None]
    expected_version: NotRequired[int | None]
    current_status: NotRequired[str | None]


class Renewal(TypedDict):
    """The number of days from now on after which the rule expires."""

    days: NotRequired[int]


RuleAction = Literal["dismiss", "assign", "snooze"]


class RuleLimits(TypedDict):
    """The limits beyond which a rule about a pattern stops, by its ``known`` anomalies."""

    ncd: float | Literal["NaN", "Infinity", "-Infinity"]
    hourly: int
    known: int


class RulePage(TypedDict):
    """A page of rules."""

    rules: list[RuleRow]
    next_cursor: str | None


class RuleParameters(TypedDict):
    """The filters and the page of a list of rules."""

    state: NotRequired[Literal["active", "itself", "ended"] | None]
    pattern: NotRequired[str | None]
    limit: NotRequired[int]
    cursor: NotRequired[str]


class RuleProposal(TypedDict):
    """A pattern that was dismissed again and again for one reason, and has no rule."""

    pattern: str
    stream_type: str
    source: str
    template: str
    dismissed: int
    reason: DismissalReason


class RuleProposals(TypedDict):
    """The patterns for which a rule is proposed, those dismissed most often first."""

    proposals: list[RuleProposal]


class RuleRow(TypedDict):
    """A rule: its decision, what it is about, its limits, its state, and how often it was applied."""

    id: str
    state: str
    action: RuleAction
    dismissal_reason: DismissalReason | None
    assign_to: str | None
    note: str
    owner: str
    pattern: str | None
    template: str | None
    stream_type: str
    source: str
    ncd_limit: float | Literal["NaN", "Infinity", "-Infinity"] | None
    hourly_limit: int | None
    window_start: str | None
    window_end: str | None
    created_at: str
    renewed_at: str
    expires_at: str
    stopped_at: str | None
    stopped_by: str | None
    stop_reason: str | None
    hits: int
    last_hit: str | None


class RuleSubject(TypedDict):
    """The subject of a rule: a pattern, or a source, a stream, or both."""

    pattern: NotRequired[str | None]
    source: NotRequired[str]
    stream: NotRequired[Stream | None]


class Rules(TypedDict):
    """The rules that were made."""

    rules: list[RuleRow]


class Skipped(TypedDict):
    """Anomalies that were skipped for one reason, with the ids of the first of them."""

    why: str
    count: int
    ids: list[str]


class Snooze(TypedDict):
    """The end of a snooze: the first that is met of a time, an NCD and so many more within 24 hours."""

    until: NotRequired[str | None]
    ncd_above: NotRequired[float | None]
    more: NotRequired[int | None]


class Stats(TypedDict):
    """The figures by stream."""

    streams: list[StreamStats]


Status = Literal["pending", "acknowledged", "dismissed", "investigating"]


class Stop(TypedDict):
    """The reason to stop a rule."""

    note: NotRequired[str]


Stream = Literal["logs", "metrics", "traces", "llm"]


class StreamStats(TypedDict):
    """The figures of one stream; times to a decision are in seconds."""

    stream_type: str
    total_anomalies: int
    significant_anomalies: int
    avg_ncd_score: float | Literal["NaN", "Infinity", "-Infinity"] | None
    avg_p_value: float | Literal["NaN", "Infinity", "-Infinity"] | None
    pending_count: int
    investigating_count: int
    acknowledged_count: int
    dismissed_count: int
    median_time_to_decision: float | None
    p90_time_to_decision: float | None
    windows_tested: int | None
    windows_flagged: int | None
    expected_by_chance: float | None


class Undo(TypedDict):
    """The decision to undo for this anomaly, as ``decision_id`` of a write or of the history."""

    decision_id: str
    note: NotRequired[str]


class WhatIf(TypedDict):
    """The anomalies of the last ``days`` days that a rule would have decided about."""

    days: int
    counted_to: int
    counts: dict[str, int]
    first: list[HiddenAnomaly]
    limits: RuleLimits | None


class Driftlock:
    """The operations of the API, in the name of a token. ``send`` makes a request; tests give their own."""

    def __init__(self, url: str, token: str, send: Send | None = None, timeout: float = 30.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError("the URL of Driftlock begins with http:// or https://")
        self._url = url.rstrip("/")
        self._token = token
        self._send = send or self._over_http
        self._timeout = timeout

    def _over_http(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None
    ) -> tuple[int, bytes]:
        request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        headers: Mapping[str, str | None],
        body: Any = None,
        media_type: str = "",
    ) -> Any:
        given = {name: _text(value) for name, value in query.items() if value is not None}
        address = f"{self._url}{path}" + (f"?{urllib.parse.urlencode(given, doseq=True)}" if given else "")
        sent = {name: value for name, value in headers.items() if value is not None}
        sent |= {"Authorization": f"Bearer {self._token}"}
        if media_type:
            sent |= {"Content-Type": media_type}
            body = json.dumps(body).encode() if media_type == "application/json" else body
        status, content = self._send(method, address, sent, body)
        if status >= 400:
            raise ApiError(status, _problem(content))
        return json.loads(content) if content else None

    def list_anomalies(
        self,
        *,
        q: str | None = None,
        status: list[Literal["pending", "acknowledged", "dismissed", "investigating"]] | None = None,
        stream: list[Literal["logs", "metrics", "traces", "llm"]] | None = None,
        significant: Literal["true", "false"] | None = None,
        review: Literal["true", "false"] | None = None,
        within: Literal["1h", "24h", "7d", "30d"] | None = None,
        since: str | None = None,
        until: str | None = None,
        ncd_min: str | None = None,
        ncd_max: str | None = None,
        p_min: str | None = None,
        p_max: str | None = None,
        tags_any: str | None = None,
        tags_all: str | None = None,
        tags_none: str | None = None,
        pattern: str | None = None,
        source: str | None = None,
        host: str | None = None,
        service: str | None = None,
        config: str | None = None,
        dismissal_reason: list[Literal["false_positive", "known_harmless", "duplicate", "other"]]
        | None = None,
        metadata: str | None = None,
        assigned: str | None = None,
        team: str | None = None,
        snoozed: Literal["yes", "no"] | None = None,
        order: Literal["-timestamp", "timestamp", "-ncd_score", "ncd_score", "p_value", "-p_value"]
        | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        fields: str | None = None,
    ) -> AnomalyPage:
        """List the anomalies that match all filters, page by page."""
        return cast(
            AnomalyPage,
            self._call(
                "GET",
                "/api/v1/anomalies",
                {
                    "q": q,
                    "status": status,
                    "stream": stream,
                    "significant": significant,
                    "review": review,
                    "within": within,
                    "since": since,
                    "until": until,
                    "ncd_min": ncd_min,
                    "ncd_max": ncd_max,
                    "p_min": p_min,
                    "p_max": p_max,
                    "tags_any": tags_any,
                    "tags_all": tags_all,
                    "tags_none": tags_none,
                    "pattern": pattern,
                    "source": source,
                    "host": host,
                    "service": service,
                    "config": config,
                    "dismissal_reason": dismissal_reason,
                    "metadata": metadata,
                    "assigned": assigned,
                    "team": team,
                    "snoozed": snoozed,
                    "order": order,
                    "limit": limit,
                    "cursor": cursor,
                    "fields": fields,
                },
                {},
            ),
        )

    def get_anomaly(self, anomaly_id: str) -> AnomalyDetail:
        """Return one anomaly."""
        return cast(AnomalyDetail, self._call("GET", f"/api/v1/anomalies/{_quoted(anomaly_id)}", {}, {}))

    def get_evidence(self, anomaly_id: str, *, most: int | None = None) -> Evidence:
        """Return the events of the baseline and of the window, the first ``most`` of each."""
        return cast(
            Evidence,
            self._call("GET", f"/api/v1/anomalies/{_quoted(anomaly_id)}/evidence", {"most": most}, {}),
        )

    def get_history(self, anomaly_id: str, *, most: int | None = None) -> History:
        """Return the audit log's newest entries about an anomaly, at most ``most``."""
        return cast(
            History, self._call("GET", f"/api/v1/anomalies/{_quoted(anomaly_id)}/history", {"most": most}, {})
        )

    def get_stats(
        self,
        *,
        q: str | None = None,
        status: list[Literal["pending", "acknowledged", "dismissed", "investigating"]] | None = None,
        stream: list[Literal["logs", "metrics", "traces", "llm"]] | None = None,
        significant: Literal["true", "false"] | None = None,
        review: Literal["true", "false"] | None = None,
        within: Literal["1h", "24h", "7d", "30d"] | None = None,
        since: str | None = None,
        until: str | None = None,
        ncd_min: str | None = None,
        ncd_max: str | None = None,
        p_min: str | None = None,
        p_max: str | None = None,
        tags_any: str | None = None,
        tags_all: str | None = None,
        tags_none: str | None = None,
        pattern: str | None = None,
        source: str | None = None,
        host: str | None = None,
        service: str | None = None,
        config: str | None = None,
        dismissal_reason: list[Literal["false_positive", "known_harmless", "duplicate", "other"]]
        | None = None,
        metadata: str | None = None,
        assigned: str | None = None,
        team: str | None = None,
        snoozed: Literal["yes", "no"] | None = None,
    ) -> Stats:
        """Return the figures by stream of the anomalies that match all filters."""
        return cast(
            Stats,
            self._call(
                "GET",
                "/api/v1/stats",
                {
                    "q": q,
                    "status": status,
                    "stream": stream,
                    "significant": significant,
                    "review": review,
                    "within": within,
                    "since": since,
                    "until": until,
                    "ncd_min": ncd_min,
                    "ncd_max": ncd_max,
                    "p_min": p_min,
                    "p_max": p_max,
                    "tags_any": tags_any,
                    "tags_all": tags_all,
                    "tags_none": tags_none,
                    "pattern": pattern,
                    "source": source,
                    "host": host,
                    "service": service,
                    "config": config,
                    "dismissal_reason": dismissal_reason,
                    "metadata": metadata,
                    "assigned": assigned,
                    "team": team,
                    "snoozed": snoozed,
                },
                {},
            ),
        )

    def get_bundle(self, anomaly_id: str) -> Bundle:
        """Return the signed bundle of an anomaly; the audit log notes it."""
        return cast(Bundle, self._call("GET", f"/api/v1/anomalies/{_quoted(anomaly_id)}/bundle", {}, {}))

    def list_patterns(
        self,
        *,
        stream: Stream | None = None,
        source: str | None = None,
        text: str | None = None,
        open: bool | None = None,
        order: Literal["-pending", "-last_seen", "key"] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> PatternPage:
        """List the patterns that have anomalies, page by page."""
        return cast(
            PatternPage,
            self._call(
                "GET",
                "/api/v1/patterns",
                {
                    "stream": stream,
                    "source": source,
                    "text": text,
                    "open": open,
                    "order": order,
                    "limit": limit,
                    "cursor": cursor,
                },
                {},
            ),
        )

    def get_pattern(self, key: str) -> PatternRow:
        """Return one pattern."""
        return cast(PatternRow, self._call("GET", f"/api/v1/patterns/{_quoted(key)}", {}, {}))

    def list_rules(
        self,
        *,
        state: Literal["active", "itself", "ended"] | None = None,
        pattern: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> RulePage:
        """List the triage rules, the newest first, page by page."""
        return cast(
            RulePage,
            self._call(
                "GET",
                "/api/v1/rules",
                {"state": state, "pattern": pattern, "limit": limit, "cursor": cursor},
                {},
            ),
        )

    def make_rule(self, body: NewPatternRule, *, idempotency_key: str | None = None) -> RuleRow:
        """Make a rule about a pattern; its owner is that of the token."""
        return cast(
            RuleRow,
            self._call(
                "POST", "/api/v1/rules", {}, {"Idempotency-Key": idempotency_key}, body, "application/json"
            ),
        )

    def list_rule_proposals(self) -> RuleProposals:
        """List the patterns for which a rule is proposed; a proposal decides nothing."""
        return cast(RuleProposals, self._call("GET", "/api/v1/rules/proposals", {}, {}))

    def what_a_rule_would_hide(
        self, *, pattern: str | None = None, source: str | None = None, stream: Stream | None = None
    ) -> WhatIf:
        """Return the anomalies of the last 30 days that a rule would have decided about."""
        return cast(
            WhatIf,
            self._call(
                "GET", "/api/v1/rules/what-if", {"pattern": pattern, "source": source, "stream": stream}, {}
            ),
        )

    def get_rule(self, rule_id: str) -> RuleRow:
        """Return one rule."""
        return cast(RuleRow, self._call("GET", f"/api/v1/rules/{_quoted(rule_id)}", {}, {}))

    def make_maintenance_window(self, body: NewWindow, *, idempotency_key: str | None = None) -> Rules:
        """Make a maintenance window, and those of the following weeks: all, or none."""
        return cast(
            Rules,
            self._call(
                "POST",
                "/api/v1/rules/windows",
                {},
                {"Idempotency-Key": idempotency_key},
                body,
                "application/json",
            ),
        )

    def renew_rule(self, rule_id: str, body: Renewal, *, idempotency_key: str | None = None) -> RuleRow:
        """Have a rule about a pattern expire so many days from now."""
        return cast(
            RuleRow,
            self._call(
                "POST",
                f"/api/v1/rules/{_quoted(rule_id)}/renewal",
                {},
                {"Idempotency-Key": idempotency_key},
                body,
                "application/json",
            ),
        )

    def stop_rule(self, rule_id: str, body: Stop, *, idempotency_key: str | None = None) -> RuleRow:
        """Stop a rule; what it did stays."""
        return cast(
            RuleRow,
            self._call(
                "POST",
                f"/api/v1/rules/{_quoted(rule_id)}/stop",
                {},
                {"Idempotency-Key": idempotency_key},
                body,
                "application/json",
            ),
        )

    def undo_rule(self, rule_id: str, *, idempotency_key: str | None = None) -> BulkUndone:
        """Undo what a rule did, for a few seconds; send it again until ``is_finished``."""
        return cast(
            BulkUndone,
            self._call(
                "POST", f"/api/v1/rules/{_quoted(rule_id)}/undo", {}, {"Idempotency-Key": idempotency_key}
            ),
        )

    def decide_about(
        self,
        anomaly_id: str,
        body: Decision,
        *,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Decided:
        """Acknowledge, dismiss, investigate or reopen an anomaly."""
        return cast(
            Decided,
            self._call(
                "POST",
                f"/api/v1/anomalies/{_quoted(anomaly_id)}/decision",
                {},
                {"If-Match": if_match, "Idempotency-Key": idempotency_key},
                body,
                "application/json",
            ),
        )

    def note_about(
        self,
        anomaly_id: str,
        body: NewNote,
        *,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Decided:
        """Append a note without a decision."""
        return cast(
            Decided,
            self._call(
                "POST",
                f"/api/v1/anomalies/{_quoted(anomaly_id)}/note",
                {},
                {"If-Match": if_match, "Idempotency-Key": idempotency_key},
                body,
                "application/json",
            ),
        )

    def assign_to(
        self,
        anomaly_id: str,
        body: Assignment,
        *,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Decided:
        """Assign an anomaly to somebody who may decide about it, or to nobody."""
        return cast(
            Decided,
            self._call(
                "POST",
                f"/api/v1/anomalies/{_quoted(anomaly_id)}/assignment",
                {},
                {"If-Match": if_match, "Idempotency-Key": idempotency_key},
                body,
                "application/json",
            ),
        )

    def snooze_until(
        self,
        anomaly_id: str,
        body: Snooze,
        *,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Decided:
        """Snooze an anomaly, or replace the rule of its snooze."""
        return cast(
            Decided,
            self._call(
                "POST",
                f"/api/v1/anomalies/{_quoted(anomaly_id)}/snooze",
                {},
                {"If-Match": if_match, "Idempotency-Key": idempotency_key},
                body,
                "application/json",
            ),
        )

    def wake(
        self, anomaly_id: str, *, if_match: str | None = None, idempotency_key: str | None = None
    ) -> Decided:
        """End the snooze of an anomaly."""
        return cast(
            Decided,
            self._call(
                "DELETE",
                f"/api/v1/anomalies/{_quoted(anomaly_id)}/snooze",
                {},
                {"If-Match": if_match, "Idempotency-Key": idempotency_key},
            ),
        )

    def undo_for(self, anomaly_id: str, body: Undo, *, idempotency_key: str | None = None) -> Decided:
        """Undo a decision for this anomaly."""
        return cast(
            Decided,
            self._call(
                "POST",
                f"/api/v1/anomalies/{_quoted(anomaly_id)}/undo",
                {},
                {"Idempotency-Key": idempotency_key},
                body,
                "application/json",
            ),
        )

    def get_comments(self, anomaly_id: str) -> Comments:
        """Return the comments about an anomaly, the oldest first."""
        return cast(Comments, self._call("GET", f"/api/v1/anomalies/{_quoted(anomaly_id)}/comments", {}, {}))

    def add_comment(
        self, anomaly_id: str, body: NewComment, *, idempotency_key: str | None = None
    ) -> AddedComment:
        """Add a comment to an anomaly."""
        return cast(
            AddedComment,
            self._call(
                "POST",
                f"/api/v1/anomalies/{_quoted(anomaly_id)}/comments",
                {},
                {"Idempotency-Key": idempotency_key},
                body,
                "application/json",
            ),
        )

    def withdraw_comment(self, anomaly_id: str, comment_id: str) -> Comments:
        """Withdraw a comment of one's own; the audit log keeps its text."""
        return cast(
            Comments,
            self._call(
                "DELETE", f"/api/v1/anomalies/{_quoted(anomaly_id)}/comments/{_quoted(comment_id)}", {}, {}
            ),
        )

    def preview_bulk(
        self,
        body: BulkAsked,
        *,
        q: str | None = None,
        status: list[Literal["pending", "acknowledged", "dismissed", "investigating"]] | None = None,
        stream: list[Literal["logs", "metrics", "traces", "llm"]] | None = None,
        significant: Literal["true", "false"] | None = None,
        review: Literal["true", "false"] | None = None,
        within: Literal["1h", "24h", "7d", "30d"] | None = None,
        since: str | None = None,
        until: str | None = None,
        ncd_min: str | None = None,
        ncd_max: str | None = None,
        p_min: str | None = None,
        p_max: str | None = None,
        tags_any: str | None = None,
        tags_all: str | None = None,
        tags_none: str | None = None,
        pattern: str | None = None,
        source: str | None = None,
        host: str | None = None,
        service: str | None = None,
        config: str | None = None,
        dismissal_reason: list[Literal["false_positive", "known_harmless", "duplicate", "other"]]
        | None = None,
        metadata: str | None = None,
        assigned: str | None = None,
        team: str | None = None,
        snoozed: Literal["yes", "no"] | None = None,
    ) -> BulkPreview:
        """Freeze the anomalies that match all filters, the newest DRIFTLOCK_BULK_ROWS of them."""
        return cast(
            BulkPreview,
            self._call(
                "POST",
                "/api/v1/bulk",
                {
                    "q": q,
                    "status": status,
                    "stream": stream,
                    "significant": significant,
                    "review": review,
                    "within": within,
                    "since": since,
                    "until": until,
                    "ncd_min": ncd_min,
                    "ncd_max": ncd_max,
                    "p_min": p_min,
                    "p_max": p_max,
                    "tags_any": tags_any,
                    "tags_all": tags_all,
                    "tags_none": tags_none,
                    "pattern": pattern,
                    "source": source,
                    "host": host,
                    "service": service,
                    "config": config,
                    "dismissal_reason": dismissal_reason,
                    "metadata": metadata,
                    "assigned": assigned,
                    "team": team,
                    "snoozed": snoozed,
                },
                {},
                body,
                "application/json",
            ),
        )

    def get_bulk(self, bulk_id: str) -> BulkState:
        """Return how far a selection is written, and what was skipped."""
        return cast(BulkState, self._call("GET", f"/api/v1/bulk/{_quoted(bulk_id)}", {}, {}))

    def confirm_bulk(self, bulk_id: str, body: BulkConfirmation) -> BulkState:
        """Write about the selection, for a few seconds; send it again until ``is_finished``."""
        return cast(
            BulkState,
            self._call(
                "POST", f"/api/v1/bulk/{_quoted(bulk_id)}/confirmation", {}, {}, body, "application/json"
            ),
        )

    def undo_bulk(self, bulk_id: str) -> BulkUndone:
        """Undo what a selection wrote, for a few seconds; send it again until ``is_finished``."""
        return cast(BulkUndone, self._call("POST", f"/api/v1/bulk/{_quoted(bulk_id)}/undo", {}, {}))

    def list_configs(self) -> Configs:
        """List the detection configs, newest first, at most 1,000."""
        return cast(Configs, self._call("GET", "/api/v1/configs", {}, {}))

    def add_new_config(self, body: NewConfig, *, idempotency_key: str | None = None) -> Config:
        """Store a new config, which is the active one with these changes."""
        return cast(
            Config,
            self._call(
                "POST", "/api/v1/configs", {}, {"Idempotency-Key": idempotency_key}, body, "application/json"
            ),
        )

    def get_config(self, config_id: int) -> Config:
        """Return one detection config."""
        return cast(Config, self._call("GET", f"/api/v1/configs/{_quoted(config_id)}", {}, {}))

    def activate_config(self, config_id: int, *, if_match: str | None = None) -> Config:
        """Make a config the active one; an active one stays so."""
        return cast(
            Config,
            self._call(
                "POST", f"/api/v1/configs/{_quoted(config_id)}/activation", {}, {"If-Match": if_match}
            ),
        )

    def list_audit_entries(
        self,
        *,
        resource_type: str | None = None,
        resource_id: str | None = None,
        username: str | None = None,
        action: str | None = None,
        since: str | None = None,
        until: str | None = None,
        order: Literal["-timestamp", "timestamp"] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> AuditPage:
        """List the entries of the audit log that match all filters, page by page."""
        return cast(
            AuditPage,
            self._call(
                "GET",
                "/api/v1/audit",
                {
                    "resource_type": resource_type,
                    "resource_id": resource_id,
                    "username": username,
                    "action": action,
                    "since": since,
                    "until": until,
                    "order": order,
                    "limit": limit,
                    "cursor": cursor,
                },
                {},
            ),
        )

    def get_audit_entry(self, entry_id: int) -> AuditEntry:
        """Return one entry of the audit log."""
        return cast(AuditEntry, self._call("GET", f"/api/v1/audit/{_quoted(entry_id)}", {}, {}))

    def ingest_lines(
        self, body: bytes, *, source: str | None = None, idempotency_key: str | None = None
    ) -> Ingested:
        """Store the anomalies of the body; those that are stored already stay unchanged."""
        return cast(
            Ingested,
            self._call(
                "POST",
                "/api/v1/ingest",
                {"source": source},
                {"Idempotency-Key": idempotency_key},
                body,
                "application/x-ndjson",
            ),
        )


def _text(value: Any) -> Any:
    if isinstance(value, list):
        return [_text(each) for each in value]
    return str(value).lower() if isinstance(value, bool) else value


def _quoted(value: str | int) -> str:
    return urllib.parse.quote(str(value), safe="")


def _problem(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"detail": content[:500].decode(errors="replace")}
