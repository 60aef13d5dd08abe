"""The decisions of a stretch of time by the audit log: who decided what about which patterns, and how fast.

The newest READ entries of the stretch are read along the index on their time, once, and summed up in SQL; if
there are more, ``reached`` is the time from which on the figures are complete. The anomaly of an entry is
looked up by its key. A decision about many anomalies (one ``batch``) is one decision: its time to a decision
is the median over its anomalies. What rules decided at the moment of arrival is counted apart.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils.dateparse import parse_datetime

from .standing import described

READ = 60_000  # entries
ROWS = 2_000  # of a table

# The decisions, with the status that each leads to.
_LEADS_TO = {
    "acknowledge": "acknowledged",
    "dismiss": "dismissed",
    "investigate": "investigating",
    "reopen": "pending",
}
_RESULT = " ".join(f"WHEN '{action}' THEN '{status}'" for action, status in _LEADS_TO.items())
_MOVES = ", ".join(f"'{action}'" for action in _LEADS_TO)
_BY_ACTION = ", ".join(
    f"count(*) FILTER (WHERE action = '{each}') AS {each}" for each in (*_LEADS_TO, "undo")
)
_BOTH_WAITS = """percentile_cont(0.5) WITHIN GROUP (ORDER BY waited) AS median,
               percentile_cont(0.9) WITHIN GROUP (ORDER BY waited) AS p90"""

_SOURCE = f"""
    WITH entry AS MATERIALIZED (
        SELECT timestamp AS at, username, action, resource_type, resource_id AS anomaly,
               new_values ->> 'dismissal_reason' AS reason, metadata ->> 'batch' AS batch,
               metadata ->> 'rule' AS rule, metadata ->> 'undoes' AS undoes
        FROM audit_log WHERE timestamp >= %(since)s AND timestamp < %(until)s
        ORDER BY timestamp DESC LIMIT %(most)s
    ), change AS MATERIALIZED (
        SELECT entry.*, about.pattern, about.status IS DISTINCT FROM CASE action {_RESULT} END AS is_changed,
               CASE WHEN isfinite(about.created_at)
                    THEN greatest(extract(epoch FROM entry.at - about.created_at), 0)::float8 END AS waited
        FROM entry LEFT JOIN LATERAL (
            SELECT pattern, status, created_at FROM anomalies WHERE id = entry.anomaly LIMIT 1
        ) AS about ON true
        WHERE resource_type = 'anomaly' AND anomaly IS NOT NULL
    ), decision AS MATERIALIZED (
        SELECT username, batch, percentile_cont(0.5) WITHIN GROUP (ORDER BY waited) AS waited
        FROM change WHERE rule IS NULL AND action IN ('acknowledge', 'dismiss') GROUP BY username, batch
    )
"""  # noqa: S608 -- constants
_PARTS = {
    "read": "SELECT count(*) AS entries, min(at) AS first FROM entry",
    "decided": f"""
        SELECT one.*, about.* FROM (
            SELECT username, action, reason, pattern, count(*) AS anomalies,
                   count(DISTINCT batch) AS decisions, count(*) FILTER (WHERE is_changed) AS changed,
                   max(at) AS last_at
            FROM change WHERE rule IS NULL AND action IN ({_MOVES})
            GROUP BY username, action, reason, pattern ORDER BY max(at) DESC LIMIT %(rows)s
        ) AS one LEFT JOIN LATERAL {described("one.pattern")} AS about ON true
    """,  # noqa: S608 -- constants
    "people": f"""
        SELECT counted.*, median, p90 FROM (
            SELECT username, count(DISTINCT batch) FILTER (WHERE action <> 'undo') AS decisions, {_BY_ACTION}
            FROM change WHERE rule IS NULL AND action IN ({_MOVES}, 'undo')
            GROUP BY username ORDER BY 2 DESC, username LIMIT %(rows)s
        ) AS counted LEFT JOIN (
            SELECT username, {_BOTH_WAITS} FROM decision GROUP BY username
        ) AS waits USING (username)
    """,  # noqa: S608 -- constants
    "rules": """
        SELECT rule, username, action, count(*) AS anomalies, count(*) FILTER (WHERE is_changed) AS changed
        FROM change WHERE rule IS NOT NULL AND action IN ('dismiss', 'assign', 'snooze')
        GROUP BY rule, username, action ORDER BY count(*) DESC, rule LIMIT %(rows)s
    """,
    "undone": """
        SELECT one.*, former.username AS owner, former.action FROM (
            SELECT username, undoes, count(*) AS anomalies, max(at) AS at
            FROM change WHERE action = 'undo' GROUP BY username, undoes ORDER BY max(at) DESC LIMIT %(rows)s
        ) AS one LEFT JOIN LATERAL (
            SELECT username, action FROM audit_log
            WHERE metadata ->> 'batch' = one.undoes AND resource_type = 'anomaly' AND resource_id IS NOT NULL
            ORDER BY id LIMIT 1
        ) AS former ON true
    """,
    "waits": f"SELECT count(waited) AS n, {_BOTH_WAITS} FROM decision",  # noqa: S608 -- a constant
    "patterns": """
        SELECT pattern FROM change WHERE pattern IS NOT NULL AND action IN ('acknowledge', 'dismiss')
        GROUP BY pattern ORDER BY max(at) DESC, pattern LIMIT %(rows)s
    """,
}
_RECORD = _SOURCE + " UNION ALL ".join(
    f"SELECT '{name}', (SELECT jsonb_agg(part) FROM ({part}) AS part)::text"  # noqa: S608 -- constants
    for name, part in _PARTS.items()
)


@dataclass(frozen=True, slots=True)
class Decided:
    """Decisions of one person about one pattern, of one kind.

    ``anomalies`` by ``decisions`` of one or more each; ``changed`` of them have another status by now.
    ``pattern`` is None for anomalies that have none, or were deleted.
    """

    username: str
    action: str
    reason: str | None
    pattern: UUID | None
    stream_type: str
    source: str
    template: str
    anomalies: int
    decisions: int
    changed: int
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Waits:
    """The time in seconds from an anomaly's arrival to each of ``n`` decisions, bulks counted once."""

    n: int
    median: float | None
    p90: float | None


