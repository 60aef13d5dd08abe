"""Rows as PostgreSQL's binary COPY wants them: nothing to escape here, nothing to parse there."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, get_args, get_type_hints
from uuid import UUID

from msgspec import Raw

from .copied_values import EPOCH, shape
from .rows import Row

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

_NULL = b"\xff\xff\xff\xff"
_TEXT_OID = 25
_int32 = struct.Struct(">i").pack
_sized_float = struct.Struct(">id").pack
_sized_int64 = struct.Struct(">iq").pack
_array_head = struct.Struct(">iii").pack
_array_dimension = struct.Struct(">ii").pack


def encoder(columns: Sequence[str]) -> Callable[[Row], bytes]:
    """Return the function that encodes a row of these columns, in their order."""
    head = len(columns).to_bytes(2, "big")
    fields = [(name, _ENCODERS[name]) for name in columns]

    def encode(row: Row) -> bytes:
        parts = [head]
        for name, field in fields:
            value = getattr(row, name)
            parts.append(_NULL if value is None else field(value))
        return b"".join(parts)

    return encode


def _sized(data: bytes) -> bytes:
    return _int32(len(data)) + data


def _uuid(value: UUID) -> bytes:
    return b"\0\0\0\x10" + value.bytes


def _text(value: str) -> bytes:
    return _sized(value.encode())


def _enum(value: Enum) -> bytes:
    return _sized(value.value.encode())


def _float(value: float) -> bytes:
    return _sized_float(8, value)


def _bool(value: bool) -> bytes:
    return b"\0\0\0\1\1" if value else b"\0\0\0\1\0"


def _time(value: datetime | int) -> bytes:
    if isinstance(value, int):
        return _sized_int64(8, value)
    since = value - EPOCH
    return _sized_int64(8, (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


def _jsonb(value: Raw) -> bytes:
    data = bytes(value)
    if not data:
        return _NULL
    return _int32(len(data) + 1) + b"\1" + data  # 1 is the format's version


def _texts(values: list[Any]) -> bytes:
    # Most are plain lists: to find the shape of any array takes three times as long as to write one of these.
    if values and all(type(each) is str for each in values):
        head = _array_head(1, 0, _TEXT_OID) + _array_dimension(len(values), 1)
        return _sized(head + b"".join(map(_text, values)))
    lengths, texts = shape(values)
    head = _array_head(len(lengths), None in texts, _TEXT_OID)
    head += b"".join(_array_dimension(length, 1) for length in lengths)
    return _sized(head + b"".join(_NULL if text is None else _text(text) for text in texts))


_BY_TYPE: dict[Any, Callable[[Any], bytes]] = {
    UUID: _uuid,
    datetime: _time,
    float: _float,
    bool: _bool,
    str: _text,
    Raw: _jsonb,
    list[str]: _texts,
}


def _encoder(hint: Any) -> Callable[[Any], bytes]:
    value_type = get_args(hint)[0] if type(None) in get_args(hint) else hint
    return _BY_TYPE.get(value_type, _enum)


_ENCODERS = {name: _encoder(hint) for name, hint in get_type_hints(Row).items()}
