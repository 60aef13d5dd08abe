"""What kind of stream a file holds, and how its lines become events.

One event a line. The first lines decide, or who says so: logs (plain, syslog, JSON lines), metrics (CSV or
JSON with a time and numbers), traces (an id and its steps, CSV or JSON), llm (JSON with long texts).
"""

import re
from collections.abc import Sequence
from typing import Any, Protocol, get_args

from .coders import Kind
from .events import Event, Skipped, event_from_line
from .records import JSONLogs, JSONMetrics, JSONTexts, JSONTraces
from .tables import CSVMetrics, CSVTraces
from .timestamps import TimestampReader

HEAD = 100  # lines that are looked at
_UTF16 = {b"\xff\xfe": "UTF-16LE", b"\xfe\xff": "UTF-16BE"}
_UTF32 = {b"\xff\xfe\x00\x00": "UTF-32LE", b"\x00\x00\xfe\xff": "UTF-32BE"}
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


class FormatError(ValueError):
    """These lines can't be read as they should be; the message says why and what to do."""


class Format(Protocol):
    """Reads the lines of one stream. `notes` says once what of them is not looked at."""

    kind: Kind
    notes: tuple[str, ...]

    def read(self, number: int, raw: bytes, full_length: int) -> Event | Skipped | None:
        """Return a line's event; None for one that holds none (empty, a header), Skipped for a bad one."""


class PlainLogs:
    """Lines of text, whatever they say."""

    kind: Kind = "logs"
    notes: tuple[str, ...] = ()

    def __init__(self, clock: TimestampReader) -> None:
        self._clock = clock

    def read(self, number: int, raw: bytes, full_length: int) -> Event | Skipped | None:
        return event_from_line(number, raw, full_length, self._clock) if raw.strip() else None


class PlainTexts(PlainLogs):
    """LLM traffic as lines of text."""

    kind: Kind = "llm"


def format_of(head: Sequence[bytes], clock: TimestampReader, kind: Kind | None = None) -> Format:
    """Return how a stream that begins with these lines (100 are enough) is read; `kind` is told or guessed.

    Raises FormatError for what is no text, and for lines that the kind can't be made of.
    """
    lines = [line for line in head[:HEAD] if line.strip()]
    _check_encoding(b"\n".join(head[:HEAD])[:65_536])
    if kind is None:
        found = _guess(lines, clock)
    else:
        found = next((made for one in _OF_KIND[kind] if (made := one.fitting(lines, clock))), None)
        if found is None and kind in ("metrics", "traces") and lines:
            raise FormatError(f"no {kind}: {_WANTED[kind]}; the first line is {_shown(lines[0])}")
    if found is None:
        return PlainTexts(clock) if kind == "llm" else PlainLogs(clock)
    return found


def _guess(lines: Sequence[bytes], clock: TimestampReader) -> Format | None:
    if len(lines) < 2:
        return None
    ways = (one for kind in _OF_KIND.values() for one in kind)
    return next((made for one in ways if (made := one.fitting(lines, clock))), None)


_OF_KIND: dict[Kind, tuple[Any, ...]] = {
    "traces": (JSONTraces, CSVTraces),
    "llm": (JSONTexts,),
    "metrics": (JSONMetrics, CSVMetrics),
    "logs": (JSONLogs,),
}
assert set(_OF_KIND) == set(get_args(Kind))
_WANTED = {
    "metrics": "it takes CSV or JSON lines with a time and at least one number in each",
    "traces": 'it takes an id and its steps a line: CSV, 7,"open read close", or JSON with an id and "steps"',
}


def _check_encoding(sample: bytes) -> None:
    for mark, name in (*_UTF32.items(), *_UTF16.items()):
        if sample.startswith(mark):
            raise FormatError(f"it is {name}, and must be UTF-8: {_fix(name)}")
    if not sample:
        return
    zeros = sample.count(0) / len(sample)
    if 0.3 < zeros < 0.6 and len(set(sample[::2])) != len(set(sample[1::2])):
        name = "UTF-16BE" if sample[::2].count(0) > sample[1::2].count(0) else "UTF-16LE"
        raise FormatError(f"it looks like {name}, and must be UTF-8: {_fix(name)}")
    if zeros > 0.1 or len(_CONTROL.findall(sample)) > 0.05 * len(sample):
        raise FormatError("it is binary, no text; what can be read are lines of text, plain, gzip or zstd")


def _fix(name: str) -> str:
    return f"iconv -f {name} -t UTF-8 FILE > NEW"


def _shown(line: bytes) -> str:
    text = line[:80].decode("utf-8", "backslashreplace").strip()
    return repr(text + ("…" if len(line) > 80 else ""))
