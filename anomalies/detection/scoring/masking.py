"""The masking of what differs between any two lines: times, addresses, identifiers, numbers.

Without this a compressor spends its bits on digits: 1,999 distinct lines of a supercomputer's log become
320 (docs/detection.md).
"""

import re
from functools import lru_cache
from hashlib import sha256

_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = r"\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?"
# The colour and cursor commands of terminals, raw or as `event_from_line` shows them.
_ANSI = re.compile(r"(?:\x1b|\\x1b)\[[0-9;?]{0,32}[@-~]")
_TIME = re.compile(
    rf"(?<!\d)\d{{4}}[-/.]\d\d[-/.]\d\d[T -](?:{_CLOCK}|\d\d\.\d\d\.\d\d(?:\.\d{{1,9}})?)"
    r"(?: ?[+-]\d\d(?::?\d\d)?(?!\d)| ?(?:Z|UTC|GMT)\b)?"
    rf"|(?<!\d)\d\d/{_MONTH}/\d{{4}}:{_CLOCK}(?: [+-]\d{{4}})?"
    rf"|\b(?:[MTWFS][a-z]{{2}} )?{_MONTH} {{1,2}}\d\d? {_CLOCK}(?: \d{{4}}\b)?",
    re.ASCII,
)
# Lower case hexadecimal and upper case, never mixed: words like `Decade2` are words.
_HEX_RUN = r"(?<![0-9A-Za-z])(?:0[xX][0-9a-fA-F]+|[0-9a-f]{8,}|[0-9A-F]{8,})(?![0-9A-Za-z])"
_MASKED = re.compile(
    r"(?P<uuid>(?<![0-9a-fA-F])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![0-9a-fA-F]))"
    r"|(?P<ip>(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]))"
    r"|(?P<ip6>(?<![0-9A-Za-z:])(?:[0-9a-fA-F]{0,4}:){3,7}[0-9a-fA-F]{1,4}(?![0-9A-Za-z:]))"
    rf"|(?P<hex>{_HEX_RUN})"
    r"|(?P<digits>\d+)",
    re.ASCII,
)
_ANY_DIGIT = re.compile(r"[0-9]")
_ORDINARY = 32  # characters: the longest number or digest that says nothing by its length
_LONGEST = 4096  # characters, as of an event
_CACHED_WORD = 64  # characters: longer words rarely come twice and would make the cache's size unbounded


def normalise(text: str) -> str:
    """Return the line with what varies masked: `Jun 14 15:16:01 sshd[19939]` gives `<time> sshd[0]`.

    Terminal colours go, whitespace is one space, a line of nothing but whitespace gives ''. A run of
    hexadecimal or decimal digits longer than 32 keeps its length class, the next power of two up to 4,096,
    and becomes an incompressible text of that length, the same for all of the class. Takes time linear in
    the length of the line.
    """
    text = _TIME.sub("<time>", _ANSI.sub("", text))
    return " ".join([_word(word) for word in text.split()])


def _word(word: str) -> str:
    if not _ANY_DIGIT.search(word):
        return word
    return _mask_cached(word) if len(word) <= _CACHED_WORD else _mask(word)


def _mask(word: str) -> str:
    return _MASKED.sub(_replacement, word)


_mask_cached = lru_cache(maxsize=16_384)(_mask)


def _replacement(match: re.Match[str]) -> str:
    kind, run = match.lastgroup, match.group()
    if kind == "uuid":
        return "<uuid>"
    if kind in {"ip", "ip6"}:
        return "<ip>"
    if len(run) > _ORDINARY:
        return _blob(min(_LONGEST, 1 << (len(run) - 1).bit_length()))
    return "0" if run.isdecimal() else "<hex>"


@lru_cache(maxsize=16)
def _blob(size: int) -> str:
    # As long as its class and incompressible, so that a payload in a log of short lines costs what it weighs,
    # while one that comes in every line costs nothing. A bare mask hides it (docs/detection.md).
    digests = (sha256(f"{size} {part}".encode()).hexdigest() for part in range((size + 63) // 64))
    return f"<blob{size} {''.join(digests)[:size]}>"
