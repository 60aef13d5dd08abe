"""Replay: the entries about a row, folded forward and compared with the row in its table.

Theory: an entry holds the value of each changed column before and after the change. Folded in the order of
their ids (drawn while the row is locked, hence in the order of the changes), the entries about a row give
the last value of every column that was ever changed. Two equalities must hold: the folded value is the
value in the table, and the "before" of each entry is the "after" of the one preceding it. A change made
while a trigger was disabled breaks one of the two. Double-entry bookkeeping checks a ledger against its
journal in the same way.

Columns that no entry names can't be compared: the scores and the evidence of an anomaly as inserted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

MADE = ("create", "import", "grant", "baseline")
GONE = ("delete", "revoke", "renamed")
ROW = "row"  # marks the row itself, which follows the entries about it
_SHOWN = 80  # characters of a value in a message
_DIGITS = ".15g"  # entries older than the migration pin_audit_functions may have no more digits


class Event(NamedTuple):
    """An entry about a row, or the row itself (``action`` is ROW, ``entry`` is None).

    ``old`` and ``new`` are JSON texts.
    """

    key: str
    entry: int | None
    action: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules by which the rows of one table are compared.

    ``name`` is the noun for a row in messages; ``columns`` are compared, those in ``times`` as instants;
    ``defaults`` are the values that columns must have as long as no entry names them. With
    ``may_come_unnamed``, entries about bulk inserts name no rows; the last such entry is ``last_arrival``.
    """

    name: str
    columns: frozenset[str]
    times: frozenset[str] = frozenset()
    defaults: dict[str, Any] = field(default_factory=dict)
    may_come_unnamed: bool = False
    last_arrival: int = 0


@dataclass(slots=True)
class Folded:
    """The folded entries about one row: the last value of each column and the id of its entry."""

    key: str
    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    is_there: bool | None = None  # None: no entry created or deleted it
    last: int = 0
    problems: list[str] = field(default_factory=list)
    came_from: str | None = None  # its id before the last change of id
    went_to: dict[str, Folded] = field(default_factory=dict)  # by new id: the state when the id changed


Row = tuple[Folded, dict[str, Any] | None]  # the entries about a row, folded, and the row as it is


def fold(events: Iterable[Event], rules: Rules) -> Iterator[Row]:
    """Yield each row's folded entries with the row (None if the table has none).

    ``events`` must be sorted by key and entry. Rows whose id was changed are held in memory and yielded
    last, together with the values that entries recorded under the former id.
    """
    moved: dict[str, Row] = {}
    for state, found in _by_key(events, rules):
        if state.came_from is not None or state.went_to:
            moved[state.key] = state, found
        else:
            yield state, found
    for state, found in moved.values():
        _inherit(state, moved)
        yield state, found


def _inherit(state: Folded, moved: dict[str, Row]) -> None:
    """Add to a row's values those of its former id that no later entry changed."""
    former: str | None = state.came_from
    key, seen = state.key, {state.key}
    while former is not None and former in moved and former not in seen and key in moved[former][0].went_to:
        before = moved[former][0].went_to[key]
        state.values = before.values | state.values
        state.sources = before.sources | state.sources
        seen.add(former)
        key, former = former, before.came_from


def _by_key(events: Iterable[Event], rules: Rules) -> Iterator[Row]:
    state: Folded | None = None
    found: dict[str, Any] | None = None
    for event in events:
        if state is None or event.key != state.key:
            if state is not None:
                yield state, found
            state, found = Folded(event.key), None
        if event.action == ROW:
            found = parsed(event.new)
        else:
            _apply(state, event, rules)
    if state is not None:
        yield state, found


