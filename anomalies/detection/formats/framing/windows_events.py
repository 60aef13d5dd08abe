"""Windows events as XML, alone or in `<Events>`: each becomes an object of JSON.

`<Data Name='param1'>` is a value of that name; an attribute is a value beside those within its element.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from xml.etree import ElementTree  # nosec B405: a document type, which could define entities, is refused

from .pieces import Piece

_HEAD = re.compile(
    rb"\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<Events[^>]{0,500}>\s*)?<Event(?:\s[^>]{0,500})?>\s*<System>"
)
_BEGIN = re.compile(rb"<Event[\s>]")
_END = b"</Event>"
_AROUND = re.compile(rb"<\?xml[^>]*\?>|</?Events[^>]*>")
_DEEP = 8


def are_windows_events(head: bytes) -> bool:
    """Return whether a stream begins with an event of Windows, or a list of them."""
    return _HEAD.match(head) is not None


def cut_by_events(chunks: Iterable[bytes], most: int) -> Iterator[Piece]:
    """Yield the events of a stream, each with the line that it begins in.

    What is no event is a piece a line.
    """
    buffer, line, source = b"", 1, iter(chunks)
    searched, ended = 0, False
    while not (ended and not buffer):
        end = buffer.find(_END, searched)
        if end < 0 and not ended and len(buffer) <= most:
            searched = max(0, len(buffer) - len(_END))
            chunk = next(source, b"")
            buffer, ended = buffer + chunk, not chunk
            continue
        searched = 0
        end = len(buffer) if end < 0 else end + len(_END)
        piece, buffer = buffer[:end], buffer[end:]
        yield from _pieces(piece, line, most)
        line += piece.count(b"\n")


def _pieces(text: bytes, line: int, most: int) -> Iterator[Piece]:
    """An event, and what stands before it: an event that does not end stands before the next one."""
    begins = [match.start() for match in _BEGIN.finditer(text)]
    whole = (
        (begin, record)
        for begin in dict.fromkeys(begins[:1] + begins[-1:])
        if (record := _record(text[begin:]))
    )
    begin, record = next(whole, (len(text), None))
    for offset, one in enumerate(text[:begin].split(b"\n")):
        stripped = _AROUND.sub(b"", one).strip()
        if stripped:
            yield Piece(line + offset, stripped[:most], len(stripped))
    if record:
        data = json.dumps(record, ensure_ascii=False).encode()
        yield Piece(line + text.count(b"\n", 0, begin), data[:most], len(data))


def _record(event: bytes) -> dict[str, Any] | None:
    """An event as an object; None for one that is no whole element."""
    if b"<!DOCTYPE" in event or b"<!ENTITY" in event:
        return None
    try:
        root = ElementTree.fromstring(event.decode("utf-8", "replace"))  # noqa: S314  # nosec B314
    except (ElementTree.ParseError, ValueError):
        return None
    return {"Event": _value(root, _DEEP)}


def _value(element: ElementTree.Element, depth: int) -> Any:
    text = (element.text or "").strip()
    if len(element) == 0 and text:
        return text
    value: dict[str, Any] = dict(element.attrib)
    for child in element if depth else ():
        name = child.tag.rpartition("}")[2]
        name = child.get("Name", name) if name == "Data" else name
        inner = (child.text or "").strip() if name in child.attrib.values() else _value(child, depth - 1)
        value[name] = [*_listed(value[name]), inner] if name in value else inner
    return value


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
