"""Events in, findings out.

The rule of this room: no Django, no database, no clock, no randomness, and no import but the standard
library, zstandard and `safe_text`. The same events give the same findings, anywhere, so that anyone can
repeat a run.

One room for each stage: `formats` and `events` make a line an event, safe to show; `lines` judges the events
of logs and LLM traffic by their views, `scoring` those of other kinds and what all share (`scoring.views`
is what they return); `significance` joins the p-values of the views, `episodes` merges what belongs
together, `review` keeps the oddest of what was not flagged, `acknowledged` is what must not be learnt;
`compression` gives the stored figures, `explain` writes the sentences, `findings` are the results,
`detector` runs the stages in order. Why these and not others: docs/detection.md.
"""

from .acknowledged import Acknowledged
from .compression import byte_entropy, compressed_size, ncd, novelty
from .detector import Detector, detect
from .events import Event, event_from_line
from .findings import ContextLine, Evidence, Finding
from .formats.base import Format, FormatError, Remark, Result, Skipped
from .formats.encodings import check_encoding
from .formats.framing import HEAD, Framing, framing_of
from .formats.kinds import GUESSED_FROM, HEAD_BYTES, format_for, guess
from .formats.times.timestamps import DateOrder, TimestampReader
from .lines.patterns import VERSION as PATTERN_VERSION
from .lines.patterns import pattern_of
from .parameters import Parameters, Thresholds
from .scoring.masking import normalise
from .scoring.scorers import Kind

__all__ = [
    "GUESSED_FROM",
    "HEAD",
    "HEAD_BYTES",
    "PATTERN_VERSION",
    "Acknowledged",
    "ContextLine",
    "DateOrder",
    "Detector",
    "Event",
    "Evidence",
    "Finding",
    "Format",
    "FormatError",
    "Framing",
    "Kind",
    "Parameters",
    "Remark",
    "Result",
    "Skipped",
    "Thresholds",
    "TimestampReader",
    "byte_entropy",
    "check_encoding",
    "compressed_size",
    "detect",
    "event_from_line",
    "format_for",
    "framing_of",
    "guess",
    "ncd",
    "normalise",
    "novelty",
    "pattern_of",
]