def compared(state: Folded, found: dict[str, Any] | None, rules: Rules) -> list[str]:
    """A sentence for each difference between the folded entries and the row."""
    name = f"{rules.name} {state.key}"
    if found is None:
        about = f"entry {state.last} is about it" if state.last else "a new database has it"
        gone = [f"{name}: is missing; {about}, and no entry says that it was deleted"]
        return state.problems + (gone if state.is_there is not False else [])
    if state.is_there is False and not _came_again(state, rules):
        return [*state.problems, f"{name}: is in the table; entry {state.last} says that it was deleted"]
    if state.is_there is None and not rules.may_come_unnamed:
        return [*state.problems, f"{name}: is in the table, and no entry says who made it"]
    return state.problems + [
        f"{name}: {column} is {shown(found[column])}; {_source(state.sources[column])} {shown(value)}"
        for column, value in state.values.items()
        if column in found and not is_same(value, found[column], column in rules.times)
    ]


def unexplained(state: Folded, found: dict[str, Any] | None, rules: Rules) -> list[str]:
    """A sentence for each column that differs from its default though no entry names it."""
    return [
        f"{rules.name} {state.key}: {column} is {shown(found[column])}; no entry recorded that"
        for column, default in rules.defaults.items()
        if found is not None and column not in state.values and found.get(column) != default
    ]


def _apply(state: Folded, event: Event, rules: Rules) -> None:
    entry = event.entry or 0
    old, new = parsed(event.old), parsed(event.new)
    if old is None or new is None:
        state.problems.append(f"entry {entry} about {rules.name} {state.key} holds no values to replay")
        state.last = state.last or entry
        return
    if event.action in MADE and state.is_there and event.action != "baseline":
        state.problems.append(f"{rules.name} {state.key}: entry {entry} makes it; it was there already")
    if event.action in (*MADE, *GONE):
        if event.action == "renamed":
            state.went_to[str(new.get("id"))] = replace(state)
        state.values, state.sources, state.came_from = {}, {}, None
    else:
        state.problems += _breaks(state, old, entry, rules)
        if "id" in new and "id" in old and old["id"] != new["id"]:
            state.came_from = str(old["id"])
    state.is_there, state.last = event.action not in GONE, entry
    kept = {} if event.action in GONE else {name: new[name] for name in new if name in rules.columns}
    state.values |= kept
    state.sources |= dict.fromkeys(kept, entry)


def _breaks(state: Folded, old: dict[str, Any], entry: int, rules: Rules) -> list[str]:
    """A sentence for each column whose "before" is not the "after" of the preceding entry."""
    if state.is_there is False and not _came_again(state, rules):
        return [f"{rules.name} {state.key}: entry {entry} changes it; entry {state.last} says it was deleted"]
    return [
        f"{rules.name} {state.key}: {column} was {shown(value)} for entry {entry}; "
        f"{_source(state.sources[column])} {shown(state.values[column])}"
        for column, value in old.items()
        if column in state.values and not is_same(state.values[column], value, column in rules.times)
    ]


def _source(entry: int) -> str:
    return f"entry {entry} recorded" if entry else "a new database has"


def _came_again(state: Folded, rules: Rules) -> bool:
    return rules.may_come_unnamed and rules.last_arrival > state.last


# --- values -----------------------------------------------------------------------------------------------


def parsed(text: str | None) -> dict[str, Any] | None:
    """The object in a JSON text, numbers as Decimal; {} for None, None for anything but an object."""
    if text is None:
        return {}
    try:
        value = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except (RecursionError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def is_same(recorded: Any, found: Any, is_time: bool) -> bool:
    """True if two values of a column are equal: times as instants, numbers to 15 significant digits."""
    if recorded == found and isinstance(recorded, bool) == isinstance(found, bool):
        return True
    if isinstance(recorded, Decimal) and isinstance(found, Decimal):
        return format(float(recorded), _DIGITS) == format(float(found), _DIGITS)
    if is_time and isinstance(recorded, str) and isinstance(found, str):
        return _moment(recorded) is not None and _moment(recorded) == _moment(found)
    return False


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:  # infinity, or a year outside Python's range
        return None
    return moment if moment.tzinfo else None


def _number(value: Decimal) -> float | int:
    return int(value) if abs(value) < 2**53 and value == int(value) else float(value)


def shown(value: Any) -> str:
    """A value for a message: JSON, cut at 80 characters."""
    text = str(value) if isinstance(value, Decimal) else json.dumps(value, default=_number)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
