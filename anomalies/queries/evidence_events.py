"""The events in a jsonb column of evidence, in any shape that a detector wrote.

Our detector writes objects {"line", "text", "bits", "odd"}, of metrics with {"values", "at"} too; others
write arrays of texts, numbers, objects, or other JSON.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isfinite
from typing import Any

from django.db.models import Func, IntegerField, TextField

MOST_CHARACTERS = 4_000_000  # of the events that a page reads by default

_LIST = """
    CASE WHEN jsonb_typeof(%(expressions)s) = 'array' THEN %(expressions)s
         WHEN jsonb_typeof(%(expressions)s -> 'events') = 'array' THEN %(expressions)s -> 'events'
         WHEN jsonb_typeof(%(expressions)s -> 'lines') = 'array' THEN %(expressions)s -> 'lines' END
"""


class Head(Func):
    """The first ``events`` of a column as JSON text, cut in the database: evidence can take megabytes.

    A value that is not a list of events gives the first ``characters`` of its text.
    """

    output_field = TextField()
    template = (
        f"left(coalesce(jsonb_path_query_array({_LIST}, '$[0 to %(last)s]')::text, "
        "%(expressions)s::text), %(characters)s)"
    )

    def __init__(self, column: str, events: int = 300, characters: int = MOST_CHARACTERS) -> None:
        super().__init__(column, last=events - 1, characters=characters)


class Total(Func):
    """The number of events in a column; NULL for a value that is not a list of events."""

    output_field = IntegerField()
    template = f"jsonb_array_length({_LIST})"


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its line ``number`` in the source, its surprise in ``bits``, and ``odd`` if the detector
    marked it.

    ``value`` is the object or array that ``text`` was made from; None for a text. ``numbers`` are the finite
    values of a metric by the name of their series, ``at`` is their time as it is written; '' without one.
    """

    text: str
    number: int | None = None
    bits: float | None = None
    odd: bool = False
    value: Any = None
    numbers: tuple[tuple[str, float], ...] = ()
    at: str = ""


def events(raw: str | None) -> list[Event]:
    """The events in a jsonb column's text, in order; none for NULL.

    JSON that Python can't parse (nested too deep, a number of 5,000 digits) is one event with the whole text.
    """
    if raw is None:
        return []
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return [Event(raw)]
    return events_in(value)


def events_in(value: Any) -> list[Event]:
    """The events in a column's parsed value, in order."""
    return [_event(each) for each in _parts(value)]


def odd_text(raw: str | None) -> str:
    """The texts of the odd events, one a line; of all events if none is marked as odd."""
    found = events(raw)
    return "\n".join(event.text for event in ([e for e in found if e.odd] or found))


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        for key in ("events", "lines"):
            if isinstance(events := value.get(key), list):
                return events
        return [f"{key}: {as_text(inner)}" for key, inner in value.items()]
    if isinstance(value, str):
        return value.splitlines()
    return value if isinstance(value, list) else [value]


def _event(part: Any) -> Event:
    numbers, at = _numbers(part), _time(part)
    if isinstance(part, dict) and isinstance(part.get("text"), str):
        number, bits = part.get("line"), part.get("bits")
        return Event(
            text=part["text"],
            number=number if isinstance(number, int) else None,
            bits=bits if isinstance(bits, int | float) else None,
            odd=part.get("odd") is True,
            numbers=numbers,
            at=at,
        )
    value = part if isinstance(part, dict | list) else None
    return Event(as_text(part), value=value, numbers=numbers, at=at)


def _numbers(part: Any) -> tuple[tuple[str, float], ...]:
    """The values of {"values": {name: number}}, of {"name" or "metric", "value": number}, or of a number."""
    if not isinstance(part, dict):
        found = {"value": part}
    elif isinstance(part.get("values"), dict):
        found = part["values"]
    else:
        name = next((part[key] for key in ("name", "metric") if isinstance(part.get(key), str)), "value")
        found = {name: part.get("value")}
    return tuple((str(name), float(number)) for name, number in found.items() if _is_finite(number))


def _is_finite(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    except OverflowError:  # an integer beyond what a float holds
        return False


def _time(part: Any) -> str:
    if not isinstance(part, dict):
        return ""
    return next((part[key] for key in ("at", "timestamp", "time") if isinstance(part.get(key), str)), "")


def as_text(value: Any) -> str:
    """A JSON value as text: a string unchanged, anything else as JSON."""
    try:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "(nested too deep to show)"