@dataclass(frozen=True, slots=True)
class Person:
    """One person's decisions (an undo is none), and the number of anomalies by what was done."""

    username: str
    decisions: int
    acknowledge: int
    dismiss: int
    investigate: int
    reopen: int
    undo: int
    median: float | None
    p90: float | None


@dataclass(frozen=True, slots=True)
class RuleWork:
    """Decisions of one rule about arriving anomalies, in its owner's name."""

    rule: UUID
    owner: str
    action: str
    anomalies: int
    changed: int


@dataclass(frozen=True, slots=True)
class Undone:
    """A decision of ``owner`` that was undone for some anomalies; ``action`` is what it was."""

    username: str
    owner: str
    action: str
    batch: str
    anomalies: int
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Record:
    """The decisions from ``since`` to ``until``.

    ``reached`` is the time from which on entries were read, where there are more than READ; then what was
    decided before is not in the figures. Of each table the first ROWS are given; ``cut`` names those that
    have more. ``patterns`` are those acknowledged or dismissed, rules included, the last one first.
    """

    since: datetime
    until: datetime
    entries: int
    reached: datetime | None
    decided: tuple[Decided, ...] = ()
    people: tuple[Person, ...] = ()
    rules: tuple[RuleWork, ...] = ()
    undone: tuple[Undone, ...] = ()
    waits: Waits = field(default=Waits(0, None, None))
    patterns: tuple[UUID, ...] = ()
    cut: frozenset[str] = frozenset()


def record(since: datetime, until: datetime) -> Record:
    """Read the decisions from ``since`` (included) to ``until`` (not included), in ``index_order``."""
    values: dict[str, Any] = {"since": since, "until": until, "most": READ + 1, "rows": ROWS + 1}
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, values)
        parts: dict[str, list[dict[str, Any]]] = {
            name: json.loads(text) if text else [] for name, text in cursor.fetchall()
        }
    [read], [waits] = parts["read"], parts["waits"]
    kept = {name: rows[:ROWS] for name, rows in parts.items()}
    return Record(
        since,
        until,
        entries=min(read["entries"], READ),
        reached=parse_datetime(read["first"]) if read["entries"] > READ else None,
        decided=tuple(map(_decided, kept["decided"])),
        people=tuple(Person(**row) for row in kept["people"]),
        rules=tuple(_rule(**row) for row in kept["rules"]),
        undone=tuple(map(_undone, kept["undone"])),
        waits=Waits(**waits),
        patterns=tuple(UUID(row["pattern"]) for row in kept["patterns"]),
        cut=frozenset(name for name, rows in parts.items() if len(rows) > ROWS),
    )


def _decided(row: dict[str, Any]) -> Decided:
    pattern = UUID(row["pattern"]) if row["pattern"] else None
    texts = {name: row[name] or "" for name in ("stream_type", "source", "template")}
    return Decided(**{**row, **texts, "pattern": pattern, "last_at": parse_datetime(row["last_at"])})


def _rule(rule: str, username: str, action: str, anomalies: int, changed: int) -> RuleWork:
    return RuleWork(UUID(rule), username, action, anomalies, changed)


def _undone(row: dict[str, Any]) -> Undone:
    return Undone(
        row["username"],
        row["owner"] or "",
        row["action"] or "",
        row["undoes"] or "",
        row["anomalies"],
        parse_datetime(row["at"]),
    )
