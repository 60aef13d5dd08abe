"""The simple values of a record by their dotted paths."""

from collections.abc import Container, Iterable
from functools import lru_cache
from operator import itemgetter
from typing import Any

from ...events import Value, safe
from ..base import MAX_NAME

DEPTH = 8
MOST_FIELDS = 200  # of a record
MOST_OF_FIELD = 256  # characters
_MOST_OF_LIST = 20  # values of a list
_LARGEST = 2**63
_IDS_OF_EVENTS = ("eventid", "event_id", "event id", "event.code", "event_code", "eventcode")

Field = tuple[str, Value]


def fields_of(record: Any, prefix: str = "", without: Container[str] = ()) -> tuple[Field, ...]:
    """Return the simple values of a record with their paths, in the order of the paths.

    `without` names paths that are left out, with all below them. A list's values all have the list's path; a
    list of `{"key": …, "value": …}` is read as an object. Event ids are text: 7036 and 7045 are two words.
    """
    found: list[Field] = []
    _collect(record, prefix, DEPTH, without, found)
    found.sort(key=itemgetter(0))
    return tuple(found)


def value_at(record: Any, path: str) -> Any:
    """Return what is at a dotted path, None for nothing; a name may hold dots itself."""
    if isinstance(record, dict):
        if path in record:
            return record[path]
        for end in _dots(path):
            if path[:end] in record:
                found = value_at(record[path[:end]], path[end + 1 :])
                if found is not None:
                    return found
        return None
    if isinstance(record, list):
        head, _, rest = path.partition(".")
        if head.isdecimal() and int(head) < len(record):
            return value_at(record[int(head)], rest) if rest else record[int(head)]
    return None


def text_of(value: Any) -> str:
    """Return the text that a value is: itself, bytes as a list of numbers, a list of texts; '' for others."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and value.get("type") == "Buffer":
        value = value.get("data")
    if isinstance(value, list) and value:
        if is_bytes(value):
            return bytes(value).decode("utf-8", "replace")
        if all(isinstance(one, str) for one in value):
            return "\n".join(value)
    return ""


def is_bytes(value: list[Any]) -> bool:
    """Return whether a list can only be the bytes of a text: journald writes unprintable texts so."""
    return len(value) > 3 and all(type(one) is int and 0 <= one < 256 for one in value)


def attributes_of(pairs: Any, depth: int = DEPTH) -> dict[str, Any]:
    """Return a list of `{"key": …, "value": …}`, as OpenTelemetry writes attributes, as an object."""
    if isinstance(pairs, dict):
        return pairs
    return {
        str(pair["key"]): plain_value(pair.get("value"), depth)
        for pair in (pairs if isinstance(pairs, list) else ())
        if isinstance(pair, dict) and "key" in pair
    }


def plain_value(value: Any, depth: int = DEPTH) -> Any:
    """Return OpenTelemetry's AnyValue as a plain value; anything else as it is."""
    if not isinstance(value, dict) or len(value) != 1 or not depth:
        return value
    kind, inner = next(iter(value.items()))
    if kind in ("stringValue", "boolValue", "doubleValue", "bytesValue"):
        return inner
    if kind == "intValue":
        return int(inner) if isinstance(inner, str) and inner.lstrip("-").isdecimal() else inner
    values = inner.get("values") if isinstance(inner, dict) else None
    if kind == "arrayValue" and isinstance(values, list):
        return [plain_value(one, depth - 1) for one in values]
    if kind == "kvlistValue":
        return attributes_of(values, depth - 1)
    return value


def _collect(value: Any, path: str, depth: int, without: Container[str], found: list[Field]) -> None:
    if len(found) >= MOST_FIELDS or path in without:
        return
    if isinstance(value, str):
        if value:
            found.append((shown_path(path), safe(value, MOST_OF_FIELD)))
    elif isinstance(value, dict):
        if depth:
            for name, inner in value.items():
                _collect(inner, f"{path}.{name}" if path else name, depth - 1, without, found)
    elif isinstance(value, list):
        _collect_list(value, path, depth, without, found)
    elif value is not None:
        found.append((shown_path(path), _simple(path, value)))


def _collect_list(
    value: list[Any], path: str, depth: int, without: Container[str], found: list[Field]
) -> None:
    if not depth:
        return
    if is_bytes(value) and (text := _readable(bytes(value))):
        found.append((shown_path(path), safe(text, MOST_OF_FIELD)))
        return
    if value and isinstance(value[0], dict) and "key" in value[0]:
        _collect(attributes_of(value), path, depth - 1, without, found)
        return
    for inner in value[:_MOST_OF_LIST]:
        _collect(inner, path, depth - 1, without, found)


def _simple(path: str, value: Any) -> Value:
    if isinstance(value, float):
        return value if value - value == 0 else str(value)  # NaN and infinity are no numbers to compare
    if isinstance(value, bool):
        return value
    if abs(value) >= _LARGEST or path.removesuffix(".#text").lower().endswith(_IDS_OF_EVENTS):
        return str(value)[:MOST_OF_FIELD]
    return int(value)


def _dots(path: str) -> Iterable[int]:
    """Yield the positions of the dots in a path, the last one first."""
    end = path.rfind(".")
    while end > 0:
        yield end
        end = path.rfind(".", 0, end)


def _readable(data: bytes) -> str:
    """The text that bytes are; '' where they are numbers."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return ""
    return text if "".join(text.split()).replace("\x1b", "").isprintable() else ""


@lru_cache(maxsize=4096)
def shown_path(path: str) -> str:
    """Return the end of a path, safe to show."""
    return safe(path[-MAX_NAME:], MAX_NAME)
