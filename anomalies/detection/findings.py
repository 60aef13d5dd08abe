"""Findings: the results of a detector, with their evidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite

from .episodes import Episode, Line, Read
from .explain.report import explain, explain_in_detail
from .lines.patterns import pattern_of
from .parameters import Parameters
from .scoring.views import Candidate, Method

_MOST_SERIES = 4  # whose values are kept beside the text of a line

Values = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class ContextLine:
    """A line of the baseline: its number in the source and its text.

    Of a metric also `values`, the finite numbers of the series that depart, and their time `at`.
    """

    line: int
    text: str
    values: Values = ()
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A line of the window: `bits` is its code length given the baseline, `odd` whether that stands out.

    `values` and `at` as in `ContextLine`.
    """

    line: int
    text: str
    bits: float
    odd: bool
    values: Values = ()
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One episode: what departs in events that are no more than three windows apart, reported as one thing.

    The figures are those of its peak, the most significant alarm, over normalised text. `novelty` (0 to 1) is
    that of what departs most, and what was gated on: `views` names in what it departs, the first one first.
    `window_novelty` is that of the whole window by compression. `timestamp` is that of the first odd line, or
    the last one known before it; None where the log has none so far.
    `compression_*` are compressed/raw sizes, `compression_ratio_change` percent, entropies bits per byte.
    `baseline` holds the lines before the first window, `window` at most 200 lines of the episode (odd ones
    before others) in their order, `oddest_line` the number of the one that the explanation names first, and
    `pattern` its pattern (`lines.patterns`). `windows` counts the alarms, `history` the events that p was
    ranked among.
    `explanation` is what a person reads first: its first line is a headline. `is_significant` is False for
    one of the oddest windows of a day that were not flagged, which `review` says too. `is_provisional`: the
    stream's past was too short for p to be more than a first answer.
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
    views: tuple[str, ...] = ()
    pattern: str = ""

    @property
    def review(self) -> bool:
        """True where it was not flagged and is only offered for review."""
        return not self.is_significant


def finding_of(episode: Episode, parameters: Parameters, review: bool = False) -> Finding:
    """Return an episode as it leaves the room; `review`: one that was not flagged."""
    course = episode.course
    kept, figures, rarest = episode.kept(), course.peak.figures(), course.rarest
    ranked = episode.ranked()
    change = figures.window_ratio - figures.baseline_ratio
    series = list(dict.fromkeys(one.thing for one in ranked))[:_MOST_SERIES]
    return Finding(
        timestamp=_moment(episode, kept),
        first_line=course.first_line,
        last_line=course.last_line,
        ncd_score=figures.ncd,
        novelty=min(1.0, ranked[0].novelty),
        window_novelty=figures.novelty,
        p_value=rarest.p_value,
        p_value_method=rarest.method,
        history=rarest.compared,
        compression_baseline=figures.baseline_ratio,
        compression_window=figures.window_ratio,
        compression_combined=figures.combined_ratio,
        compression_ratio_change=change / figures.baseline_ratio * 100 if figures.baseline_ratio else 0.0,
        baseline_entropy=figures.baseline_entropy,
        window_entropy=figures.window_entropy,
        entropy_change=figures.window_entropy - figures.baseline_entropy,
        explanation=explain(episode, kept, parameters, review),
        detailed_explanation=explain_in_detail(episode, kept, figures),
        baseline=tuple(_context(line, series) for line in course.baseline),
        window=tuple(_evidence(read, series) for read in kept),
        windows=course.windows,
        oddest_line=ranked[0].odd,
        is_significant=not review,
        is_provisional=rarest.is_provisional,
        views=tuple(dict.fromkeys(one.view for one in ranked)),
        pattern=_pattern(ranked[0], kept),
    )


def _moment(episode: Episode, kept: Sequence[Read]) -> datetime | None:
    """Return the time of the first odd line, where it is kept, else of the event that began the episode."""
    begin = episode.course.first_line
    odd = next((read for read in kept if read.odd and read.line.event.number >= begin), None)
    return odd.line.known_time if odd else episode.course.flagged


def _pattern(candidate: Candidate, kept: Sequence[Read]) -> str:
    line = next((read.line for read in kept if read.line.event.number == candidate.odd), None)
    return line.normal if line else pattern_of(candidate.text)


def _context(line: Line, series: Sequence[str]) -> ContextLine:
    event, values = line.event, _values(line, series)
    return ContextLine(event.number, event.text, values, event.timestamp if values else None)


def _evidence(read: Read, series: Sequence[str]) -> Evidence:
    event, values = read.line.event, _values(read.line, series)
    return Evidence(
        event.number, event.text, read.surprise.bits, read.odd, values, event.timestamp if values else None
    )


def _values(line: Line, series: Sequence[str]) -> Values:
    """The finite values of some series in an event; none where it has no numbers."""
    return tuple((name, value) for name, value in line.event.values if name in series and isfinite(value))
