"""The database after a round, compared with the ledgers and with its own audit log."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from anomalies.triage.decisions import MOVES

from .worker import BATCH_ROWS, NO_ANSWER

# What the record leaves out on purpose: when a row was touched, how often, and its words for the search.
_UNRECORDED = "{updated_at,version,search_document,source,pattern}"
_WHO = {"acknowledged": "acknowledged", "dismissed": "dismissed", "investigating": "investigating"}

State = dict[str, Any]


@dataclass
class Findings:
    """The errors as text, all empty if there are none, and the amount that was checked."""

    half_done: list[str] = field(default_factory=list)
    unrecorded: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    bulks: int = 0
    in_doubt: int = 0  # bulks whose worker got no answer
    in_doubt_and_done: int = 0
    acknowledged: int = 0
    entries: int = 0
    ingested: int = 0

    @property
    def faults(self) -> list[str]:
        """Everything that is wrong."""
        return [*self.half_done, *self.unrecorded, *self.lost, *self.unexpected]

    def add(self, other: Findings) -> None:
        """Take in another round's."""
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(frozen=True)
class Entry:
    """One line of the audit log about one anomaly."""

    id: int
    anomaly: str
    old: State
    new: State
    tag: str | None
    transaction: str


def states(ids: Iterable[str]) -> dict[str, State]:
    """The anomalies as they are, by id."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id::text, to_jsonb(a) - %s::text[] FROM anomalies AS a WHERE id = ANY(%s::uuid[])",
            [_UNRECORDED, list(ids)],
        )
        return {pk: _parsed(state) for pk, state in cursor.fetchall()}


def last_entry() -> int:
    """The audit log's end."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM audit_log")
        return int(cursor.fetchone()[0])


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def entries_since(mark: int, ids: Iterable[str]) -> list[Entry]:
    """The entries about these anomalies since then."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id, resource_id::text, old_values, new_values, metadata ->> 'note', xmin::text
            FROM audit_log
            WHERE id > %s AND resource_type = 'anomaly' AND resource_id = ANY(%s::uuid[]) ORDER BY id
            """,
            [mark, list(ids)],
        )
        return [
            Entry(number, pk, _parsed(old) or {}, _parsed(new) or {}, tag, transaction)
            for number, pk, old, new, tag, transaction in cursor.fetchall()
        ]


def check_decisions(
    before: dict[str, State], entries: list[Entry], now: dict[str, State], ledger: list[dict[str, Any]]
) -> Findings:
    """``before`` and ``entries`` must lead to ``now``; the ledger's bulks are in them whole or not at all."""
    found = Findings(entries=len(entries))
    history = _replay(before, entries, now, found)
    for pk, state in now.items():
        if wrong := _contradiction(state):
            found.half_done.append(f"anomaly {pk}: {wrong}")
    _check_bulks(ledger, entries, history, found)
    found.unexpected += [line["why"] for line in ledger if line["event"] == "failed" and not _expected(line)]
    return found


def _replay(
    before: dict[str, State], entries: list[Entry], now: dict[str, State], found: Findings
) -> dict[str, list[tuple[int, str]]]:
    """Follow the record from before to now. By anomaly: from which entry on it had which status."""
    replayed = {pk: dict(state) for pk, state in before.items()}
    history = {pk: [(0, state["status"])] for pk, state in before.items()}
    for entry in entries:
        state = replayed[entry.anomaly]
        for column, old in entry.old.items():
            if state.get(column) != old:
                found.unrecorded.append(f"anomaly {entry.anomaly}: {column} changed before entry {entry.id}")
        state.update(entry.new)
        history[entry.anomaly].append((entry.id, state["status"]))
    for pk, state in replayed.items():
        for column in state:
            if state[column] != now.get(pk, {}).get(column):
                found.unrecorded.append(f"anomaly {pk}: {column} is not what the record says")
    return history


