r"""The grammar of a search: words such as ``status:pending`` or ``p<0.01``, beside text to search for.

    search = { word | text }      separated by white space
    word   = ["-"] key operator value      such as -tag:noise, ncd>=0.4, source:"my app"
    value  = characters up to white space, or a text in quotes, in which \" and \\ are a quote and a backslash
    text   = anything else; white space within a pair of quotes belongs to it

A word is one only if its key has the operator, so an address, a time or "ERROR:" is text. Every string is a
search: no input is an error here. ``formatted`` is the inverse of ``parsed``: to parse what it writes gives
the same parts again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

# An operator is as long as it can be: "<=" is not "<" with the value "=…".
_WORD = re.compile(
    r"(?P<minus>-?)(?P<key>[A-Za-z_]+)(?P<operator>[<>]=?+|[:=])"
    r'(?:"(?P<quoted>(?:\\.|[^"\\])*)(?:"|\Z)|(?P<plain>[^\s"]\S*))(?=\s|\Z)',
    re.DOTALL,
)
_TEXT = re.compile(r'(?:"[^"]*"|\S)+')
_SPACE = re.compile(r"\s*")
_PLAIN = re.compile(r'[^\s"]\S*')
_ESCAPED = re.compile(r'\\(["\\])')

# The operators with their keys: ("p", "<").
Operators = Collection[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Word:
    """A key with an operator and a value: ``-tag:noise`` is excluding."""

    key: str
    operator: str
    value: str
    is_excluding: bool = False

    def __str__(self) -> str:
        """The word as it is typed."""
        is_plain = _PLAIN.fullmatch(self.value) and not (self.operator in "<>" and self.value[0] == "=")
        value = self.value if is_plain else _quoted(self.value)
        return f"{'-' * self.is_excluding}{self.key}{self.operator}{value}"


@dataclass(frozen=True, slots=True)
class Text:
    """A word to search for, or several in quotes, as typed."""

    text: str

    def __str__(self) -> str:
        return self.text


Part = Word | Text


def parsed(search: str, operators: Operators) -> tuple[Part, ...]:
    """The parts of a search in their order. Keys are found in upper case too."""
    parts: list[Part] = []
    at = _after_space(search, 0)
    while at < len(search):
        part, at = _part(search, at, operators)
        parts.append(part)
        at = _after_space(search, at)
    return tuple(parts)


def formatted(parts: Iterable[Part]) -> str:
    """The search that has these parts."""
    return " ".join(map(str, parts))


def looks_like(text: Text) -> tuple[str, str] | None:
    """The key and the operator of a text that has the form of a word."""
    found = re.match(r"-?([A-Za-z_]+)(<=|>=|[<>:=])", text.text)
    return (found[1].lower(), found[2]) if found else None


def _after_space(search: str, at: int) -> int:
    found = _SPACE.match(search, at)
    return found.end() if found else at


def _part(search: str, at: int, operators: Operators) -> tuple[Part, int]:
    """The part that begins at a place, and the place where it ends."""
    found = _WORD.match(search, at)
    if found and (found["key"].lower(), found["operator"]) in operators:
        quoted = found["quoted"]
        value = found["plain"] if quoted is None else _ESCAPED.sub(r"\1", quoted)
        return Word(found["key"].lower(), found["operator"], value, bool(found["minus"])), found.end()
    text = _TEXT.match(search, at)
    end = text.end() if text else len(search)
    return Text(search[at:end]), end


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
