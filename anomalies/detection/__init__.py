"""Events in, findings out.

The rule of this room: no Django, no database, no clock, no randomness, and no import but the standard library
and zstandard. The same events give the same findings, anywhere, so that whoever doubts one can run it again.

One module per stage: `formats` says how an input's lines are read (`records`, `tables`, `traces`), `events`
(with `timestamps`) makes a line safe to show, `normalising` masks what varies,
`surprise` gives code lengths, `memory` says what is news to the stream, `significance` how rare that is,
`compression` measures a window against its baseline, `episodes` merges what belongs together and names the
odd lines, `explaining` puts it into words,
`findings` is what leaves, and `detector` leads from one to the next. Why these and not others, with the
measurements: docs/detection.md.
"""

from .acknowledged import Acknowledged
from .coders import Kind
from .compression import byte_entropy, compressed_size, ncd, novelty
from .detector import Detector, detect
from .events import Event, event_from_line
from .findings import ContextLine, Evidence, Finding
from .formats import format_for, guess
from .lines import Format, FormatError, Skipped
from .normalising import normalise
from .parameters import Parameters
from .timestamps import TimestampReader

__all__ = [
    "Acknowledged",
    "ContextLine",
    "Detector",
    "Event",
    "Evidence",
    "Finding",
    "Format",
    "FormatError",
    "Kind",
    "Parameters",
    "Skipped",
    "TimestampReader",
    "byte_entropy",
    "compressed_size",
    "detect",
    "event_from_line",
    "format_for",
    "guess",
    "ncd",
    "normalise",
    "novelty",
]
