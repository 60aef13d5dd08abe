"""The pattern of a text: what lines of one kind share once times, addresses, ids and numbers are masked.

A function of the text alone: no stream, no learning, no table to keep, so the pattern of a line is the same
in every run and on every machine, and `VERSION` says by which rules it was made. Drain (He et al., "Drain: an
online log parsing approach with fixed depth tree", ICWS 2017) masks first as well and then learns which words
vary; that second step needs a stream and lives in `templates`.
"""

import re
from functools import lru_cache
from sys import intern
from typing import NamedTuple

VERSION = 1
MOST_NUMBERS = 12  # values of a line; what comes after them is masked and not looked at
MOST_WORDS = 4096  # of a line; the rest is one word, and keeps the class of its length

_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = r"\d\d:\d\d(?::\d\d(?:[.,:]\d{1,9})?)?"
_TIME = re.compile(
    rf"(?<![0-9A-Za-z])(?:\d{{4}}[-/.]\d\d[-/.]\d\d(?:[T -](?:{_CLOCK}|\d\d\.\d\d\.\d\d(?:\.\d{{1,9}})?)"
    r"(?: ?[+-]\d\d(?::?\d\d)?(?!\d)| ?(?:Z|UTC|GMT)\b)?)?"
    rf"|\d\d/{_MONTH}/\d{{4}}:{_CLOCK}(?: [+-]\d{{4}})?"
    rf"|(?:[MTWFS][a-z]{{2}} )?{_MONTH} {{1,2}}\d\d? {_CLOCK}(?: \d{{4}}\b)?"
    r"|\d\d:\d\d:\d\d(?:[.,]\d{1,9})?)(?![0-9A-Za-z])",
    re.ASCII,
)
_IN_WORD = re.compile(
    r"(?<![0-9A-Za-z])(?:(?P<uuid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![0-9A-Za-z]))"
    r"|(?P<ip>\d{1,3}(?:\.\d{1,3}){3}(?![\d.]))"
    r"|(?P<ip6>(?:[0-9a-fA-F]{0,4}:){3,7}[0-9a-fA-F]{1,4}(?![0-9A-Za-z:]))"
    r"|(?P<number>\d{1,15}(?:\.\d{1,15})?(?![0-9A-Za-z]|\.\d)"
    r"|\d{1,15}\.\d{1,15}(?=[A-Za-z]{1,3}(?![0-9A-Za-z.])))"  # with a unit: `2.216ms`
    r"|(?P<word>(?=[A-Za-z]*[0-9])[0-9A-Za-z]+))",
    re.ASCII,
)
_ANSI = re.compile(r"(?:\x1b|\\x1b)\[[0-9;?]{0,32}[@-~]")
_NAMED_OR_WITH_UNIT = re.compile(r"([A-Za-z]*)([0-9]+)([A-Za-z]{0,3})", re.ASCII)  # `db5`, `117ms`
_LONG_HEX = re.compile(r"[0-9a-f]{8,}|[0-9A-F]{8,}|0[xX][0-9a-fA-F]+", re.ASCII)
_ORDINARY = 32  # characters of an id that say nothing by their length
_LONGEST = 4096  # characters, as of an event
_BEFORE_A_VALUE = "=(:,<\"'"  # or nothing: what stands before a number that is a value and not part of a name
_NO_NUMBERS: tuple[tuple[int, int], ...] = ()
_CACHED = 64  # characters: longer words rarely come twice

# Digits as zeros: texts that differ in digits alone have one shape, and the same places in it. Of bytes,
# which is ten times as fast as of a string.
_ZEROS = bytes.maketrans(b"123456789", b"000000000")


class Masked(NamedTuple):
    """A pattern as its `words`, and the values among them: (word, start, end) of each, by place in the
    text."""

    words: list[str]
    numbers: list[tuple[int, int, int]]


def shape_of(text: str) -> bytes:
    """Return the text with zeros for its digits, in UTF-8."""
    try:
        return text.encode().translate(_ZEROS)  # as nearly always, and three times as fast
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass").translate(_ZEROS)


