"""A line of JSON as a row of ``anomalies``: the table takes it, and every reader can show it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from django.conf import settings
from msgspec import Meta, Raw

from anomalies import json_limits
from anomalies.models import DismissalReason, Status, Stream

from .identity import row_id
from .validation_errors import Misfit, misfit

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

_row = msgspec.json.Decoder(Row)
_columns = msgspec.json.Decoder(dict[str, Raw])
_anything = msgspec.json.Decoder()
_pairs = json.JSONDecoder(object_pairs_hook=list, parse_int=str, parse_float=str)


def read_row(data: bytes) -> Row:
    """The row that a line holds, with an id of its own or one made from its content.

    JSON columns stay the bytes they came as. Raises Misfit with the first thing that is wrong.
    """
    row = _decoded(data)
    _check_once(data)
    _check_times(row)
    if json_limits.holds_nul(data):
        _check_nul(row)
    payloads = {name: _payload(row, name) for name in PAYLOADS}
    if row.tags:
        check_tags(row.tags)
    if row.id is None:
        row.id = row_id(row, payloads)
    return row


def _decoded(data: bytes) -> Row:
    within_a_row = json_limits.DEPTH + 1
    try:
        if not data.isascii():
            data.decode()
        if json_limits.deeper_than(data, within_a_row):
            raise Misfit(json_limits.key_deeper_than(data, within_a_row), json_limits.TOO_DEEP)
        return _row.decode(data)
    except (ValueError, msgspec.MsgspecError) as error:
        raise misfit(data, error, Row) from error


def _check_once(data: bytes) -> None:
    """Refuse a column that is said twice: which one is meant? The decoder silently takes the last.

    Where the keys and values it took leave nothing of the line but the signs between them, as compact
    writers or Python's set them, there can be no more; else the line is read again, pair by pair.
    """
    taken = _columns.decode(data)
    between = len(data) - len("".join(taken)) - len(b"".join(taken.values()))
    spaced = data[data.find(b":") + 1 :][:1] == b" "
    if between == (6 * len(taken) if spaced else 4 * len(taken) + 1):
        return
    names = [name for name, _ in _pairs.decode(data.decode())]
    for name in taken:
        if names.count(name) > 1:
            raise Misfit(name, "is there twice; which one is meant?")


def _check_times(row: Row) -> None:
    for name in TIMES:
        time = getattr(row, name)
        if time is not None and not _EARLIEST <= time <= _LATEST:
            raise Misfit(name, "is outside the years 1 to 9999; leave it out if there is no such time")


def _check_nul(row: Row) -> None:
    texts = {name: getattr(row, name) for name in TEXTS} | {"tags": "".join(row.tags or ())}
    guilty = [name for name, text in texts.items() if text and "\0" in text]
    guilty += [name for name in PAYLOADS if json_limits.holds_nul(bytes(getattr(row, name)))]
    if guilty:
        raise Misfit(guilty[0], json_limits.NUL)


def check_tags(tags: list[str]) -> None:
    """Raises Misfit for tags that are too many or too long."""
    try:
        json_limits.check_tags(tags, settings.INGEST_MAX_TAGS, settings.INGEST_MAX_TAG_LENGTH)
    except json_limits.LimitError as error:
        raise Misfit("tags", str(error)) from error


def _payload(row: Row, name: str) -> Any:
    """The value of a JSON column, parsed; null becomes "not given"."""
    raw = bytes(getattr(row, name))
    value = _parsed(name, raw) if raw else None
    if value is None:
        setattr(row, name, NOT_GIVEN)
    return value


def _parsed(name: str, raw: bytes) -> Any:
    try:
        json_limits.check_size(raw, settings.INGEST_MAX_JSON_BYTES)
        return _anything.decode(raw)
    except json_limits.LimitError as error:
        raise Misfit(name, str(error)) from error
    except msgspec.ValidationError as error:
        raise Misfit(name, json_limits.TOO_LARGE) from error


def look_closer(row: Row) -> None:
    """Raises Misfit for a number that only a slow look finds: one with too many digits behind the point.

    PostgreSQL refuses it, so rows are looked at so closely once it has refused one of them.
    """
    for name in PAYLOADS:
        try:
            json_limits.loads(bytes(getattr(row, name)).decode() or "null")
        except json_limits.LimitError as error:
            raise Misfit(name, str(error)) from error
