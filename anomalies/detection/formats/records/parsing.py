"""Bytes to JSON values, with the names that a record has twice."""

import json
from typing import Any

_AROUND = " \t\r\n\ufeff\x1e\x00"  # RFC 7464 begins a record with 1E, GELF over TCP ends one with 00

Record = dict[str, Any]


class JsonParser:
    """Parses JSON as Python's library does (NaN is a number), and tells which name an object has twice.

    Of such a name the last value counts. What stands around the values of an array that has one a line, and
    RFC 7464's separator, is left out.
    """

    def __init__(self) -> None:
        self.doubled = ""
        self._decoder = json.JSONDecoder(object_pairs_hook=self._object)

    def value(self, raw: bytes) -> Any:
        """Return the value that a line is, None for no JSON; `doubled` is a name that it has twice, or ''."""
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = raw.decode("utf-8", "replace")
        return self.value_of(text)

    def value_of(self, text: str) -> Any:
        """Return the value that a text is; None for no JSON."""
        self.doubled = ""
        text = text.strip(_AROUND)
        if not text.endswith(("}", "]")):
            text = text.rstrip(_AROUND + ",")
        if text[:1] == ",":
            text = text.lstrip(_AROUND + ",")
        if text[:1] not in ("{", "[") or text[-1:] not in ("}", "]"):
            return None
        return self._decoded(text)

    def _decoded(self, text: str) -> Any:
        try:
            return self._decoder.decode(text)
        except (ValueError, RecursionError):
            pass
        # An array that has one object a line begins with the first one's and ends with the last one's.
        inner = text.lstrip("[ ").rstrip("] ") if text.count("[") != text.count("]") else ""
        try:
            return self._decoder.decode(inner) if inner else None
        except (ValueError, RecursionError):
            return None

    def _object(self, pairs: list[tuple[str, Any]]) -> Record:
        made = dict(pairs)
        if len(made) != len(pairs) and not self.doubled:
            seen: set[str] = set()
            for name, _ in pairs:
                if name in seen:
                    self.doubled = name
                    break
                seen.add(name)
        return made
