"""A line of JSON as a row of ``anomalies``: the table takes it, and every reader can show it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from django.conf import settings
from msgspec import Meta, Raw

from ..jsonb import MAX_DEPTH, too_deep
from ..models import DismissalReason, Status, Stream
from .identity import row_id
from .refusals import Misfit, misfit

Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]
Moment = Annotated[datetime, Meta(tz=True)]
Username = Annotated[str, Meta(max_length=255)]
NOT_GIVEN = Raw()  # msgspec knows no Raw that may be None


class Row(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One anomaly, columns as in docs/schema.md; None or NOT_GIVEN takes the column's default."""

    id: UUID | None = None
    timestamp: Moment
    stream_type: Stream
    ncd_score: Fraction
    p_value: Fraction
    status: Status | None = None
    glass_box_explanation: str
    detailed_explanation: str | None = None
    compression_baseline: float
    compression_window: float
    compression_combined: float
    compression_ratio_change: float | None = None
    baseline_entropy: float | None = None
    window_entropy: float | None = None
    entropy_change: float | None = None
    confidence_level: Fraction
    is_statistically_significant: bool | None = None
    baseline_data: Raw = NOT_GIVEN
    window_data: Raw = NOT_GIVEN
    metadata: Raw = NOT_GIVEN
    tags: list[str] | None = None
    acknowledged_by: Username | None = None
    acknowledged_at: Moment | None = None
    dismissed_by: Username | None = None
    dismissed_at: Moment | None = None
    notes: str | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None
    novelty: float | None = None
    dismissal_reason: DismissalReason | None = None
    investigating_by: Username | None = None
    investigating_at: Moment | None = None


COLUMNS = Row.__struct_fields__
PAYLOADS = ("baseline_data", "window_data", "metadata")
TIMES = tuple(name for name in COLUMNS if name == "timestamp" or name.endswith("_at"))
TEXTS = ("glass_box_explanation", "detailed_explanation", "notes", *(n for n in COLUMNS if n.endswith("_by")))

# A day inside what Python's datetime holds, so that every time zone can show it.
_EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
_LATEST = datetime(9999, 12, 30, tzinfo=UTC)
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

_row = msgspec.json.Decoder(Row)
_columns = msgspec.json.Decoder(dict[str, Raw])
_anything = msgspec.json.Decoder()


def read_row(data: bytes) -> Row:
    """The row that a line holds, with an id of its own or one made from its content.

    JSON columns stay the bytes they came as. Raises Misfit with the first thing that is wrong.
    """
    if too_deep(data):
        raise _deep(data)
    try:
        if not data.isascii():
            data.decode()
        row = _row.decode(data)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise misfit(data, error, Row) from error
    _check_times(row)
    if row.tags:
        _check_tags(row.tags)
    if b"\\u0000" in data:
        _check_nul(row)
    payloads = {name: _payload(row, name) for name in PAYLOADS}
    if row.id is None:
        row.id = row_id(row, payloads)
    return row


def _deep(data: bytes) -> Misfit:
    """Which column is nested too deep, as far as that can be told without parsing it."""
    try:
        for name, raw in _columns.decode(data).items():
            if too_deep(bytes(raw), MAX_DEPTH):
                return Misfit(
                    name, f"is nested more than {MAX_DEPTH} levels deep; flatten it or make the rest a text"
                )
    except (ValueError, RecursionError, msgspec.MsgspecError):
        pass
    return Misfit(None, f"is nested too deep; {MAX_DEPTH} levels are the limit")


def _check_times(row: Row) -> None:
    for name in TIMES:
        time = getattr(row, name)
        if time is not None and not _EARLIEST <= time <= _LATEST:
            raise Misfit(name, "is outside the years 1 to 9999; leave it out if there is no such time")


def _check_tags(tags: list[str]) -> None:
    if len(tags) > settings.INGEST_MAX_TAGS:
        raise Misfit("tags", f"are {len(tags):,}; {settings.INGEST_MAX_TAGS:,} are the limit")
    longest = max(map(len, tags))
    if longest > settings.INGEST_MAX_TAG_LENGTH:
        most = settings.INGEST_MAX_TAG_LENGTH
        raise Misfit("tags", f"hold one of {longest:,} characters; {most:,} are the limit")


def _check_nul(row: Row) -> None:
    texts = {name: getattr(row, name) for name in TEXTS} | {"tags": "".join(row.tags or ())}
    guilty = [name for name, text in texts.items() if text and "\0" in text]
    guilty += [name for name in PAYLOADS if _NUL.search(bytes(getattr(row, name)))]
    if guilty:
        raise Misfit(guilty[0], "holds a NUL character (\\u0000), which PostgreSQL can't keep; remove it")


def _payload(row: Row, name: str) -> Any:
    """The value of a JSON column, parsed; null becomes "not given"."""
    raw = bytes(getattr(row, name))
    if len(raw) > settings.INGEST_MAX_JSON_BYTES:
        raise Misfit(name, f"has {len(raw):,} bytes; {settings.INGEST_MAX_JSON_BYTES:,} are the limit")
    value = _parsed(name, raw) if raw else None
    if value is None:
        setattr(row, name, NOT_GIVEN)
    return value


def _parsed(name: str, raw: bytes) -> Any:
    try:
        value = _anything.decode(raw)
    except (msgspec.ValidationError, RecursionError) as error:
        what = "is nested" if isinstance(error, RecursionError) else "holds a number"
        fix = f"more than {MAX_DEPTH} levels deep" if what == "is nested" else "too large; write it as a text"
        raise Misfit(name, f"{what} {fix}") from error
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise Misfit(name, f"is nested more than {MAX_DEPTH} levels deep; flatten it or make the rest a text")
    return value


def _deeper_than(value: Any, levels: int) -> bool:
    level = [value]
    for _ in range(levels):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
