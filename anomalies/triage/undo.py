"""Undo: each anomaly of a decision goes back to its own former state.

A decision is named by its batch, and the audit log holds the values before it. An anomaly with any later
entry, even a note, is skipped with a reason, since its present values are not the decision's. So notes go
back exactly too. An undo is a decision itself, recorded as ``undo`` with a batch of its own and the batch
that it ``undoes``; it can be undone. Submitted twice it is one. Anomalies are processed STEP at a time, each
step a transaction that locks its rows in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext as _

from anomalies.audit import Actor, acting
from anomalies.audit.history import done, done_by
from anomalies.languages import formats
from anomalies.models import Anomaly

from .decisions import MOVES, DecisionError, Left, clean_note

STEP = 5_000
UNDOABLE = (*MOVES, "assign", "unassign", "snooze", "undo")
# The columns that these write, and an undo restores. The audit log holds them as text.
RESTORED = (
    "status",
    "acknowledged_by",
    "acknowledged_at",
    "dismissed_by",
    "dismissed_at",
    "dismissal_reason",
    "investigating_by",
    "investigating_at",
    "notes",
    *Anomaly.ASSIGNMENT,
    *Anomaly.SNOOZE,
)
_IDS_SHOWN = 20  # of the anomalies skipped for one reason


@dataclass(frozen=True, slots=True)
class Decision:
    """The changes of one batch: by whom, when, and how many anomalies by action.

    ``undoes`` is the batch that it took back, if it is an undo.
    """

    batch: str
    username: str
    when: datetime
    actions: dict[str, int]
    reason: str | None
    note: str | None
    undoes: str | None

    @property
    def rows(self) -> int:
        """The number of anomalies that it changed."""
        return sum(self.actions.values())

    @property
    def summary(self) -> str:
        """One line: the actions, by whom and when."""
        what = ", ".join(
            done(action) + (f" {formats.count(count)}" if len(self.actions) > 1 else "")
            for action, count in self.actions.items()
        )
        when = f"{self.when:%Y-%m-%d %H:%M:%S} UTC"
        return _("%(done)s by %(name)s at %(when)s") % {"done": what, "name": self.username, "when": when}


@dataclass(frozen=True, slots=True)
class State:
    """The state of an undo, in numbers of anomalies.

    ``undone`` by the undo asked about, ``already`` by another one, ``open`` could be undone now, ``left``
    can't be, by reason.
    """

    undone: int
    already: int
    open: int
    left: tuple[Left, ...]

    @property
    def skipped(self) -> int:
        """The number of anomalies that changed since the decision."""
        return sum(each.count for each in self.left)


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction of an undo: the last audit entry that it read, and the number of anomalies undone."""

    entry: int
    undone: int


class NoSuchDecision(DecisionError):
    """The audit log has no decision of this batch."""


def decision(batch: str) -> Decision:
    """The decision of this batch. Raises NoSuchDecision."""
    rows = _rows(_DECISION, {"batch": batch, "actions": list(UNDOABLE)})
    if not rows:
        raise NoSuchDecision(f"There is no decision {batch!r} in the audit log.")
    if batch.startswith("transaction ") and any(row[2] != row[7] for row in rows):
        raise NoSuchDecision(f"{batch!r} is the name of more than one: the server was replaced since.")
    first = min(rows, key=lambda row: row[2])
    actions = {action: sum(row[5] for row in rows if row[0] == action) for action, *__ in rows}
    return Decision(batch, first[1], first[2], actions, first[3], first[4], first[6])


def changed_in(batch: str) -> int:
    """The number of anomalies changed in this batch; 0 for an unknown one."""
    return sum(row[5] for row in _rows(_DECISION, {"batch": batch, "actions": list(UNDOABLE)}))


