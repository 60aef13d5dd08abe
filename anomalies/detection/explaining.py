"""Say in plain words what was found: the glass box."""

import re
from collections.abc import Sequence

from .episodes import Episode, Read
from .parameters import Parameters
from .significance import Significance

_QUOTED = 160  # characters of a line
# Words with a digit in them, and a zone: what most logs begin a line with.
_PREAMBLE = re.compile(r"^(?:\S*\d\S*\s+|(?:UTC|GMT|Z)\s+)+")
_NAMED = 3  # lines in the headline


def explain(episode: Episode, kept: Sequence[Read], parameters: Parameters) -> str:
    """Return what a person reads first: a headline, the odd lines, and both comparisons with a threshold."""
    odd = [read for read in kept if read.odd]
    return "\n".join(
        [
            _headline(episode, odd),
            *[f"Line {_number(read)} costs {_cost(read)}: {_quote(read)}" for read in odd],
            _novelty(episode, parameters),
            _p_value(episode.rarest, parameters),
        ]
    )


def explain_in_detail(episode: Episode, kept: Sequence[Read]) -> str:
    """Return where every figure comes from, what was left out, and what the figures cannot say."""
    figures, significance = episode.peak.figures, episode.rarest
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
        f"{figures.baseline_entropy:.2f}. NCD is {figures.ncd:.2f}, and after the baseline the whole window "
        f"costs {figures.novelty:.0%} of what it costs alone. Neither is what it was judged by: NCD is high "
        "wherever a baseline is much longer than the window, and one new line is lost among nine known ones.",
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
    """What happened comes first: a list shows the beginning of it, and has a column of its own for times."""
    oddest = sorted(odd, key=lambda read: read.rank)[:_NAMED]
    others = [_number(read) for read in oddest[1:]]
    more = episode.odd_events - len(oddest)
    also = f"; also odd: {', '.join(others)}" if others else ""
    also += f" and {more:,} more" if more > 0 else ""
    return f"{_message(oddest[0])} (line {_number(oddest[0])}{also})"


def _message(read: Read) -> str:
    """A line without the times and numbers that it begins with, where more than those is left."""
    text = _quote(read)
    return _PREAMBLE.sub("", text) or text


def _novelty(episode: Episode, parameters: Parameters) -> str:
    newest = episode.peak.newest
    return (
        f"Novelty {newest.news.share:.3f} reaches the threshold {parameters.ncd_threshold:g}: "
        f"{newest.news.share:.0%} of line {newest.event.number:,} is text that this stream has not shown in "
        f"that place within the {newest.news.events:,} events before it."
    )


def _p_value(significance: Significance, parameters: Parameters) -> str:
    among = {
        "conformal": f"windows before it in this stream ({significance.compared:,})",
        "circular shifts": f"circular shifts of these events ({significance.compared:,}; few windows so far)",
    }[significance.method]
    reached = round(significance.p_value * (significance.compared + 1)) - 1
    return (
        f"p = {significance.p_value:.4f} is below the threshold {parameters.p_value_threshold:g}: "
        f"of the {among}, {reached or 'none'} held as much that was new or more."
    )


def _windows(count: int) -> str:
    return "one flagged window" if count == 1 else f"{count:,} flagged windows that overlap or touch"


def _odd_lines(episode: Episode) -> str:
    return (
        f"{episode.odd_events:,} of them odd: new to the stream, or the same as one that was, and dearer per "
        "byte than 19 in 20 lines of the baseline, or the newest line of a flagged window"
    )


def _number(read: Read) -> str:
    return f"{read.line.event.number:,}"


def _cost(read: Read) -> str:
    return f"{read.surprise.bits:,.0f} bits ({read.surprise.rate:.1f} a byte)"


def _quote(read: Read) -> str:
    text = read.line.event.text.strip()
    return text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…"
