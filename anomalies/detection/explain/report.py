"""Say in plain words what was found: the glass box."""

from collections.abc import Sequence

from ..compression import Figures
from ..episodes import Episode, Read
from ..parameters import Parameters
from ..scoring.text_memory import FINE, News
from ..significance import Significance
from .costly_words import costly
from .missing_lines import disappeared
from .nearest_line import Nearest, Neighbours
from .sentence import message_of, sentence

_QUOTED = 160  # characters of a line
_NAMED = 3  # odd lines that are named at once
_CLOSELY = 5  # odd lines of which the dear words and the nearest line are told


def explain(episode: Episode, kept: Sequence[Read], parameters: Parameters, review: bool = False) -> str:
    """Return what a person reads first: one sentence, the odd lines, and both comparisons with a threshold.

    `review` is for a window that was not flagged: it says so.
    """
    odd = [read for read in kept if read.odd]
    by_oddness = sorted(odd, key=lambda read: read.rank)
    closely = {_number(read) for read in by_oddness[:_CLOSELY]}
    neighbours = Neighbours([line.normal for line in episode.course.baseline])
    lines = [line for read in odd for line in _odd_line(read, episode, neighbours, _number(read) in closely)]
    return "\n".join(
        [
            ("For review: " if review else "") + _headline(by_oddness[0], odd, episode, neighbours),
            *_also_odd(by_oddness, episode.course.odd_events),
            *lines,
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
        f"The {len(course.baseline):,} events before line {course.first_line:,} are that baseline. Bits, "
        "nearest lines and what is missing are computed anew for this text. What the window was judged by is "
        "not: there each line is held once, when it comes, against the last 100 and the last 2,000 events.",
        f"With {significance.compared:,} to compare with, p cannot be less than "
        f"{1 / (significance.compared + 1):.3g}.",
    ]
    sentences += _stopped(episode, kept)
    if left_out:
        sentences.append(
            f"{left_out:,} events of the episode are left out of the evidence, the least odd ones."
        )
    return "\n".join(sentences)


def _headline(oddest: Read, odd: Sequence[Read], episode: Episode, neighbours: Neighbours) -> str:
    """What happened comes first: a list shows the beginning of it, and has a column of its own for times."""
    line = oddest.line
    if line.news.why:
        return _why(oddest, episode)
    count = sum(read.line.normal == line.normal for read in odd)
    near = neighbours.nearest(line.normal)
    before = len(episode.course.baseline)
    message = message_of(line.event.scored) or "(an empty line)"
    return sentence(message, line.event.place, count, before, near)


def _why(read: Read, episode: Episode) -> str:
    """What a line was weighed by, and where that stands: a mean over points may lie in an earlier one."""
    number, place = read.line.news.where, read.line.event.place
    if number:
        known = (*episode.course.baseline, *(one.line for one in episode.course.reads))
        place = next((line.event.place for line in known if line.event.number == number), f"line {number:,}")
    what, semicolon, usual = read.line.news.why.partition("; ")
    return f"{what} ({place}){semicolon}{usual}"


def _also_odd(by_oddness: Sequence[Read], count: int) -> list[str]:
    others = [_number(read) for read in by_oddness[1:_NAMED]]
    more = count - 1 - len(others)
    if not others:
        return []
    return [f"Also odd: {', '.join(others)}" + (f" and {more:,} more." if more > 0 else ".")]


def _odd_line(read: Read, episode: Episode, neighbours: Neighbours, closely: bool) -> list[str]:
    """The line and its cost; of the oddest ones also where the cost lies, and what is usual instead."""
    place = read.line.event.place
    told = [f"{place.capitalize()} costs {_cost(read, episode.course.is_text)}: {_quote(read)}"]
    if read.line.news.why:
        told.append(f"   {_why(read, episode)}")
    if not episode.course.is_text:
        return told
    if closely:
        surprise = read.surprise
        dearest = costly(surprise.tokens, surprise.costs, line=read.line.normal)
        said = ", ".join(f"“{_short(token.text)}” {token.bits:,.0f}" for token in dearest)
        near = neighbours.nearest(read.line.normal)
        told += [f"   most of it: {said}"] if said else []
        told += [_nearest(near, episode)] if near else ["   nothing in the baseline is like it"]
    return told


def _nearest(near: Nearest, episode: Episode) -> str:
    usual = episode.course.baseline[near.index].event
    alike = f"{near.similarity:.0%} alike, {usual.place}"
    return f"   nearest before, {alike}: {_short(usual.scored, _QUOTED)}"


def _short(text: str, most: int = 40) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _stopped(episode: Episode, kept: Sequence[Read]) -> list[str]:
    """What came regularly in the baseline and not here. Logs change phase: an observation, not a test."""
    course = episode.course
    if not course.is_text or len(kept) < course.events:
        return []
    baseline, here = ([line.normal for line in course.baseline], [read.line.normal for read in kept])
    gone = disappeared(baseline, here, course.events)[:_NAMED]
    return [
        f"Regular before, missing here (an observation, no test): {_short(one.text, _QUOTED)} – about every "
        f"{one.every:,.0f} events before, none in {one.absent:,}."
        for one in gone
    ]


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
    if significance.method == "tail":
        return (
            said + "that is the chance that a day of this stream shows as much, by the tail of its own past."
        )
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
    text = read.line.event.scored.strip()
    return text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…"
