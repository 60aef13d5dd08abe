"""OTLP's JSON form as the messages of protobuf.

It is protobuf's JSON with one difference: ids of traces and spans are hexadecimal, not base64 (OTLP 1.x,
"JSON Protobuf Encoding"). Numbers of 64 bits may be texts, unknown names are ignored, null means absent.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any, cast

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

_IDS = ("traceId", "spanId", "parentSpanId")


class JsonError(ValueError):
    """A value that is not what its place asks for; the message names the field."""


def parsed(body: bytes) -> dict[str, Any]:
    """Return the object that a body is. Raises JsonError."""
    try:
        value = msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise JsonError(f"the body is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise JsonError("the body is no JSON object; send an export request")
    return value


def members(value: Any, name: str) -> list[Any]:
    """Return the list at this name of an object, empty where it has none. Raises JsonError."""
    if not isinstance(value, dict):
        raise JsonError(f"the holder of {name} is no object; write one")
    found = value.get(name)
    if found is None:
        return []
    if not isinstance(found, list):
        raise JsonError(f"{name} is no list; write one")
    return found


def as_message(value: Any, kind: type[Message]) -> bytes:
    """Return an object as a message of this kind, encoded. Raises JsonError."""
    try:
        message: Message = ParseDict(_known(value, cast(Descriptor, kind.DESCRIPTOR)), kind())
        return message.SerializeToString()
    except (ParseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise JsonError(str(error).rstrip(".")) from error


def _known(value: Any, kind: Descriptor) -> dict[str, Any]:
    """Return the fields of an object that its message has, with ids as base64, as protobuf's JSON has bytes.

    ParseDict itself ignores what it does not know in a text too, which would lose a body that is no object.
    """
    if not isinstance(value, dict):
        raise JsonError(f"{kind.name} is no object; write one")
    fields = kind.fields_by_camelcase_name
    return {name: _field(fields[name], one) for name, one in value.items() if name in fields}


def _field(field: FieldDescriptor, value: Any) -> Any:
    name = field.camelcase_name
    if value is None:
        return None
    if field.is_repeated and not isinstance(value, list):
        raise JsonError(f"{name} is no list; write one")
    if name in _IDS:
        return _id(name, value)
    if field.message_type is None:
        return value
    try:
        if field.is_repeated:
            return [_known(one, field.message_type) for one in value]
        return _known(value, field.message_type)
    except JsonError as error:
        raise JsonError(f"{name}: {error}") from error


def _id(name: str, value: Any) -> str:
    try:
        return b64encode(bytes.fromhex(value)).decode()
    except (TypeError, ValueError):
        raise JsonError(f"{name} is not hexadecimal; write 32 digits for a trace, 16 for a span") from None
