"""Export of exactly the anomalies that match a filter, streamed in constant memory.

JSON Lines contain every column in the form that `ingest` accepts, so an export can be imported again. JSON
(RFC 8259) has no number for NaN and the infinities, so they are written as PostgreSQL's to_json writes them:
"NaN", "Infinity", "-Infinity". So are times that Python can't hold: "infinity", a year before 1 or after
9999. CSV is for spreadsheets: a text that one would run as a formula gets an apostrophe in front.
"""

from __future__ import annotations

import csv
import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from math import isfinite, isnan
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import BooleanField, DateTimeField, F, Func, TextField, UUIDField, Value
from django.db.models.functions import Cast
from django.db.models.lookups import LessThan

from anomalies.models import Anomaly
from anomalies.stored_times import exact

from .bounded.index_order import read_in_index_order
from .bounded.listing import Listing
from .bounded.matches import every

JSON_COLUMNS = ("baseline_data", "window_data", "metadata")
# Version, assignment and snooze concern this desk only; search document, source and pattern are derived.
_OF_THIS_DESK = {"version", "search_document", "source", "pattern", *Anomaly.ASSIGNMENT, *Anomaly.SNOOZE}
COLUMNS = tuple(f.column for f in Anomaly._meta.concrete_fields if f.column not in _OF_THIS_DESK)
ROW_VERSION = "anomalies.xmin::text || anomalies.ctid::text"  # in SQL
Place = tuple[str, UUID]  # the time and the id of a row
CHUNK = 200  # rows fetched at once: a row can take megabytes
_NAMES = tuple(f"{name}_text" if name in JSON_COLUMNS else name for name in COLUMNS)
_LOOKED_AT = 1_000  # characters of a text that are checked: more than a cell shows
# Categories of Unicode that a spreadsheet may skip before a formula: spaces, and characters of no width.
_SKIPPED = {"Zs", "Zl", "Zp", "Cf", "Mn"}
_FORMULA = ("\u2212", "=", "+", "-", "@", "\t", "\r", "\n")


def export(listing: Listing, format_name: str) -> Iterator[bytes]:
    """Yield the lines of a file in one of FORMATS, newest anomaly first, from one snapshot of the table.

    A server-side cursor holds the remaining rows; it blocks no other export, writer or decision.
    """
    return (line for _, line in placed_lines(listing, format_name, None))


def placed_lines(
    listing: Listing, format_name: str, after: Place | None
) -> Iterator[tuple[Place | None, bytes]]:
    """Yield the lines of ``export`` with the place of each in the order; ``after`` one, the rest of the file.

    The rest is from a snapshot of its own. A header has no place.
    """
    header, line = FORMATS[format_name]
    if after is None:
        yield from ((None, each) for each in header())
    # The order of idx_anomalies_walk_time.
    newest_first = [F(name).desc(nulls_last=True) for name in ("timestamp", "id")]
    with transaction.atomic():
        found = _read(_beyond(_as_read(listing), after), newest_first)
        # As text: Python does not hold every time.
        found = found.annotate(time_text=Cast("timestamp", TextField()))
        for time, key, *row in found.values_list("time_text", "id", *_NAMES).iterator(chunk_size=CHUNK):
            yield (time, key), line(tuple(row))


def _beyond(found: Any, place: Place | None) -> Any:
    """The rows after this place, by a condition that the index answers."""
    if place is None:
        return found
    time, key = place
    as_row: dict[str, Any] = {"function": "ROW", "output_field": BooleanField()}
    given = Func(Cast(Value(time), DateTimeField()), Value(key, output_field=UUIDField()), **as_row)
    return found.filter(LessThan(Func(F("timestamp"), F("id"), **as_row), given))


def versioned_lines(listing: Listing, most: int, **conditions: Any) -> Iterator[tuple[Any, str, Any, bytes]]:
    """Yield the oldest ``most`` anomalies of a list that meet conditions: id, version, time, JSON line.

    The version changes with each UPDATE of the row. One snapshot, as in ``export``.
    """
    # The same index, read backwards.
    oldest_first = [F(name).asc(nulls_first=True) for name in ("timestamp", "id")]
    with transaction.atomic():
        found = _read(_as_read(listing).filter(**conditions), oldest_first)
        rows = found.annotate(version_of_row=_Version()).values_list("version_of_row", *_NAMES)[:most]
        for version, *row in rows.iterator(chunk_size=CHUNK):
            values = dict(zip(COLUMNS, row, strict=True))
            yield values["id"], version, values["timestamp"], _json_line(tuple(row))


class _Version(Func):
    """The transaction that wrote this version of an anomaly, and its place in the table."""

    output_field = TextField()
    template = ROW_VERSION


def _as_read(listing: Listing) -> Any:
    """All rows of a list; a long one is read in index order, since a sort could fill the disk."""
    found = every(listing)
    if found is listing.rows:
        read_in_index_order()
    return found


def _read(found: Any, order: Sequence[Any]) -> Any:
    # jsonb can hold values that Python's parser can't, so it is exported as text without parsing.
    texts = {f"{name}_text": Cast(name, TextField()) for name in JSON_COLUMNS}
    return found.order_by(*order).annotate(**texts)


# --- JSON Lines -------------------------------------------------------------------------------------------


def _json_line(row: tuple[Any, ...]) -> bytes:
    pairs = (
        f'"{name}":{value if name in JSON_COLUMNS else _json(_plain(value))}'
        for name, value in zip(COLUMNS, row, strict=True)
        if value is not None
    )
    return ("{" + ",".join(pairs) + "}\n").encode()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return exact(value) or value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, float) and not isfinite(value):
        return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value if isinstance(value, str | float | bool | int | list) else str(value)


# --- CSV --------------------------------------------------------------------------------------------------


class _Echo:
    """A file that returns what is written to it: the csv module offers no other way to format one line."""

    def write(self, text: str) -> str:
        return text


_writer = csv.writer(_Echo())


def _csv_header() -> Iterable[bytes]:
    # Without the byte order mark a spreadsheet reads UTF-8 as the machine's own code page.
    return ["\N{ZERO WIDTH NO-BREAK SPACE}".encode() + _csv_line(COLUMNS)]


def _csv_line(row: tuple[Any, ...]) -> bytes:
    return str(_writer.writerow([_cell(value) for value in row])).encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return defused(value)
    if isinstance(value, list):
        return defused(json.dumps(value, ensure_ascii=False))
    if isinstance(value, datetime):
        return defused(_plain(value))
    return str(_plain(value))


def defused(text: str) -> str:
    """The text, with an apostrophe in front if a spreadsheet would run it as a formula.

    Source: OWASP, "CSV Injection". Spaces and invisible characters before the sign are skipped, and a
    fullwidth form counts as its normal form (NFKC), because some programs treat both in this way.
    """
    return f"'{text}" if _first_sign(text) in _FORMULA else text


def _first_sign(text: str) -> str:
    for character in text[:_LOOKED_AT]:
        if unicodedata.category(character) not in _SKIPPED:
            return unicodedata.normalize("NFKC", character)
    return ""


FORMATS: dict[str, tuple[Callable[[], Iterable[bytes]], Callable[[tuple[Any, ...]], bytes]]] = {
    "csv": (_csv_header, _csv_line),
    "jsonl": (list, _json_line),
}
