"""Say in plain words what was found: the glass box."""

from collections.abc import Sequence

from .episodes import Episode, Read
from .parameters import Parameters
from .significance import Significance

_QUOTED = 160  # characters of a line
_NAMED = 3  # lines in the headline


def explain(episode: Episode, kept: Sequence[Read], parameters: Parameters) -> str:
    """Return what a person reads first: a headline, the odd lines, and both comparisons with a threshold."""
    odd = [read for read in kept if read.odd]
    return "\n".join(
        [
            _headline(episode, odd),
            *[f"Line {_number(read)} costs {_cost(read)}: {_quote(read)}" for read in odd],
            _novelty(episode, parameters),
            _p_value(episode.peak.significance, parameters),
        ]
    )


def explain_in_detail(episode: Episode, kept: Sequence[Read]) -> str:
    """Return where every figure comes from, what was left out, and what the figures cannot say."""
    figures, significance = episode.peak.figures, episode.peak.significance
    peak = episode.peak.lines
    left_out = episode.events - len(kept)
    sentences = [
        f"The episode spans lines {episode.first_line:,} to {episode.last_line:,}: "
        f"{_windows(episode.windows)}, {episode.events:,} events, {_odd_lines(episode)}.",
        f"The figures are those of its peak, the window of lines {peak[0].event.number:,} to "
        f"{peak[-1].event.number:,}, and of the events before it. Times, addresses, identifiers and numbers "
        "were masked before anything was measured.",
        f"Compressed by zstandard, level 3, the baseline takes {figures.baseline_ratio:.1%} of its size, the "
        f"window {figures.window_ratio:.1%}, both together {figures.combined_ratio:.1%}.",
        f"The window holds {figures.window_entropy:.2f} bits per byte, the baseline "
        f"{figures.baseline_entropy:.2f}. NCD is {figures.ncd:.2f}; it is high wherever a baseline is much "
        "longer than the window, so windows are judged by novelty.",
        "A line's bits are its code length for a reader who knows the baseline: words seen in the same "
        "place cost little, unknown words are spelled out. "
        f"The {len(episode.baseline):,} events before line {episode.first_line:,} are that baseline.",
        f"With {significance.compared:,} to compare with, p cannot be less than "
        f"{1 / (significance.compared + 1):.3g}.",
    ]
    if left_out:
        sentences.append(
            f"{left_out:,} events of the episode are left out of the evidence, the least odd ones."
        )
    return "\n".join(sentences)


def _headline(episode: Episode, odd: Sequence[Read]) -> str:
    oddest = sorted(odd, key=lambda read: read.rank)[:_NAMED]
    numbers = ", ".join(_number(read) for read in oddest)
    span = f"lines {episode.first_line:,}–{episode.last_line:,}"
    if len(odd) == 1:
        return f"Line {numbers} stands out in {span}: {_quote(oddest[0])}"
    lead = (
        f"Lines {numbers}" if len(odd) <= _NAMED else f"{episode.odd_events:,} lines, most of all {numbers},"
    )
    return f"{lead} stand out in {span}: {_quote(oddest[0])}"


def _novelty(episode: Episode, parameters: Parameters) -> str:
    novelty = episode.peak.figures.novelty
    return (
        f"Novelty {novelty:.3f} reaches the threshold {parameters.ncd_threshold:g}: after the "
        f"{parameters.baseline_size:,} events before it, the window still costs {novelty:.0%} of what it "
        "costs alone."
    )


def _p_value(significance: Significance, parameters: Parameters) -> str:
    among = {
        "conformal": f"windows before it in this stream ({significance.compared:,})",
        "circular shifts": f"circular shifts of these events ({significance.compared:,}; few windows so far)",
    }[significance.method]
    reached = round(significance.p_value * (significance.compared + 1)) - 1
    return (
        f"p = {significance.p_value:.4f} is below the threshold {parameters.p_value_threshold:g}: "
        f"of the {among}, {reached or 'none'} had as much novelty or more."
    )


def _windows(count: int) -> str:
    return "one flagged window" if count == 1 else f"{count:,} flagged windows that overlap or touch"


def _odd_lines(episode: Episode) -> str:
    if episode.odd_events:
        return f"{episode.odd_events:,} of which cost more per byte than 19 in 20 baseline lines did"
    return "none of which stands out against the baseline by itself, so the dearest is named"


def _number(read: Read) -> str:
    return f"{read.line.event.number:,}"


def _cost(read: Read) -> str:
    return f"{read.surprise.bits:,.0f} bits ({read.surprise.rate:.1f} a byte)"


def _quote(read: Read) -> str:
    text = read.line.event.text.strip()
    return text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…"
