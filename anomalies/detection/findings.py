"""What a detector hands over."""

from dataclasses import dataclass
from datetime import datetime

from .significance import Method


@dataclass(frozen=True, slots=True)
class ContextLine:
    """A line of the baseline: its number in the source and its text."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """A line of the window: `bits` is its code length given the baseline, `odd` whether that stands out."""

    line: int
    text: str
    bits: float
    odd: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """One episode: flagged windows that overlap or touch, told as one thing.

    The figures are those of its peak, the window with the newest line, over normalised text. `novelty` (0 to
    1) is the share of that line's text that the stream had not shown in that place, and what was gated on;
    `window_novelty` is that of the whole window by compression. `timestamp` is that of the first odd line, or
    the last one known before it; None where the log has none so far.
    `compression_*` are compressed/raw sizes, `compression_ratio_change` percent, entropies bits per byte.
    `baseline` holds the lines before the first window, `window` at most 200 lines of the episode (odd ones
    before others) in their order. `windows` counts the flagged windows, `history` what p was ranked among.
    `explanation` is what a person reads first: its first line is a headline.
    """

    timestamp: datetime | None
    first_line: int
    last_line: int
    ncd_score: float
    novelty: float
    window_novelty: float
    p_value: float
    p_value_method: Method
    history: int
    compression_baseline: float
    compression_window: float
    compression_combined: float
    compression_ratio_change: float
    baseline_entropy: float
    window_entropy: float
    entropy_change: float
    explanation: str
    detailed_explanation: str
    baseline: tuple[ContextLine, ...]
    window: tuple[Evidence, ...]
    windows: int
