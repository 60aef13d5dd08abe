"""The explanation of a finding in plain words: what departed, the odd lines and both thresholds."""

import re
from collections.abc import Sequence

from ..compression import Figures
from ..episodes import Episode, Read
from ..parameters import Parameters
from ..scoring.views import Candidate, Method
from ..significance import Significance
from .costly_words import costly
from .nearest_line import Nearest, Neighbours
from .sentence import message_of, sentence

_QUOTED = 160  # characters of a line
_NAMED = 3  # odd lines that are named at once
_CLOSELY = 5  # odd lines of which the dear words and the nearest line are given
_MOST_LINES = 20  # odd lines that are listed
_USUAL = re.compile("; (?=usual |at most |the longest |between )")
_TEXT = "text"  # the view of new words


def explain(episode: Episode, kept: Sequence[Read], parameters: Parameters, review: bool = False) -> str:
    """Return what a person reads first: one sentence, what else departs, the odd lines, both thresholds.

    `review` is for a window that was not flagged: it says so.
    """
    ranked = episode.ranked()
    neighbours = Neighbours([line.normal for line in episode.course.baseline])
    odd = [read for read in kept if read.odd]
    headline = _headline(ranked[0], odd, episode, neighbours)
    return "\n".join(
        [
            ("For review: " if review else "") + headline,
            *_also(ranked[1:], episode),
            *_also_odd(ranked[0].odd, odd, max(len(odd), len(episode.course.odd))),
            *_odd_lines(odd, episode, neighbours),
            *([_for_review(parameters)] if review else []),
            _novelty(ranked[0], episode.course.rarest.method, parameters),
            _p_value(episode.course.rarest, ranked, parameters),
        ]
    )


def explain_in_detail(episode: Episode, kept: Sequence[Read], figures: Figures) -> str:
    """Return where every figure comes from, what was left out, and what the figures cannot say."""
    course = episode.course
    peak = course.peak.lines
    left_out = course.events - len([read for read in kept if read.line.event.number >= course.first_line])
    sentences = [
        f"The episode spans lines {course.first_line:,} to {course.last_line:,}: {_alarms(course.windows)}, "
        f"{course.events:,} events, {len(course.odd):,} of them named by a view.",
        *(f"View “{one.view}”: {_figures(one, course.rarest.method)}" for one in episode.ranked()),
        f"The figures are those of its peak, lines {peak[0].event.number:,} to {peak[-1].event.number:,}, "
        "and of the events before it. Times, addresses, identifiers and numbers were masked first.",
        f"Compressed by zstandard, level 3, the baseline takes {figures.baseline_ratio:.1%} of its size, the "
        f"window {figures.window_ratio:.1%}, both together {figures.combined_ratio:.1%}.",
        f"The window holds {figures.window_entropy:.2f} bits per byte, the baseline "
        f"{figures.baseline_entropy:.2f}. NCD is {figures.ncd:.2f}, and after the baseline the whole window "
        f"costs {figures.novelty:.0%} of what it costs alone. Neither is what it was judged by.",
        "A line's bits are its code length for a reader who knows the baseline: words seen in the same "
        "place cost little, unknown words are spelled out. "
        f"The {len(course.baseline):,} events before line {course.first_line:,} are that baseline.",
    ]
    if left_out > 0:
        sentences.append(
            f"{left_out:,} events of the episode are left out of the evidence; odd ones stay first."
        )
    return "\n".join(sentences)


def _headline(first: Candidate, odd: Sequence[Read], episode: Episode, neighbours: Neighbours) -> str:
    """Return the first sentence. It begins with what happened: lists show its beginning, and times apart."""
    read = next((one for one in odd if one.line.event.number == first.odd), None)
    if not first.said and read:
        line = read.line
        count = sum(one.line.normal == line.normal for one in odd)
        message = message_of(line.event.scored) or "(an empty line)"
        near = neighbours.nearest(line.normal)
        return sentence(message, line.event.place, count, len(episode.course.baseline), near)
    return _said(first, episode)


def _said(candidate: Candidate, episode: Episode) -> str:
    """Return the sentence of a view, with the place of what it quotes."""
    said = candidate.said
    cut = _end_of_text(said) if episode.course.is_text else _end_of_value(said, candidate.thing)
    return f"{said[:cut]} ({_places(candidate, episode)}){said[cut:]}"


def _end_of_text(said: str) -> int:
    """Before the last words on what is usual: a quoted line may hold the same words."""
    usual = [match.start() for match in _USUAL.finditer(said)]
    return usual[-1] if usual else len(said)


def _end_of_value(said: str, thing: str) -> int:
    """Behind the first clause, which has the value; the name before it may hold a semicolon."""
    end = said.find("; ", len(thing) if said.startswith(thing) else 0)
    return end if end >= 0 else len(said)


