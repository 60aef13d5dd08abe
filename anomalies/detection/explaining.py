"""Say in plain words what was found: the glass box."""

import re
from collections.abc import Sequence

from .compression import Figures
from .episodes import Episode, Read
from .memory import FINE, News
from .parameters import Parameters
from .significance import Significance

_QUOTED = 160  # characters of a line
# Words with a digit in them, and a zone: what most logs begin a line with.
_PREAMBLE = re.compile(r"^(?:\S*\d\S*\s+|(?:UTC|GMT|Z)\s+)+")
_NAMED = 3  # lines in the headline


def explain(episode: Episode, kept: Sequence[Read], parameters: Parameters, review: bool = False) -> str:
    """Return what a person reads first: a headline, the odd lines, and both comparisons with a threshold.

    `review` is for a window that was not flagged: it says so.
    """
    odd = [read for read in kept if read.odd]
    return "\n".join(
        [
            _headline(episode, odd),
            *[
                f"Line {_number(read)} costs {_cost(read, episode.course.is_text)}: {_quote(read)}"
                for read in odd
            ],
            *([_for_review(parameters)] if review else []),
            _novelty(episode, parameters),
            _p_value(episode.course.rarest, parameters),
        ]
    )


def explain_in_detail(episode: Episode, kept: Sequence[Read], figures: Figures) -> str:
    """Return where every figure comes from, what was left out, and what the figures cannot say."""
    course = episode.course
    significance = course.rarest
    peak = course.peak.lines
    left_out = course.events - len(kept)
    sentences = [
        f"The episode spans lines {course.first_line:,} to {course.last_line:,}: "
        f"{_windows(course.windows)}, {course.events:,} events, {_odd_lines(course.odd_events)}.",
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
        f"The {len(course.baseline):,} events before line {course.first_line:,} are that baseline. Both are "
        "computed anew for this text. What the window was judged by is not: there each line is held once, "
        "when it comes, against the last 100 and the last 2,000 events.",
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
    more = episode.course.odd_events - len(oddest)
    also = f"; also odd: {', '.join(others)}" if others else ""
    also += f" and {more:,} more" if more > 0 else ""
    return f"{_message(oddest[0])} (line {_number(oddest[0])}{also})"


def _message(read: Read) -> str:
    """What a coder says of it, or the line without the times and numbers that it begins with, where more
    than those is left."""
    text = _quote(read)
    return read.line.news.why or _PREAMBLE.sub("", text) or text


def _for_review(parameters: Parameters) -> str:
    return (
        f"For review, not significant: one of the {parameters.review_per_day} oddest windows of its day that "
        "were not flagged. That it is here says nothing about chance."
    )


def _novelty(episode: Episode, parameters: Parameters) -> str:
    newest = episode.course.peak.newest
    if not episode.course.is_text:
        return _excess(newest.news, parameters)
    share, threshold = newest.news.share, parameters.ncd_threshold
    return (
        f"Novelty {share:.3f} {'reaches' if share >= threshold else 'stays under'} the threshold "
        f"{threshold:g}: {share:.0%} of line {newest.event.number:,} is text that this stream has not shown "
        f"in that place within the {newest.news.events:,} events before it."
    )


def _excess(news: News, parameters: Parameters) -> str:
    share, threshold = news.share, parameters.ncd_threshold
    return (
        f"Novelty {share:.3f} {'reaches' if share >= threshold else 'stays under'} the threshold "
        f"{threshold:g}: of the {news.weight / FINE:.1f} bits that the oddest event weighs, {share:.0%} are "
        "beyond what is usual in this stream."
    )


def _p_value(significance: Significance, parameters: Parameters) -> str:
    threshold, reached = parameters.p_value_threshold, significance.reached
    below = "is below" if significance.p_value < threshold else "is not below"
    said = f"p = {significance.p_value:.4f} {below} the threshold {threshold:g}: "
    if significance.is_provisional:
        return said + (
            f"of the circular shifts of these events ({significance.compared:,}), {reached or 'none'} held "
            "as much that was new or more. Provisional: the stream has shown too few windows to rank it by."
        )
    newest = significance.newest_reached
    return said + (
        f"of the windows before it in this stream ({significance.compared:,}), {reached or 'none'} held as "
        f"much that was new or more in all, and {newest or 'none'} in the newest line."
    )


def _windows(count: int) -> str:
    return "one flagged window" if count == 1 else f"{count:,} flagged windows that overlap or touch"


def _odd_lines(count: int) -> str:
    return (
        f"{count:,} of them odd: new to the stream, or the same as one that was, and dearer per "
        "byte than 19 in 20 lines of the baseline, or the newest line of a flagged window"
    )


def _number(read: Read) -> str:
    return f"{read.line.event.number:,}"


def _cost(read: Read, is_text: bool) -> str:
    rate = f" ({read.surprise.rate:.1f} a byte)" if is_text else ""
    return f"{read.surprise.bits:,.0f} bits{rate}"


def _quote(read: Read) -> str:
    text = read.line.event.text.strip()
    return text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…"
