"""Events in, findings out.

The rule of this room: no Django, no database, no clock, no randomness, and no import but the standard
library, zstandard and `safe_text`. The same events give the same findings, anywhere, so that whoever doubts
one can run it again.

One module per stage: `formats` (with `lines`, `records`, `tables`, `traces`, `encodings`, `timestamps`,
`timeformat` and `events`) makes a line an event, safe to show; `coders` scores it, by its kind:
`normalising`, `tokens` and `memory` for text, `numeric` for metrics, `sessions` for traces; `significance`
says how rare a window is, `compression` measures it against its baseline, `episodes` merges what belongs
together and names the odd lines by `surprise`, `review` keeps the oddest of what was not flagged,
`acknowledged` is what must not be learnt; `explaining` (with `saying`, `costly`, `contrast` and `absence`)
puts it into words, `findings` is what leaves, `detector` leads from one to the next. Why these and not
others: docs/detection.md.
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
from .parameters import Parameters, Thresholds
from .scoring.masking import normalise
from .scoring.scorers import Kind

__all__ = [
    "GUESSED_FROM",
    "HEAD",
    "HEAD_BYTES",
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
]
