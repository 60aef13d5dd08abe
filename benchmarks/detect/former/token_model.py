"""An adaptive model of a stream's tokens: what each costs, in bits, after the two before it."""

import re
from collections.abc import Sequence
from itertools import islice
from math import log2

_TOKEN = re.compile(r"\w+|[^\w\s]")
MOST_TOKENS = 512  # of a line: hostile lines are thousands of single characters, and the model remembers all
_START, _END = 0, 1  # numbers: no token is one of them, whatever its text
_SPELLED = 8  # bits for a byte of a word that was never seen

_Token = str | int  # a word, or one of the marks at both ends
# One number for each memory: how often a token was seen in a place.
_Counts = list[int]
# One number for each memory: how many different tokens were seen in a context.
_Kinds = list[int]
_Place = tuple[_Counts, _Kinds, _Counts, _Kinds, _Counts, int]


class Coded:
    """A line as its model counts it, with the counts themselves, so that nothing is looked up twice.

    `places` holds for each token, the line end too: how often it was seen after the two before it, how many
    different ones were, the same after the one before it, how often it was seen at all, and its bytes, 0 for
    the line end. `size` is the line's length in bytes and one for its end, `words` what of it is in tokens,
    `copies` how often the last memory holds it.
    """

    __slots__ = ("copies", "places", "size", "text", "tokens", "words")

    def __init__(self, text: str, tokens: Sequence[str], places: Sequence[_Place]) -> None:
        self.text = text
        self.tokens = tokens
        self.places = places
        self.size = len(text.encode()) + 1
        self.words = sum(place[5] for place in places)
        self.copies = 0


class TokenModel:
    """Predicts a token from the two before it, and falls back to one and to none.

    The orders are interpolated by the weights of Witten & Bell, "The zero-frequency problem", IEEE Trans.
    Inf. Theory 37(4), 1991: a context that was followed by many different tokens trusts itself less. There is
    no parameter to tune.

    It counts for so many `memories` at once, numbered from 0, and what is in one must be in the last one too.
    """

    def __init__(self, memories: int = 1, most_tokens: int = MOST_TOKENS) -> None:
        self._most_tokens = most_tokens
        self._last = memories - 1
        self._lines_seen: _Counts = [0] * memories
        self._tokens_seen: _Counts = [0] * memories
        self._different: _Kinds = [0] * memories
        self._counts: dict[object, _Counts] = {}
        self._kinds: dict[object, _Kinds] = {}
        self._lines: dict[str, Coded] = {}

    def __len__(self) -> int:
        """Return the number of counts that it keeps: one for each token in each of its contexts."""
        return len(self._counts)

    def code(self, line: str, tokens: Sequence[str] | None = None) -> Coded:
        """Return the line as the model counts it; `drop` it where it is not learnt.

        `tokens` are given where they are not the words of the line: the steps of a session.
        """
        coded = self._lines.get(line)
        if coded is None:
            coded = self._lines[line] = self._interned(line, tokens)
        return coded

    def _interned(self, line: str, tokens: Sequence[str] | None) -> Coded:
        if tokens is None:
            tokens = tokenise(line, self._most_tokens)
        size = self._last + 1
        counts, kinds = self._counts, self._kinds
        places = []
        for before, last, token in _triples(tokens):
            place = (
                counts.setdefault((before, last, token), [0] * size),
                kinds.setdefault((before, last), [0] * size),
                counts.setdefault((last, token), [0] * size),
                kinds.setdefault(last, [0] * size),
                counts.setdefault(token, [0] * size),
                len(token.encode("utf-8", "surrogatepass")) if isinstance(token, str) else 0,
            )
            places.append(place)
        return Coded(line, tokens, places)

    def learn(self, coded: Coded, memory: int = 0) -> None:
        """Count the tokens of a line for one memory, each after its contexts."""
        for two, after_two, one, after_one, alone, _ in coded.places:
            if not two[memory]:
                after_two[memory] += 1
                if not one[memory]:
                    after_one[memory] += 1
                    if not alone[memory]:
                        self._different[memory] += 1
            two[memory] += 1
            one[memory] += 1
            alone[memory] += 1
        self._lines_seen[memory] += 1
        self._tokens_seen[memory] += len(coded.places)
        if memory == self._last:
            coded.copies += 1

    def forget(self, coded: Coded, memory: int = 0) -> None:
        """Take back what `learn` counted; nothing is kept of what the last memory holds no longer."""
        for two, after_two, one, after_one, alone, _ in coded.places:
            two[memory] -= 1
            one[memory] -= 1
            alone[memory] -= 1
            if not two[memory]:
                after_two[memory] -= 1
                if not one[memory]:
                    after_one[memory] -= 1
                    if not alone[memory]:
                        self._different[memory] -= 1
        self._lines_seen[memory] -= 1
        self._tokens_seen[memory] -= len(coded.places)
        if memory == self._last:
            coded.copies -= 1
            self.drop(coded)

    def drop(self, coded: Coded) -> None:
        """Keep nothing of a line that the last memory does not hold."""
        if coded.copies:
            return
        self._lines.pop(coded.text, None)
        for before, last, token in _triples(coded.tokens):
            for key in ((before, last, token), (last, token), token):
                if key in self._counts and not self._counts[key][self._last]:
                    del self._counts[key]
            for context in ((before, last), last):
                if context in self._kinds and not self._kinds[context][self._last]:
                    del self._kinds[context]

    def new_share(self, coded: Coded, memory: int = 0) -> float:
        """Return the share of a line's bytes, 0 to 1, in tokens that are new to a memory in their place."""
        new = 0
        for place in coded.places:
            if not place[0][memory]:
                new += place[5]
        return new / coded.words if new else 0.0

    def bits(self, coded: Coded, memory: int = 0) -> list[float]:
        """Return what each token of a line costs under a memory, the line end too."""
        every, different = self._tokens_seen[memory], self._different[memory]
        # A context was seen as often as its last token was, and its last two: the counts of the place before.
        seen_two = seen_one = self._lines_seen[memory]
        costs = []
        for two, after_two, one, after_one, alone, size in coded.places:
            seen = alone[memory]
            # A word nobody saw is announced, then spelled out; as a probability its cost would underflow.
            spelling = 0 if seen else _SPELLED * ((size or 1) + 1)
            probability = (seen or different) / (every + different) if every else 1.0
            if seen_one:
                kinds = after_one[memory]
                probability = (one[memory] + kinds * probability) / (seen_one + kinds)
                if seen_two:
                    kinds = after_two[memory]
                    probability = (two[memory] + kinds * probability) / (seen_two + kinds)
            costs.append(spelling - log2(probability))
            seen_two, seen_one = one[memory], seen
        return costs


def tokenise(line: str, most: int = MOST_TOKENS) -> list[str]:
    """Return the words and single other characters of a line, so many at most; the rest is one word."""
    found = list(islice(_TOKEN.finditer(line), most))
    tokens = [match.group() for match in found]
    if len(found) == most:
        tokens.append(line[found[-1].end() :])  # and is paid for if it is new
    return tokens


def _triples(tokens: Sequence[str]) -> list[tuple[_Token, _Token, _Token]]:
    framed: list[_Token] = [_START, _START, *tokens, _END]
    return list(zip(framed, framed[1:], framed[2:], strict=False))
