"""Pairs of a key and a value in a line: logfmt, the extensions of CEF and LEEF, the data of RFC 5424."""

import re
from itertools import islice

MOST_PAIRS = 100  # of a line
_PAIR = re.compile(r'([\w.@/-]{1,100}+)=(?:"((?:[^"\\]|\\.)*+)"|([^\s"]*+)(?=\s|\Z))')
_LOGFMT = re.compile(r'\A\s*[\w.@/-]{1,100}+=(?:"|\S|\s|\Z)')
_EXTENSION = re.compile(r"(?:\A|\s)([\w.-]{1,100}+)=")
_ELEMENT = re.compile(r"\[([^\s\]=\"]{1,100}+)((?:\s+[^\s=\]\"]{1,100}+=\"(?:[^\"\\]|\\.)*+\")*+)\s*\]")
_PARAMETER = re.compile(r"([^\s=\]\"]{1,100}+)=\"((?:[^\"\\]|\\.)*+)\"")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_MEANT = {"n": "\n", "t": "\t", "r": "\r"}


def logfmt_pairs(text: str) -> dict[str, str]:
    """Return the pairs of a line that is nothing but `key=value key="other value"`; {} for other lines."""
    if not _LOGFMT.match(text):
        return {}
    pairs: dict[str, str] = {}
    end = 0
    for match in islice(_PAIR.finditer(text), MOST_PAIRS):
        if text[end : match.start()].strip():
            return {}
        key, quoted, bare = match.groups()
        pairs[key] = bare if quoted is None else unescaped(quoted)
        end = match.end()
    return pairs if not text[end:].strip() or len(pairs) == MOST_PAIRS else {}


def extension_pairs(text: str) -> dict[str, str]:
    """Return the pairs of a CEF extension, whose values hold spaces: each goes on to the next key."""
    keys = list(islice(_EXTENSION.finditer(text), MOST_PAIRS))
    ends = [match.start() for match in keys[1:]] + [len(text)]
    return {
        match[1]: unescaped(text[match.end() : end].strip()) for match, end in zip(keys, ends, strict=True)
    }


def structured_data(text: str) -> list[tuple[str, str]]:
    """Return the parameters of RFC 5424's structured data as `id.name` and value."""
    return [
        (f"{element[1]}.{name}", unescaped(value))
        for element in islice(_ELEMENT.finditer(text), MOST_PAIRS)
        for name, value in islice(_PARAMETER.findall(element[2]), MOST_PAIRS)
    ]


def unescaped(text: str) -> str:
    """Return a text whose backslashes escape the character after them."""
    return _ESCAPE.sub(lambda match: _MEANT.get(match[1], match[1]), text) if "\\" in text else text