def _contradiction(state: State) -> str | None:
    """The rows whose status, user and time contradict each other."""
    status = state["status"]
    if status == "pending":
        left = [name for each in _WHO for name in (f"{each}_by", f"{each}_at") if state[name] is not None]
        return f"pending, and yet {', '.join(left)}" if left or state["dismissal_reason"] else None
    if state[f"{status}_by"] is None or state[f"{status}_at"] is None:
        return f"{status}, nobody knows by whom or when"
    if (status == "dismissed") != (state["dismissal_reason"] is not None):
        return f"{status}, reason {state['dismissal_reason']}"
    return None


def _check_bulks(
    ledger: list[dict[str, Any]],
    entries: list[Entry],
    history: dict[str, list[tuple[int, str]]],
    found: Findings,
) -> None:
    by_tag: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.tag and "status" in entry.new:
            by_tag[entry.tag].append(entry)
    done = {line["tag"]: set(line["decided"]) for line in ledger if line["event"] == "done"}
    for line in ledger:
        if line["event"] != "begin":
            continue
        found.bulks += 1
        changed = {entry.anomaly for entry in by_tag[line["tag"]]}
        if line["tag"] in done:
            _check_acknowledged(line["tag"], done[line["tag"]], changed, found)
        else:
            found.in_doubt += 1
            found.in_doubt_and_done += bool(changed)
        if changed:
            _check_whole(line, by_tag[line["tag"]], changed, history, found)


def _check_acknowledged(tag: str, decided: set[str], changed: set[str], found: Findings) -> None:
    found.acknowledged += len(decided)
    found.lost += [f"bulk {tag}: anomaly {pk} was said to be decided" for pk in decided - changed]
    found.half_done += [f"bulk {tag}: anomaly {pk} was not said to be decided" for pk in changed - decided]


def _check_whole(
    line: dict[str, Any],
    made: list[Entry],
    changed: set[str],
    history: dict[str, list[tuple[int, str]]],
    found: Findings,
) -> None:
    """Every anomaly of the bulk was decided, or could not be; and all in one transaction."""
    tag, sources = line["tag"], MOVES[line["action"]].sources
    if len({entry.transaction for entry in made}) > 1 or len(made) > len(changed):
        found.half_done.append(f"bulk {tag}: decided in more than one go")
    first = made[0].id
    for pk in set(line["ids"]) - changed:
        then = [status for entry, status in history[pk] if entry < first][-1]
        if not line["shared"] or then in sources:
            found.half_done.append(f"bulk {tag}: anomaly {pk} was {then} and was left out")
    found.half_done += [f"bulk {tag}: anomaly {pk} was not meant" for pk in changed - set(line["ids"])]


def _expected(line: dict[str, Any]) -> bool:
    """Return True if a failure is a lost connection or a shutdown, or has no SQLSTATE."""
    state = line["why"].partition(":")[0]
    return state == NO_ANSWER or state[:2] in ("08", "57", "53")


def check_file(name: str, rows: int, finished: bool) -> Findings:
    """A file's rows are there by whole batches, each recorded once; all of them if it is ``finished``."""
    found = Findings()
    there, recorded = _lines_of(name), _batches_of(name)
    found.ingested = len(there)
    for start in range(1, rows + 1, BATCH_ROWS):
        batch = range(start, min(start + BATCH_ROWS, rows + 1))
        present = sum(there[line] for line in batch)
        if present not in (0, len(batch)):
            found.half_done.append(f"{name}: {present} of {len(batch)} lines from {start}")
        if recorded.get(start, 0) != present:
            said = recorded.get(start, 0)
            found.unrecorded.append(f"{name}: {present} lines from {start}, the record says {said}")
        if finished and present != len(batch):
            found.lost.append(f"{name}: {len(batch) - present} lines from {start}")
    return found


def _lines_of(name: str) -> dict[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (metadata ->> 'line')::int, count(*) FROM anomalies "
            "WHERE metadata @> jsonb_build_object('file', %s::text) GROUP BY 1",
            [name],
        )
        return defaultdict(int, cursor.fetchall())


def _batches_of(name: str) -> dict[int, int]:
    """By first line, how many rows the record says were created."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (metadata ->> 'first_line')::int, sum((metadata ->> 'rows')::int)::int FROM audit_log "
            "WHERE action = 'create' AND metadata ->> 'source' = %s GROUP BY 1",
            [name],
        )
        return dict(cursor.fetchall())
