"""What a detector hands over."""

from dataclasses import dataclass
from datetime import datetime

from .episodes import Episode, Read
from .explain.report import explain, explain_in_detail
from .parameters import Parameters
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
    before others) in their order, `oddest_line` the number of the oddest. `windows` counts the flagged
    windows, `history` what p was ranked among.
    `explanation` is what a person reads first: its first line is a headline. `is_significant` is False for
    one of the oddest windows of a day that were not flagged, which `review` says too. `is_provisional`: p was
    found by shifts, since the stream's past was too short.
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
    oddest_line: int = 0
    is_significant: bool = True
    is_provisional: bool = False

    @property
    def review(self) -> bool:
        """Whether it was not flagged and is only offered for review."""
        return not self.is_significant


def finding_of(episode: Episode, parameters: Parameters, review: bool = False) -> Finding:
    """Return an episode as it leaves the room; `review`: one that was not flagged."""
    course = episode.course
    kept, figures, rarest = episode.kept(), course.peak.figures(), course.rarest
    change = figures.window_ratio - figures.baseline_ratio
    return Finding(
        timestamp=episode.first_odd.line.known_time,
        first_line=course.first_line,
        last_line=course.last_line,
        ncd_score=figures.ncd,
        novelty=course.peak.newest.news.share,
        window_novelty=figures.novelty,
        p_value=rarest.p_value,
        p_value_method=rarest.method,
        history=rarest.compared,
        compression_baseline=figures.baseline_ratio,
        compression_window=figures.window_ratio,
        compression_combined=figures.combined_ratio,
        compression_ratio_change=change / figures.baseline_ratio * 100,
        baseline_entropy=figures.baseline_entropy,
        window_entropy=figures.window_entropy,
        entropy_change=figures.window_entropy - figures.baseline_entropy,
        explanation=explain(episode, kept, parameters, review),
        detailed_explanation=explain_in_detail(episode, kept, figures),
        baseline=tuple(ContextLine(line.event.number, line.event.text) for line in course.baseline),
        window=tuple(_evidence(read) for read in kept),
        windows=course.windows,
        oddest_line=min((read for read in kept if read.odd), key=lambda read: read.rank).line.event.number,
        is_significant=not review,
        is_provisional=rarest.is_provisional,
    )


def _evidence(read: Read) -> Evidence:
    event = read.line.event
    return Evidence(event.number, event.text, read.surprise.bits, read.odd)