def undo(batch: str, actor: Actor, own: UUID, *, note: str = "", only: UUID | None = None) -> State:
    """Undo a decision, all of it or ``only`` for one anomaly; returns the state after it.

    ``own`` is the undo's own batch: submitted again with it, nothing is done twice. Raises NoSuchDecision,
    and DecisionError for a note that PostgreSQL can't store.
    """
    for __ in steps(batch, actor, own, note=note, only=only):
        pass
    return outcome(batch, own, only)


def outcome(batch: str, own: UUID, only: UUID | None = None) -> State:
    """The state after an undo. Where it took everything back, the rows need not be read."""
    undone = 0 if only else changed_in(str(own))
    return State(undone, 0, 0, ()) if undone and undone == changed_in(batch) else state(batch, own, only)


def steps(
    batch: str, actor: Actor, own: UUID, *, note: str = "", only: UUID | None = None, after: int = 0
) -> Iterator[Step]:
    """Undo step by step, from the audit entry ``after`` on; each step is committed before the next."""
    decision(batch)
    _check_name(own, batch, actor)
    said = {"batch": str(own), "undoes": batch, "note": clean_note(note) or None}
    while (end := _end_of_step(batch, only, after)) is not None:
        about = {**_about(batch, only), "own": str(own), "after": after, "to": end}
        with acting(actor, **said):
            _rows(_LOCK, about)
            ((undone,),) = _rows(_UNDO, about)
        yield Step(end, undone)
        after = end


def _check_name(own: UUID, batch: str, actor: Actor) -> None:
    """Raises DecisionError where another decision, or another person's, has this batch."""
    try:
        former = decision(str(own))
    except NoSuchDecision:
        return
    if (former.undoes, former.username) != (batch, actor.username):
        raise DecisionError(_("This form was used for something else; open the page again."))


def state(batch: str, own: UUID | None = None, only: UUID | None = None) -> State:
    """The state of a decision's undo by the audit log."""
    counts = {"undone": 0, "already": 0, "open": 0}
    left = []
    for where, action, username, columns, count, first, last, ids in _rows(
        _STATE, {**_about(batch, only), "own": own and str(own)}
    ):
        if where in counts:
            counts[where] += count
        else:
            left.append(Left(_why(where, action, username, columns, (first, last)), count, tuple(ids)))
    return State(**counts, left=tuple(sorted(left, key=lambda each: -each.count)))


def _why(where: str, action: str, username: str, columns: str, when: tuple[datetime, datetime]) -> str:
    if where == "gone":
        return _("there is no such anomaly any more")
    return done_by(action, columns, username, *when)


def _about(batch: str, only: UUID | None) -> dict[str, Any]:
    return {"batch": batch, "only": only, "actions": list(UNDOABLE), "named": _IDS_SHOWN}


def _end_of_step(batch: str, only: UUID | None, after: int) -> int | None:
    last: int | None
    ((last,),) = _rows(_END, {**_about(batch, only), "after": after, "step": STEP})
    return last


