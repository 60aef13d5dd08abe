"""The line of the baseline that is most like an odd line, and the difference between the two.

Likeness is the weight of the longest common subsequence of two lines' tokens as a share of the weight of
both. A token weighs the more the fewer lines of the baseline hold it, so that a preamble that all lines share
makes no two of them alike; punctuation weighs little.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..scoring.token_model import tokenise
from .costly_words import spans

LIKE = 0.35  # what is less alike is nothing like it
_COMPARED = 8  # candidates that are compared in full
_MIDDLE = 48  # tokens of two lines that are compared one by one, beside the ends that they share
_COMMON = 0.75  # of its weight a token loses that every line holds
_PUNCTUATION = 0.25  # of a word's weight
PIECE = re.compile(r"[^\s,;&(){}\[\]]+")  # the unit of a difference: `status=500`, never half of it
_PLAIN = re.compile(r"[\d\W_]*")  # a piece without a letter says nothing without the word before it

Pairs = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Nearest:
    """The line of the baseline most like another one: its index there from 0, text and likeness, 0 to 1.

    `replaced` are the usual words and those in their place, `added` the words that only the odd line has,
    `missing` those that only the usual one has.
    """

    index: int
    text: str
    similarity: float
    replaced: tuple[tuple[str, str], ...] = ()
    added: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def nearest(line: str, baseline: Sequence[str]) -> Nearest | None:
    """Return the normalised line of the baseline that is most like this one, None where none is like it.

    Of equally like ones the earliest. Reads the whole baseline: for several lines make one `Neighbours`.
    """
    return Neighbours(baseline).nearest(line)


class Neighbours:
    """A baseline of normalised lines, read once, that says which of them is most like a line."""

    def __init__(self, baseline: Sequence[str]) -> None:
        self._first: dict[str, int] = {}
        for index, text in enumerate(baseline):
            self._first.setdefault(text, index)
        self._tokens = {text: tokenise(text) for text in self._first}
        self._bags = {text: Counter(tokens) for text, tokens in self._tokens.items()}
        self._holding: Counter[str] = Counter()
        for text, copies in Counter(baseline).items():
            for token in self._bags[text]:
                self._holding[token] += copies
        self._weights = {token: self._weight(token, len(baseline)) for token in self._holding}
        self._sizes = {text: self._sum(bag) for text, bag in self._bags.items()}

    def nearest(self, line: str) -> Nearest | None:
        """Return the line most like this one, None where none is like it."""
        if line in self._first:
            return Nearest(self._first[line], line, 1.0)
        tokens = tokenise(line)
        size = self._sum(Counter(tokens))
        best, alike = "", 0.0
        for bound, text in self._candidates(tokens, size):
            if bound <= alike:
                break
            common = sum(self._of(tokens[there]) for _, there in self._pairs(self._tokens[text], tokens))
            found = 2 * common / (size + self._sizes[text])
            if found > alike:
                best, alike = text, found
        return self._compared(best, line, tokens, min(alike, 1.0)) if alike >= LIKE else None

    def _candidates(self, tokens: Sequence[str], size: float) -> list[tuple[float, str]]:
        """The most alike by the tokens they share in any order, which no common subsequence exceeds."""
        bag = Counter(tokens)
        bounds = []
        for text, other in self._bags.items():
            few, many = (bag, other) if len(bag) < len(other) else (other, bag)
            shared = sum(
                self._of(token) * min(count, many[token]) for token, count in few.items() if token in many
            )
            bound = 2 * shared / (size + self._sizes[text]) if shared else 0.0
            if bound >= LIKE:
                bounds.append((bound, text))
        bounds.sort(key=lambda found: (-found[0], self._first[found[1]]))
        return bounds[:_COMPARED]

    def _weight(self, token: str, lines: int) -> float:
        kind = 1.0 if token[:1].isalnum() else _PUNCTUATION
        return kind * (1 - _COMMON * self._holding[token] / lines)

    def _of(self, token: str) -> float:
        return self._weights.get(token) or (1.0 if token[:1].isalnum() else _PUNCTUATION)

    def _sum(self, bag: Counter[str]) -> float:
        return sum(self._of(token) * count for token, count in bag.items())

    def _pairs(self, old: Sequence[str], new: Sequence[str]) -> Pairs:
        """The tokens of two lines that are the same, in the order of both: ends first, then the middle."""
        head = 0
        while head < min(len(old), len(new)) and old[head] == new[head]:
            head += 1
        tail = 0
        while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
            tail += 1
        middle = self._common(old[head : len(old) - tail][:_MIDDLE], new[head : len(new) - tail][:_MIDDLE])
        return [
            *((place, place) for place in range(head)),
            *((here + head, there + head) for here, there in middle),
            *((len(old) - left, len(new) - left) for left in range(tail, 0, -1)),
        ]

    def _common(self, old: Sequence[str], new: Sequence[str]) -> Pairs:
        """The heaviest common subsequence, by the table of what is left to gain from each pair on."""
        gain = [[0.0] * (len(new) + 1) for _ in range(len(old) + 1)]
        for here in range(len(old) - 1, -1, -1):
            row, below, token = gain[here], gain[here + 1], old[here]
            for there in range(len(new) - 1, -1, -1):
                if token == new[there]:
                    row[there] = below[there + 1] + self._of(token)
                else:
                    row[there] = max(below[there], row[there + 1])
        pairs, here, there = [], 0, 0
        while here < len(old) and there < len(new):
            if old[here] == new[there]:
                pairs.append((here, there))
                here, there = here + 1, there + 1
            elif gain[here + 1][there] >= gain[here][there + 1]:
                here += 1
            else:
                there += 1
        return pairs

    def _compared(self, text: str, line: str, tokens: Sequence[str], alike: float) -> Nearest:
        old = self._tokens[text]
        edits = _edits(_Pieces(text, old), _Pieces(line, tokens), self._pairs(old, tokens))
        return Nearest(
            self._first[text],
            text,
            alike,
            tuple((was, now) for was, now in edits if was and now),
            tuple(now for was, now in edits if not was),
            tuple(was for was, now in edits if not now),
        )


class _Pieces:
    """A line cut into the pieces that differences are given in, and the piece that each token belongs to."""

    def __init__(self, line: str, tokens: Sequence[str]) -> None:
        self.line = line
        found = list(PIECE.finditer(line))
        self.spans = [match.span() for match in found]
        self.texts = [match.group() for match in found]
        self.piece_of: list[int | None] = []
        piece = 0
        for start, end in spans(line, tokens):
            while piece < len(found) and self.spans[piece][1] <= start:
                piece += 1
            inside = piece < len(found) and self.spans[piece][0] <= start and end <= self.spans[piece][1]
            self.piece_of.append(piece if inside else None)

    def quote(self, first: int, end: int) -> str:
        """The line from one piece to before another."""
        return self.line[self.spans[first][0] : self.spans[end - 1][1]] if first < end else ""


def _edits(old: _Pieces, new: _Pieces, pairs: Pairs) -> list[tuple[str, str]]:
    """Return the differences: old and new text between the pieces that are the same in both lines."""
    edits, here, there = [], 0, 0
    for was, now in [*_same(old, new, pairs), (len(old.texts), len(new.texts))]:
        if here < was or there < now:
            step = _lead(old, new, here, was, there, now)
            edits.append((old.quote(here - step, was), new.quote(there - step, now)))
        here, there = was + 1, now + 1
    return edits


def _lead(old: _Pieces, new: _Pieces, here: int, was: int, there: int, now: int) -> int:
    """1 where a number is replaced, or is what replaces: `200` says nothing, `status 200` does."""
    if not (was - here == now - there == 1 and here and there):
        return 0
    plain = _PLAIN.fullmatch(old.texts[here]) or _PLAIN.fullmatch(new.texts[there])
    return int(bool(plain) and old.texts[here - 1] == new.texts[there - 1])


def _same(old: _Pieces, new: _Pieces, pairs: Pairs) -> Pairs:
    found: dict[tuple[int, int], None] = {}
    for was, now in pairs:
        here, there = old.piece_of[was], new.piece_of[now]
        if here is not None and there is not None and old.texts[here] == new.texts[there]:
            found[here, there] = None
    kept: Pairs = []
    for here, there in found:
        if not kept or (here > kept[-1][0] and there > kept[-1][1]):
            kept.append((here, there))
    return kept
