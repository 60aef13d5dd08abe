"""Anomalies as a file: exactly those that a filter names, one after the other, in constant memory.

JSON Lines hold every column as `ingest` takes it, so what was exported can be read in again. JSON (RFC 8259)
has no number for NaN and the infinities, so they are written as PostgreSQL's to_json writes them: "NaN",
"Infinity", "-Infinity". CSV is for spreadsheets: a text that one of them would run as a formula is given an
apostrophe.
"""

from __future__ import annotations

import csv
import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from math import isfinite, isnan
from typing import Any

from django.db import connection, transaction
from django.db.models import F, TextField
from django.db.models.functions import Cast

from anomalies.models import Anomaly

from .bounded.listing import Listing
from .bounded.matches import every

JSON_COLUMNS = ("baseline_data", "window_data", "metadata")
# The row's count of changes, its assignment and snooze are this desk's business; its words follow from its
# texts.
_OF_THIS_DESK = {"version", "search_document", *Anomaly.ASSIGNMENT, *Anomaly.SNOOZE}
COLUMNS = tuple(f.column for f in Anomaly._meta.concrete_fields if f.column not in _OF_THIS_DESK)
CHUNK = 200  # rows fetched at once: a row can weigh megabytes
_LOOKED_AT = 1_000  # characters: more than a cell shows
# Categories of Unicode that a spreadsheet may skip before a formula: spaces, and characters of no width.
_SKIPPED = {"Zs", "Zl", "Zp", "Cf", "Mn"}
_FORMULA = ("\u2212", "=", "+", "-", "@", "\t", "\r", "\n")
# For the transaction: the index on time is walked, whatever the planner expects of the filter.
_AS_READ = "; ".join(f"SET LOCAL enable_{plan} = off" for plan in ("sort", "bitmapscan", "seqscan"))


def export(listing: Listing, format_name: str) -> Iterator[bytes]:
    """The lines of a file in one of FORMATS, newest anomaly first, as one snapshot of the table.

    A cursor in the database holds the rows that are still to come. Other exports, writers and decisions go on
    beside it.
    """
    header, line = FORMATS[format_name]
    yield from header()
    with transaction.atomic():
        for row in _rows(listing).iterator(chunk_size=CHUNK):
            yield line(row)


def _rows(listing: Listing) -> Any:
    """The rows in order; those of a long list as they are read, since to sort them would fill the disk."""
    found = every(listing)
    if found is listing.rows:
        with connection.cursor() as cursor:
            cursor.execute(_AS_READ)
    # jsonb holds what Python's parser does not: it stays the text that it is.
    texts = {f"{name}_text": Cast(name, TextField()) for name in JSON_COLUMNS}
    names = [f"{name}_text" if name in JSON_COLUMNS else name for name in COLUMNS]
    # The order of idx_anomalies_walk_time.
    newest_first = [F(name).desc(nulls_last=True) for name in ("timestamp", "id")]
    return found.order_by(*newest_first).annotate(**texts).values_list(*names)


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
    """A file that gives back what is written to it: csv has no other way to make one line."""

    def write(self, text: str) -> str:
        return text


_writer = csv.writer(_Echo())


def _csv_header() -> Iterable[bytes]:
    # Without the mark a spreadsheet takes UTF-8 for the machine's own code page.
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
    """The text, with an apostrophe before it where a spreadsheet would run it as a formula.

    Source: OWASP, "CSV Injection". Spaces and invisible characters before the sign are skipped, and a
    fullwidth form counts as the sign that it stands for (NFKC), since some programs read both so.
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
