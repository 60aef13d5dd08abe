"""A line of JSON as a row of ``anomalies``: the table takes it, and every reader can show it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf, nan
from typing import Annotated, Any, get_type_hints
from uuid import UUID

import msgspec
from django.conf import settings
from msgspec import Meta, Raw

from anomalies import json_limits
from anomalies.models import DismissalReason, Status, Stream
from anomalies.privacy.masks import Mask, configured, masked, masked_json

from .copied_values import OTHER_TIME, microseconds, shape
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
_HINTS = get_type_hints(Row, include_extras=True)
NUMBERS = tuple(name for name, hint in _HINTS.items() if hint in (float, float | None))
TEXTS = ("glass_box_explanation", "detailed_explanation", "notes", *(n for n in COLUMNS if n.endswith("_by")))

# A day inside what Python's datetime holds, so that every time zone can show it.
_EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
_LATEST = datetime(9999, 12, 30, tzinfo=UTC)

_row = msgspec.json.Decoder(Row)
_columns = msgspec.json.Decoder(dict[str, Raw])
_anything = msgspec.json.Decoder()
_pairs = json.JSONDecoder(object_pairs_hook=list, parse_int=str, parse_float=str)


@dataclass(frozen=True, slots=True)
class Limits:
    """The sizes that a line's columns may have: bytes of a JSON column, the number of tags, characters of a
    tag."""

    json_bytes: int
    tags: int
    tag_length: int


# A row that a table has held keeps to that table's CHECKs, which PostgreSQL tests again at the INSERT. These
# bound only the work before that. As text, JSON can be several times as long as it is stored.
_OF_A_COPY = Limits(json_bytes=256 * 1024 * 1024, tags=1_000, tag_length=256 * 1024)
_KEYS_OF_A_COPY = {"id", "created_at", "updated_at"}
_NOT_FINITE = {b'"NaN"': nan, b'"Infinity"': inf, b'"-Infinity"': -inf}
_NO_TAGS = Raw(b"[]")
_FILLED = {"tags": _NO_TAGS}
_MACHINES = {"host", "service", "source", "file"}  # of the metadata
_ANY_TIME = Raw(b'"2000-01-01T00:00:00Z"')


def read_row(data: bytes) -> Row:
    """The row that a line holds, with an id of its own or one made from its content.

    JSON columns stay the bytes they came as. A line with ``id``, ``created_at`` and ``updated_at`` is a copy
    of a row that a table has held, as `export` writes it: it may exceed the settings' limits, its numbers may
    be "NaN", "Infinity" or "-Infinity", its times such as Python can't hold, and its tags nested or null.
    What the installation masks is masked. Raises Misfit with the first thing that is wrong.
    """
    try:
        row = _read(data, _limits())
    except Misfit:
        copy = _copied(data)
        if copy is None:
            raise
        row = copy
    if masks := configured():
        _mask(row, masks)
    return row


def _read(data: bytes, limits: Limits) -> Row:
    row = _decoded(data)
    _check_once(data)
    _check_times(row)
    if json_limits.holds_nul(data):
        _check_nul(row)
    payloads = {name: _payload(row, name, limits.json_bytes) for name in PAYLOADS}
    if row.tags:
        _check_tags(row.tags, limits)
    if row.id is None:
        row.id = row_id(row, payloads)
    return row


def _mask(row: Row, masks: Sequence[Mask]) -> None:
    for name in ("glass_box_explanation", "detailed_explanation", "notes"):
        if text := getattr(row, name):
            setattr(row, name, masked(text, masks))
    row.tags = _masked_tags(row.tags, masks)
    row.baseline_data, row.window_data = (
        Raw(masked_json(bytes(raw), masks)) for raw in (row.baseline_data, row.window_data)
    )
    row.metadata = _masked_metadata(row.metadata, masks)


def _masked_tags(tags: Any, masks: Sequence[Mask]) -> Any:
    if isinstance(tags, list):
        return [_masked_tags(each, masks) for each in tags]
    return masked(tags, masks) if isinstance(tags, str) else tags


def _masked_metadata(metadata: Raw, masks: Sequence[Mask]) -> Raw:
    """The metadata but for the names of machines: an address there is what the desk groups by."""
    try:
        columns = _columns.decode(metadata)
    except msgspec.MsgspecError:  # not given, or no object
        return Raw(masked_json(bytes(metadata), masks))
    return Raw(
        msgspec.json.encode(
            {
                masked(name, masks): value if name in _MACHINES else Raw(masked_json(bytes(value), masks))
                for name, value in columns.items()
            }
        )
    )


def _limits() -> Limits:
    sizes = (settings.INGEST_MAX_TAGS, settings.INGEST_MAX_TAG_LENGTH)
    return Limits(settings.INGEST_MAX_JSON_BYTES, *sizes)


def _copied(data: bytes) -> Row | None:
    """The row that a line copies; None for a line that is no copy. Raises Misfit."""
    try:
        columns = _columns.decode(data)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return None
    if not columns.keys() >= _KEYS_OF_A_COPY:
        return None
    _check_once(data)
    special = {name: bytes(columns[name]) for name in columns.keys() & set(NUMBERS)}
    special = {name: text for name, text in special.items() if text in _NOT_FINITE}
    others = _other_values(columns)
    filled = dict.fromkeys(special, Raw(b"0")) | {name: _FILLED.get(name, _ANY_TIME) for name in others}
    row = _read(msgspec.json.encode(columns | filled), _OF_A_COPY)
    for name, text in special.items():
        setattr(row, name, _NOT_FINITE[text])
    for name, value in others.items():
        setattr(row, name, value)
    return row


def _other_values(columns: dict[str, Raw]) -> dict[str, Any]:
    """The times, as microseconds, and the tags of a copy that a new line may not have. Raises Misfit."""
    found: dict[str, Any] = {}
    for name in columns.keys() & set(TIMES):
        match = OTHER_TIME.fullmatch(columns[name])
        if match:
            try:
                found[name] = microseconds(match)
            except ValueError as error:
                raise Misfit(name, "is no time that PostgreSQL can hold") from error
    try:
        tags = _anything.decode(columns.get("tags", _NO_TAGS))
        lengths, elements = shape(tags)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return found  # the reader of the row says what is wrong
    if len(lengths) > 1 or None in elements:
        found["tags"] = tags
    return found


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


def _check_tags(tags: list[str], limits: Limits) -> None:
    try:
        json_limits.check_tags(tags, limits.tags, limits.tag_length)
    except json_limits.LimitError as error:
        raise Misfit("tags", str(error)) from error


def _payload(row: Row, name: str, most: int) -> Any:
    """The value of a JSON column of at most so many bytes, parsed; null becomes "not given"."""
    raw = bytes(getattr(row, name))
    value = _parsed(name, raw, most) if raw else None
    if value is None:
        setattr(row, name, NOT_GIVEN)
    return value


def _parsed(name: str, raw: bytes, most: int) -> Any:
    try:
        json_limits.check_size(raw, most)
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
