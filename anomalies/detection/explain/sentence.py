"""One sentence that an analyst can act on: what came, what was usual instead, what stopped."""

import re
from collections.abc import Sequence

from .missing_lines import Gone
from .nearest_line import Nearest

MOST = 200  # characters
_PHRASE = 60  # characters of a quoted piece
_WORDS = 40  # characters of words that changed
_LINE = 110  # characters of a line that stopped
_CLEARLY = 0.5  # alike: the same line but for a word or two, and what changed says it best
_CHANGES = 2  # words that are named as changed; more of them are another line
_ALL_CHANGES = 140  # characters for them, so that the line itself has room
_LEAST = 16  # characters of a message that are worth their room
# Times, words with a digit in them or masked, and a zone: what most logs begin a line with.
_DATE = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_MASKS = re.compile(r"(?:(?:<[a-z]+>|\[<time>\]|[0.:,-]+)\s+)+")
# A word with a quote, a brace or an equals sign in it is a part of the message itself, as in JSON.
_PREAMBLE = re.compile(
    rf"(?:(?:(?=[^\s\"{{=]*+(?:\s|$))(?=\S*?(?:\d|<(?:time|ip|uuid|hex)>))\S++"
    rf"|\[?{_DATE}(?= (?:{_DATE}|\d))|UTC|GMT|Z|-)\s++)+"
)
# How `normalising` masks, read backwards.
_NUMBER = re.compile(r"(?<![0-9])0(?![0-9])")
_BLOB = re.compile(r"<(blob[0-9]+) [0-9a-f]+>")
_STOOD_FOR = {
    "0": r"[0-9]++",
    "<ip>": r"[0-9a-fA-F.:]++",
    "<hex>": r"[0-9a-zA-Z]++",
    "<uuid>": r"[0-9a-fA-F-]++",
}
_MASK = re.compile(r"(?<![0-9])0(?![0-9])|<(?:ip|hex|uuid)>")


def sentence(
    message: str,
    place: str,
    count: int,
    events: int,
    near: Nearest | None,
    gone: Sequence[Gone] = (),
) -> str:
    """Return what to look at first, in 200 characters at most.

    `message` is the odd line as it stood in the log, '' where nothing but an absence is reported; it stands
    at the `place` and came `count` times. `events` is how many came before it and were compared, `near` the
    one most like it. In words of the baseline, which are normalised, # stands for any number.
    """
    stopped = _stopped(gone)
    message = message_of(message)
    if stopped and not message:
        return _cut(stopped[:1].upper() + stopped[1:], MOST)
    said = _said(message or "(an empty line)", place, count, events, near)
    both = f"{said.removesuffix('.')}; {stopped}"
    return both if stopped and len(both) <= MOST else said


def message_of(text: str) -> str:
    """Return a line without the times and numbers that it begins with, where more than those is left."""
    text = " ".join(text.split())
    return _without(_PREAMBLE, text)


def body_of(text: str) -> str:
    """Return a line as it stands without what it begins with (`message_of`)."""
    return _without(_PREAMBLE, text)


def _said(message: str, place: str, count: int, events: int, near: Nearest | None) -> str:
    where = f"({place})" if count == 1 else f"({place}, {_times(count)})"
    changed = _changed(near, message) if near else ""
    if changed:
        return _fit(f"{changed}: ", message, f" {where}.")
    came = f"” came {_times(count)}" if count > 1 else f"” ({place})"
    if near is None:
        return _fit("“", message, f"{came}; nothing like it in the {_before(events)}.")
    if near.similarity == 1:
        also = f"{came}, and in the" if count > 1 else f"{came} came in the"
        return _fit("“", message, f"{also} {_before(events)} too.")
    usual = _masked(message_of(near.text), _PHRASE)
    return _fit("“", message, f"{came}; nearest of the {_before(events)}: “{usual}”.")


def _changed(near: Nearest, message: str) -> str:
    """The difference from the usual line, '' where it is too large to be given as one."""
    replaced = list(dict.fromkeys(near.replaced))
    changes = len(replaced) + len(near.added) + len(near.missing)
    if near.similarity < _CLEARLY or not 0 < changes <= _CHANGES:
        return ""
    parts = [
        f"“{_written(now, message)}” where “{_masked(_whole(was), _WORDS)}” is usual" for was, now in replaced
    ]
    parts += [f"“{_written(now, message)}” added" for now in near.added]
    parts += [f"“{_masked(_whole(was), _WORDS)}” missing" for was in near.missing]
    said = " and ".join(parts)
    return said if len(said) <= _ALL_CHANGES else f"{parts[0]} and {len(parts) - 1} more"


def _stopped(gone: Sequence[Gone]) -> str:
    if not gone:
        return ""
    first = gone[0]
    every = "in nearly every event" if first.every < 1.5 else f"every {first.every:,.0f} events"
    more = f" (and {len(gone) - 1:,} more)" if len(gone) > 1 else ""
    # Its source stays: the same message from elsewhere may still come.
    text = _masked(_without(_MASKS, first.text), _LINE)
    return f"stopped: “{text}” came {every} and is missing for {first.absent:,}{more}."


def _masked(text: str, most: int) -> str:
    """Normalised words, a # for what stands for any number there, and nothing of a long text's digits."""
    return _cut(_NUMBER.sub("#", _BLOB.sub(r"<\1>", text)), most)


def _whole(words: str) -> str:
    """Words without the one quotation mark that opens or closes more than them."""
    return words.strip('"') or words if words.count('"') == 1 else words


def _written(words: str, message: str) -> str:
    """Normalised words of the message as they stand in it themselves, masked where that is not plain."""
    words = _whole(words)
    pattern = (
        _MASK.sub(lambda match: _STOOD_FOR[match.group()], re.escape(words)) if len(words) <= _WORDS else ""
    )
    found = re.findall(pattern, message) if pattern else []
    return _cut(found[0], _WORDS) if len(set(found)) == 1 else _masked(words, _WORDS)


def _fit(before: str, message: str, after: str) -> str:
    """The message takes the room that is left."""
    room = max(_LEAST, MOST - len(before) - len(after))
    return _cut(before + _cut(message, room) + after, MOST)


def _without(beginning: re.Pattern[str], text: str) -> str:
    match = beginning.match(text)
    return text[match.end() :] or text if match else text


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count) or f"{count:,} times"


def _before(events: int) -> str:
    return "event before" if events == 1 else f"{events:,} events before"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
