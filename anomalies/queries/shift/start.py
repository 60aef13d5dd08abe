"""The beginning of a shift: the patterns that are new, and what was done last (what waits: ``backlog``)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from anomalies.models import OPEN

from ..bounded.sql import Sql, named
from ..bounded.together import Read, identity, moment

NEW = timedelta(hours=24)
LOOKED_AT = 1_000  # entries
ACTIONS = 10

# A pattern that is not folded yet has no row of its own; one with an older row is not new.
_NEW_PATTERNS = f"""
    SELECT key, max(stream_type), max(source), max(template), min(first_seen), sum(open)::bigint FROM (
        SELECT key, stream_type, source, template, first_seen, {" + ".join(OPEN)} AS open
        FROM anomaly_patterns WHERE first_seen >= %(since)s
        UNION ALL
        SELECT pattern, stream_type, source, template, first_seen, {" + ".join(OPEN)}
        FROM anomaly_pattern_deltas AS fresh WHERE NOT EXISTS (
            SELECT FROM anomaly_patterns AS old WHERE old.key = fresh.pattern AND old.first_seen < %(since)s
        )
    ) AS each
    GROUP BY key HAVING min(first_seen) >= %(since)s AND min(first_seen) < 'infinity' AND sum(open) > 0
    ORDER BY min(first_seen) DESC, key LIMIT %(most)s
"""  # noqa: S608 -- constants
# One row for the entries of a decision. Logins change nothing, and what arrives is not what somebody did.
_ACTIONS = f"""
    SELECT username, action, resource_type, count(*), (array_agg(resource_id))[1],
           min(metadata ->> 'id'), max(timestamp)
    FROM (SELECT * FROM audit_log ORDER BY timestamp DESC LIMIT {LOOKED_AT}) AS entry
    WHERE resource_type <> 'session' AND NOT (resource_type = 'anomaly' AND action IN ('create', 'import'))
      AND coalesce(metadata ->> 'via', '') <> 'ownership'  -- what rules assigned is nobody's action
    GROUP BY username, action, resource_type, metadata ->> 'batch'
    ORDER BY max(timestamp) DESC LIMIT {ACTIONS}
"""  # noqa: S608 -- constants


@dataclass(frozen=True, slots=True)
class NewPattern:
    """A pattern that was first seen lately and has undecided anomalies."""

    key: UUID
    stream_type: str
    source: str
    template: str
    first_seen: datetime
    open: int


@dataclass(frozen=True, slots=True)
class Action:
    """One decision or change by the audit log, of ``count`` rows.

    ``resource`` is one of the anomalies; ``number`` is the number of a config or another row.
    """

    username: str
    action: str
    resource_type: str
    count: int
    resource: UUID | None
    number: str | None
    at: datetime


def new_patterns(now: datetime, most: int) -> Read[list[NewPattern]]:
    """The patterns with undecided anomalies that were first seen since NEW ago, the newest first."""
    return Read(
        named(_NEW_PATTERNS, since=now - NEW, most=most),
        lambda rows: [NewPattern(*row) for row in rows],
        {0: identity, 4: moment},
    )


def recent_actions() -> Read[list[Action]]:
    """The last ACTIONS decisions and changes among the newest LOOKED_AT entries, the last one first."""
    return Read(Sql(_ACTIONS), lambda rows: [Action(*row) for row in rows], {4: identity, 6: moment})