def _places(candidate: Candidate, episode: Episode) -> str:
    """The place of what is quoted; of a log also from where to where it shows, which a metric says as a
    span of time."""
    place = episode.place(candidate.odd)
    if len(candidate.lines) < 2 or not episode.course.is_text:
        return place
    return f"{place}; {place.split()[0]}s {candidate.lines[0]:,} to {candidate.lines[-1]:,}"


def _also(others: Sequence[Candidate], episode: Episode) -> list[str]:
    """Return the sentences of the other views, once each."""
    said = dict.fromkeys(f"Also: {_said(one, episode)}." for one in others if one.said)
    return list(said)[:_NAMED]


def _also_odd(first: int, odd: Sequence[Read], count: int) -> list[str]:
    others = [read.line.event.number for read in odd if read.line.event.number != first][: _NAMED - 1]
    more = count - 1 - len(others)
    if not others:
        return []
    named = ", ".join(f"{number:,}" for number in others)
    return [f"Also odd: {named}" + (f" and {more:,} more." if more > 0 else ".")]


def _odd_lines(odd: Sequence[Read], episode: Episode, neighbours: Neighbours) -> list[str]:
    """The odd lines and their costs; of the dearest also where the cost lies, and what is usual instead."""
    dearest = sorted(odd, key=lambda read: (-read.surprise.rate, read.line.event.number))
    closely = {read.line.event.number for read in dearest[:_CLOSELY]}
    described: list[str] = []
    for read in odd[:_MOST_LINES]:
        number = read.line.event.number
        place = read.line.event.place.capitalize()
        described.append(f"{place} costs {_cost(read, episode.course.is_text)}: {_quote(read)}")
        if episode.course.is_text and number in closely:
            described += _close_look(read, episode, neighbours)
    return described


def _close_look(read: Read, episode: Episode, neighbours: Neighbours) -> list[str]:
    surprise = read.surprise
    dearest = costly(surprise.tokens, surprise.costs, line=read.line.normal)
    said = ", ".join(f"“{_short(token.text)}” {token.bits:,.0f}" for token in dearest)
    near = neighbours.nearest(read.line.normal)
    costs = [f"   most of it: {said}"] if said else []
    return costs + ([_nearest(near, episode)] if near else ["   nothing in the baseline is like it"])


def _nearest(near: Nearest, episode: Episode) -> str:
    usual = episode.course.baseline[near.index].event
    alike = f"{near.similarity:.0%} alike, {usual.place}"
    return f"   nearest before, {alike}: {_short(usual.scored, _QUOTED)}"


def _for_review(parameters: Parameters) -> str:
    return (
        f"For review, not significant: one of the {parameters.review_per_day} oddest windows of its day that "
        "were not flagged. That it is here says nothing about chance."
    )


def _novelty(first: Candidate, method: Method, parameters: Parameters) -> str:
    threshold = parameters.ncd_threshold
    reaches = "reaches" if first.novelty >= threshold else "is below"
    return f"Novelty {first.novelty:.3f} {reaches} the threshold {threshold:g}: {_new_part(first, method)}."


def _new_part(candidate: Candidate, method: Method) -> str:
    if method == "tail":
        return "the share of its bits that is beyond what half of the past of this series shows"
    if candidate.view == _TEXT:
        return "the share of the line that is new to this stream, in its places"
    return f"the part that is beyond all that the {candidate.view} view saw of the same thing before"


def _p_value(significance: Significance, ranked: Sequence[Candidate], parameters: Parameters) -> str:
    threshold = parameters.p_value_threshold
    below = "is below" if significance.p_value < threshold else "is not below"
    said = f"p = {significance.p_value:.4f} {below} the threshold {threshold:g}: "
    if significance.method == "tail":
        return f"{said}the chance that a day of this stream shows as much, by the tails of its own past."
    views = " and ".join(dict.fromkeys(f"“{one.view}”" for one in ranked))
    said += f"the views of this stream together, of which {views} spoke, ranked in its own past"
    if significance.is_provisional:
        return f"{said}. Provisional: that past has {significance.compared:,} events so far."
    return f"{said} of up to {significance.compared:,} events."


def _figures(candidate: Candidate, method: Method) -> str:
    if method == "tail":
        novelty = f"novelty {candidate.novelty:.2f}"
        return f"{candidate.bits:,.1f} bits beyond what half of the past shows, {novelty}."
    return (
        f"p = {candidate.p_value:.2g} alone, {candidate.bits:,.1f} bits beyond the record, novelty "
        f"{candidate.novelty:.2f}."
    )


def _alarms(count: int) -> str:
    return "one alarm" if count == 1 else f"{count:,} alarms that are no more than three windows apart"


def _short(text: str, most: int = 40) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _cost(read: Read, is_text: bool) -> str:
    rate = f" ({read.surprise.rate:.1f} per byte)" if is_text else ""
    return f"{read.surprise.bits:,.0f} bits{rate}"


def _quote(read: Read) -> str:
    text = read.line.event.scored.strip()
    return text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…"