def _rows(statement: str, values: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[Any] = cursor.fetchall()
    return rows


# --- the statements, of our own words and %(parameters)s ----------------------------------------------------

# The entries of a decision, by the index idx_audit_log_batch.
_OF_THE_BATCH = """
    resource_type = 'anomaly' AND resource_id IS NOT NULL AND metadata ->> 'batch' = %(batch)s
    AND action = ANY (%(actions)s)
    AND (%(only)s::uuid IS NULL OR resource_id = %(only)s::uuid)
"""

_DECISION = """
    SELECT action, min(username), min(timestamp), min(new_values ->> 'dismissal_reason'),
           min(metadata ->> 'note'), count(*), min(metadata ->> 'undoes'), max(timestamp)
    FROM audit_log
    WHERE resource_type = 'anomaly' AND resource_id IS NOT NULL AND metadata ->> 'batch' = %(batch)s
      AND action = ANY (%(actions)s)
    GROUP BY action ORDER BY count(*) DESC
"""

_END = f"""
    SELECT max(id) FROM (
        SELECT id FROM audit_log WHERE {_OF_THE_BATCH} AND id > %(after)s ORDER BY id LIMIT %(step)s
    ) AS step
"""  # noqa: S608 - all of it is ours

_PART = f"{_OF_THE_BATCH} AND id > %(after)s AND id <= %(to)s"

_LOCK = f"""
    SELECT count(*) FROM (
        SELECT FROM anomalies WHERE id IN (SELECT resource_id FROM audit_log WHERE {_PART})
        ORDER BY id FOR UPDATE
    ) AS locked
"""  # noqa: S608 - all of it is ours


def _former(column: str) -> str:
    """An assignment of the column's former value, or of its present one where the decision kept it."""
    field: Any = Anomaly._meta.get_field(column)
    cast = field.db_type(connection)
    return (
        f"{column} = CASE WHEN former ? '{column}' THEN (former ->> '{column}')::{cast} ELSE row.{column} END"
    )


# Every row of the step is locked by now, so its last audit entry is its present state. A row that changed
# more than once in the batch goes back to its state before the first change.
_UNDO = f"""
    WITH part AS MATERIALIZED (
        SELECT DISTINCT ON (resource_id) resource_id, id, old_values
        FROM audit_log WHERE {_PART} ORDER BY resource_id, id
    ), sound AS MATERIALIZED (
        SELECT part.resource_id, CASE WHEN since.ours = 1 THEN part.old_values ELSE (
            SELECT jsonb_object_agg(pair.key, pair.value ORDER BY each.id DESC)
            FROM audit_log AS each, jsonb_each(each.old_values) AS pair
            WHERE each.resource_type = 'anomaly' AND each.resource_id = part.resource_id
              AND each.metadata ->> 'batch' = %(batch)s
        ) END AS former
        FROM part CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE metadata ->> 'batch' = %(batch)s) AS ours, count(*) AS entries
            FROM audit_log
            WHERE resource_type = 'anomaly' AND resource_id = part.resource_id AND id >= part.id
        ) AS since
        WHERE since.entries = since.ours
    ), undone AS (
        UPDATE anomalies AS row SET {", ".join(map(_former, RESTORED))}
        FROM sound WHERE row.id = sound.resource_id
        RETURNING 1
    )
    SELECT count(*) FROM undone
"""  # noqa: S608 - all of it is ours

# "+ 0" keeps PostgreSQL from walking the key backwards through other rows' entries.
_STATE = f"""
    SELECT place, action, username, columns, count(*), min(timestamp), max(timestamp),
           (array_agg(resource_id ORDER BY resource_id))[1:%(named)s]
    FROM (
        SELECT part.resource_id, last.timestamp, place,
               CASE WHEN place = 'changed' THEN last.action END AS action,
               CASE WHEN place = 'changed' THEN last.username END AS username,
               CASE WHEN place = 'changed' AND last.action = 'update' THEN (
                   SELECT string_agg(key, ', ' ORDER BY key) FROM jsonb_object_keys(last.new_values) AS key
               ) END AS columns
        FROM (SELECT DISTINCT resource_id FROM audit_log WHERE {_OF_THE_BATCH}) AS part
        CROSS JOIN LATERAL (
            SELECT timestamp, action, username, new_values, metadata,
                   EXISTS (SELECT FROM anomalies WHERE id = part.resource_id) AS is_there
            FROM audit_log
            WHERE resource_type = 'anomaly' AND resource_id = part.resource_id ORDER BY id + 0 DESC LIMIT 1
        ) AS last
        CROSS JOIN LATERAL (
            SELECT CASE WHEN NOT last.is_there THEN 'gone'
                        WHEN last.metadata ->> 'batch' = %(batch)s THEN 'open'
                        WHEN last.metadata ->> 'batch' = %(own)s THEN 'undone'
                        WHEN last.metadata ->> 'undoes' = %(batch)s THEN 'already'
                        ELSE 'changed' END AS place
        ) AS placed
    ) AS reasons
    GROUP BY place, action, username, columns
"""  # noqa: S608 - all of it is ours
