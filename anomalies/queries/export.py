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
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from math import isfinite, isnan
from typing import Any

from django.db import transaction
from django.db.models import DateTimeField, F, Func, TextField
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast

from anomalies.models import Anomaly

from .bounded.index_order import read_in_index_order
from .bounded.listing import Listing
from .bounded.matches import every

JSON_COLUMNS = ("baseline_data", "window_data", "metadata")
# Version, assignment and snooze concern this desk only; search document, source and pattern are derived.
_OF_THIS_DESK = {"version", "search_document", "source", "pattern", *Anomaly.ASSIGNMENT, *Anomaly.SNOOZE}
COLUMNS = tuple(f.column for f in Anomaly._meta.concrete_fields if f.column not in _OF_THIS_DESK)
ROW_VERSION = "anomalies.xmin::text || anomalies.ctid::text"  # in SQL
TIMES = tuple(name for name in COLUMNS if name == "timestamp" or name.endswith("_at"))
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
    header, line = FORMATS[format_name]
    yield from header()
    with transaction.atomic():
        for row in _rows(listing).iterator(chunk_size=CHUNK):
            yield line(_with_times(row))


_SOURCES = {name: f"{name}_text" for name in JSON_COLUMNS} | {name: f"{name}_held" for name in TIMES}
_IS_HELD = "anomalies.{0} BETWEEN '0001-01-02T00:00:00Z' AND '9999-12-30T00:00:00Z'"
_HELD = f"CASE WHEN {_IS_HELD} THEN anomalies.{{0}} END"


def _other_times() -> RawSQL:
    """The times of a row that Python can't hold, as a JSON object of texts; NULL for nearly every row."""
    others = ", ".join(
        f"'{name}', CASE WHEN NOT {_IS_HELD.format(name)} THEN anomalies.{name} END" for name in TIMES
    )
    is_any = " OR ".join(f"NOT {_IS_HELD.format(name)}" for name in TIMES)
    whole = f"CASE WHEN {is_any} THEN jsonb_strip_nulls(jsonb_build_object({others}))::text END"
    return RawSQL(whole, (), output_field=TextField())  # noqa: S611 - names of columns


_OTHER_TIMES = _other_times()


def _with_times(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row of COLUMNS, its first value, the times that Python can't hold, put in their places."""
    others, *values = row
    if others is None:
        return tuple(values)
    given = json.loads(others)
    return tuple(given.get(name, value) for name, value in zip(COLUMNS, values, strict=True))


def versioned_lines(listing: Listing, most: int, **conditions: Any) -> Iterator[tuple[Any, str, Any, bytes]]:
    """Yield the oldest ``most`` anomalies of a list that meet conditions: id, version, time, JSON line.

    The version changes with each UPDATE of the row. One snapshot, as in ``export``.
    """
    # idx_anomalies_walk_time, read backwards.
    oldest_first = [F(name).asc(nulls_first=True) for name in ("timestamp", "id")]
    with transaction.atomic():
        found = _read(_as_read(listing).filter(**conditions), *oldest_first).annotate(
            version_of_row=_Version()
        )
        for row in found.values_list(*_NAMES, "version_of_row")[:most].iterator(chunk_size=CHUNK):
            values = dict(zip(COLUMNS, row, strict=False))
            yield values["id"], row[-1], values["timestamp"], _json_line(row[:-1])


class _Version(Func):
    """The transaction that wrote this version of an anomaly, and its place in the table."""

    output_field = TextField()
    template = ROW_VERSION


def _rows(listing: Listing) -> Any:
    # The order of idx_anomalies_walk_time.
    newest_first = [F(name).desc(nulls_last=True) for name in ("timestamp", "id")]
    # A time that Python can't hold would end the export, so it is exported as text.
    times = {f"{name}_held": RawSQL(_HELD.format(name), (), DateTimeField()) for name in TIMES}  # noqa: S611 - names of columns
    found = _read(_as_read(listing), *newest_first).annotate(**times, times=_OTHER_TIMES)
    return found.values_list("times", *(_SOURCES.get(name, name) for name in COLUMNS))


def _as_read(listing: Listing) -> Any:
    """All rows of a list; a long one is read in index order, since a sort could fill the disk."""
    found = every(listing)
    if found is listing.rows:
        read_in_index_order()
    return found


def _read(found: Any, *order: Any) -> Any:
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
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
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