def pattern_of(text: str) -> str:
    """Return the text with what varies masked, its white space single; '' for nothing but white space.

    `#` stands for a number, <time>, <ip> and <id> for theirs: `Jun 14 15:16:01 sshd[19939]: 3 of db5 in
    117ms` gives `<time> sshd[#]: # of db# in #ms`. An id longer than 32 characters keeps the class of its
    length, the next power of two: a payload in the place of an id is not usual. A list of ids is as one of
    them. Takes time linear in the length.
    """
    return " ".join(masked(text).words)


def masked(text: str) -> Masked:
    """Return the pattern of a text and where its values stand; the same for all of one shape (`shape_of`)."""
    if "\x1b" in text:
        text = _ANSI.sub(lambda found: " " * len(found.group()), text)
    shape = shape_of(text).decode("utf-8", "surrogatepass")
    out = Masked([], [])
    done = 0
    if "00:00" in shape or "00.00" in shape or "00-00" in shape or "00/00" in shape:
        for found in _TIME.finditer(text):
            done = _add(out, text, shape, done, found.start())
            _glue(out, text, done, "<time>")
            done = found.end()
    _add(out, text, shape, done, len(text))
    return out


def _add(out: Masked, text: str, shape: str, start: int, end: int) -> int:
    """Add the words of a part of the text that holds no time."""
    words, numbers = out
    part = shape[start:end]
    glued = start > 0 and bool(words) and not part[:1].isspace()
    raws, stripped = part.split(), part.strip()
    is_single = stripped == " ".join(raws)  # one space between words, as nearly always: nothing to look for
    place = start + part.index(stripped)
    for raw in raws:
        if not is_single:
            place = shape.index(raw, place)
        if len(words) >= MOST_WORDS:
            words[-1] = _of_length(end - place)
            break
        pattern, found = _word_cached(raw) if len(raw) <= _CACHED else _word(raw)
        if glued:
            words[-1] += pattern
            glued = False
        elif "<id>" not in pattern or not words or pattern != words[-1]:  # a list of ids is as one
            words.append(pattern)
        for first, last in found:
            if len(numbers) < MOST_NUMBERS:
                numbers.append((len(words) - 1, place + first, place + last))
        place += len(raw) + is_single
    return end


def _glue(out: Masked, text: str, at: int, mask: str) -> None:
    if at and not text[at - 1].isspace() and out.words:
        out.words[-1] += mask
    else:
        out.words.append(mask)


def _word(shape: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The pattern of one word by its shape, and where values begin and end in it."""
    if "0" not in shape:  # the digits of a shape that are ASCII are zeros
        return intern(shape), _NO_NUMBERS
    pieces, numbers, done = [], [], 0
    for found in _IN_WORD.finditer(shape):
        start, end = found.span()
        pieces.append(shape[done:start])
        kind, run = found.lastgroup, found.group()
        is_value = start == 0 or shape[start - 1] in _BEFORE_A_VALUE
        if kind == "number":
            pieces.append("#")
            if is_value:
                numbers.append((start, end))
        elif kind == "word":
            mask, value = _run(run)
            pieces.append(mask)
            if value and is_value:
                numbers.append((start, start + value))
        else:
            pieces.append("<id>" if kind == "uuid" else "<ip>")
        done = end
    pieces.append(shape[done:])
    return intern("".join(pieces)), tuple(numbers)


_word_cached = lru_cache(maxsize=32_768)(_word)


def _run(run: str) -> tuple[str, int]:
    """The mask of letters and digits in one run, and how many digits of it are a value with a unit."""
    found = _NAMED_OR_WITH_UNIT.fullmatch(run)
    if not found or _LONG_HEX.fullmatch(run) or len(found[2]) > _ORDINARY:
        return ("<id>" if len(run) <= _ORDINARY else _of_length(len(run))), 0
    has_unit = not found[1] and found[3] and len(found[2]) < 16
    return f"{found[1]}#{found[3]}", len(found[2]) if has_unit else 0


def _of_length(size: int) -> str:
    return f"<id{min(_LONGEST, 1 << (size - 1).bit_length())}>"
