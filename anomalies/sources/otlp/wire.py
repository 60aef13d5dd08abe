"""The wire form of protobuf, as far as a request is taken apart without decoding all of it.

Theory: a message is a sequence of fields, each a tag (the field's number and one of six wire types) and a
value; fields of one message may come in any order and be repeated, and two messages written one after the
other are their merger (protobuf.dev, "Encoding"). So a record is cut out, decoded and checked by itself, one
broken record leaves its neighbours readable, and a request is divided among streams by joining pieces.
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10  # bytes


class WireError(ValueError):
    """Bytes that are no message of protobuf."""


def pieces(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the content of each field that has a length: messages, texts, bytes.

    Numbers are passed over. Raises WireError for what is no message.
    """
    place, end = 0, len(data)
    while place < end:
        tag, place = _varint(data, place)
        kind = tag & 7
        if kind == _LENGTH:
            size, place = _varint(data, place)
            if size > end - place:
                raise WireError(f"a field ends {size - (end - place):,} bytes behind the message")
            yield tag >> 3, data[place : place + size]
            place += size
        else:
            place = _behind_number(data, place, kind)


def framed(number: int, content: bytes) -> bytes:
    """Return a field of this number with a length."""
    return _as_varint(number << 3 | _LENGTH) + _as_varint(len(content)) + content


def numbered(number: int, value: int) -> bytes:
    """Return a field of this number that is a whole number from 0."""
    return _as_varint(number << 3) + _as_varint(value)


def _behind_number(data: bytes, place: int, kind: int) -> int:
    if kind == _VARINT:
        return _varint(data, place)[1]
    if kind not in (_FIXED64, _FIXED32):
        raise WireError(f"there is no wire type {kind} in OTLP")
    place += 8 if kind == _FIXED64 else 4
    if place > len(data):
        raise WireError("a number ends behind the message")
    return place


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, the lowest first, and the place behind it."""
    try:
        byte = data[place]
        if byte < 0x80:
            return byte, place + 1
        value, shift = byte & 0x7F, 7
        for at in range(place + 1, place + _LONGEST_VARINT):
            byte = data[at]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at + 1
            shift += 7
    except IndexError:
        raise WireError("the message ends in the middle of a number") from None
    raise WireError(f"a number has more than {_LONGEST_VARINT} bytes")


def _as_varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
