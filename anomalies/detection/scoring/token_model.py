"""An adaptive model of a stream's tokens: the cost of each, in bits, given the two before it.

The cost of a token is -log2 of its probability, estimated from counts of what followed the same context, so
the sum over a line is its code length under an adaptive arithmetic coder (Rissanen and Langdon, "Universal
modeling and coding", IEEE Trans. Inf. Theory 27(1), 1981): rare words in rare places cost most.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from math import inf, log2

_TOKEN = re.compile(r"\w+|[^\w\s]")
MOST_TOKENS = 512  # of a line: hostile lines are thousands of single characters, and the model remembers all
_START, _END = 0, 1  # numbers: no token is one of them, whatever its text
_SPELLED = 8  # bits for a byte of a word that was never seen
_MARGIN = 1e-6  # bits: more than rounding makes of a sum

_Token = str | int  # a word, or one of the marks at both ends
_Key = tuple[_Token, _Token, _Token]  # a token after the two before it
# One number for each memory: how often a token was seen in a place.
_Counts = list[int]
# One number for each memory: how many different tokens were seen in a context.
_Kinds = list[int]
_Pair = tuple[_Counts, _Kinds, _Counts, int]
_Place = tuple[_Counts, _Kinds, _Counts, _Kinds, _Counts, int, _Key]


class Coded:
    """A line as its model counts it, with the counts themselves, so that nothing is looked up twice.

    `places` holds for each token, the line end too: how often it was seen after the two before it, how many
    different ones were, the same after the one before it, how often it was seen at all, its bytes, 0 for the
    line end, and the three tokens. `size` is the line's length in bytes and one for its end, `words` what of
    it is in tokens, `copies` how often the last memory holds it, `fresh` the places that no line had before.
    """

    __slots__ = ("copies", "fresh", "places", "size", "text", "tokens", "words")

    def __init__(
        self, text: str, tokens: Sequence[str], places: Sequence[_Place], fresh: Sequence[_Place]
    ) -> None:
        self.text = text
        self.tokens = tokens
        self.places = places
        self.fresh = fresh
        self.size = len(text.encode()) + 1
        self.words = sum([place[5] for place in places])
        self.copies = 0


class TokenModel:
    """A predictor of a token from the two before it, falling back to one and to none.

    The orders are interpolated by the weights of Witten & Bell, "The zero-frequency problem", IEEE Trans.
    Inf. Theory 37(4), 1991: a context that was followed by many different tokens trusts itself less. There is
    no parameter to tune.

    It counts for several `memories` at once, numbered from 0, and what is in one must be in the last one too.
    The counts of a place are found by one look-up of three tokens, and lines that share it share them.
    """

    def __init__(self, memories: int = 1, most_tokens: int = MOST_TOKENS) -> None:
        self._most_tokens = most_tokens
        self._last = memories - 1
        self._none: _Counts = [0] * memories
        self._lines_seen: _Counts = [0] * memories
        self._tokens_seen: _Counts = [0] * memories
        self._different: _Kinds = [0] * memories
        self._places: dict[_Key, _Place] = {}
        self._pairs: dict[tuple[_Token, _Token], _Pair] = {}
        self._alone: dict[_Token, _Counts] = {}
        self._kinds: dict[object, _Kinds] = {}
        self._lines: dict[str, Coded] = {}

    def __len__(self) -> int:
        """Return the number of counts that it keeps: one for each token in each of its contexts."""
        return len(self._places) + len(self._pairs) + len(self._alone)

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
        known, fresh, places = self._places, [], []
        framed: list[_Token] = [_START, _START, *tokens, _END]
        before, last = framed[:2]
        for token in framed[2:]:
            key = before, last, token
            place = known.get(key)
            if place is None:
                place = known[key] = self._place(key)
                fresh.append(place)
            places.append(place)
            before, last = last, token
        return Coded(line, tokens, places, fresh)

    def _place(self, key: _Key) -> _Place:
        before, last, token = key
        none, kinds = self._none, self._kinds
        context, pair = (before, last), (last, token)
        after_two = kinds.get(context)
        if after_two is None:
            after_two = kinds[context] = none[:]
        known = self._pairs.get(pair)
        if known is None:
            after_one, alone = kinds.get(last), self._alone.get(token)
            if after_one is None:
                after_one = kinds[last] = none[:]
            if alone is None:
                alone = self._alone[token] = none[:]
            known = self._pairs[pair] = (none[:], after_one, alone, _size(token))
        return (none[:], after_two, *known, key)

    def learn(self, coded: Coded, memory: int = 0) -> None:
        """Count the tokens of a line for one memory, each after its contexts."""
        for two, after_two, one, after_one, alone, _, _ in coded.places:
            often = two[memory]
            two[memory] = often + 1
            if not often:
                after_two[memory] += 1
                if not one[memory]:
                    after_one[memory] += 1
                    if not alone[memory]:
                        self._different[memory] += 1
            one[memory] += 1
            alone[memory] += 1
        self._lines_seen[memory] += 1
        self._tokens_seen[memory] += len(coded.places)
        if memory == self._last:
            coded.copies += 1
            coded.fresh = ()

    def forget(self, coded: Coded, memory: int = 0) -> None:
        """Take back what `learn` counted; nothing is kept of what the last memory holds no longer."""
        for two, after_two, one, after_one, alone, _, _ in coded.places:
            two[memory] = often = two[memory] - 1
            one[memory] -= 1
            alone[memory] -= 1
            if not often:
                after_two[memory] -= 1
                if not one[memory]:
                    after_one[memory] -= 1
                    if not alone[memory]:
                        self._different[memory] -= 1
        self._lines_seen[memory] -= 1
        self._tokens_seen[memory] -= len(coded.places)
        if memory == self._last:
            coded.copies -= 1
            self._remove([place for place in coded.places if not place[0][memory]])
            if not coded.copies:
                self._lines.pop(coded.text, None)

    def drop(self, coded: Coded) -> None:
        """Keep nothing of a line that the last memory does not hold."""
        if not coded.copies:
            self._lines.pop(coded.text, None)
            self._remove(coded.fresh)

    def _remove(self, places: Sequence[_Place]) -> None:
        """Remove places that the last memory does not hold, and the contexts that only they had."""
        memory = self._last
        for two, after_two, one, after_one, alone, _, key in places:
            before, last, token = key
            if not two[memory]:
                self._places.pop(key, None)
                if not one[memory]:
                    self._pairs.pop((last, token), None)
                    if not alone[memory]:
                        self._alone.pop(token, None)
                if not after_two[memory]:
                    self._kinds.pop((before, last), None)
                    if not after_one[memory]:
                        self._kinds.pop(last, None)

    def new_share(self, coded: Coded, memory: int = 0) -> float:
        """Return the share of a line's bytes, 0 to 1, in tokens that are new to a memory in their place."""
        new = sum([place[5] for place in coded.places if not place[0][memory]])
        return new / coded.words if new else 0.0

    def bits(self, coded: Coded, memory: int = 0) -> list[float]:
        """Return what each token of a line costs under a memory, the line end too."""
        every, different = self._tokens_seen[memory], self._different[memory]
        # A context was seen as often as its last token was, and its last two: the counts of the place before.
        seen_two = seen_one = self._lines_seen[memory]
        costs = []
        for two, after_two, one, after_one, alone, size, _ in coded.places:
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

    def least_bits(self, coded: Coded) -> float:
        """Return what a line costs under the first or the second of two memories, whichever is less.

        Nearly always it is the second one, which holds more. The first one is read no further than shows
        that: no token costs less than nothing, and each that it never saw has to be spelled out.
        """
        longer = self._total(coded, 1, inf)
        spelled = sum([_SPELLED * ((place[5] or 1) + 1) for place in coded.places if not place[4][0]])
        return longer if spelled > longer + _MARGIN else min(longer, self._total(coded, 0, longer + _MARGIN))

    def _total(self, coded: Coded, memory: int, most: float) -> float:
        """The sum of `bits`; where it is more than `most`, only so much of it as shows that."""
        log, spelled = log2, _SPELLED
        every, different = self._tokens_seen[memory], self._different[memory]
        all_seen = every + different or 1
        two = one = self._lines_seen[memory]
        total = 0.0
        for seen_two, after_two, seen_one, after_one, alone, size, _ in coded.places:
            seen = alone[memory]
            share = (seen or different or 1) / all_seen
            often = seen_one[memory]
            if one:
                kinds = after_one[memory]
                share = (often + kinds * share) / (one + kinds)
                if two:
                    kinds = after_two[memory]
                    share = (seen_two[memory] + kinds * share) / (two + kinds)
            if seen:
                total -= log(share)
            else:
                total += spelled * ((size or 1) + 1) - log(share)
            if total > most:
                return total
            two, one = often, seen
        return total


def _size(token: _Token) -> int:
    """The bytes of a word, 0 for the end of a line."""
    if not isinstance(token, str):
        return 0
    return len(token) if token.isascii() else len(token.encode("utf-8", "surrogatepass"))


def tokenise(line: str, most: int = MOST_TOKENS) -> Sequence[str]:
    """Return the words and single other characters of a line, so many at most; the rest is one word."""
    if len(line) < min(most, MOST_TOKENS):
        return _all_tokens(line)
    found = list(islice(_TOKEN.finditer(line), most))
    tokens = [match.group() for match in found]
    if len(found) == most:
        tokens.append(line[found[-1].end() :])  # and is paid for if it is new
    return tokens


@lru_cache(maxsize=2_048)  # some 5 MB: a line is cut where it is scored and again where it is explained
def _all_tokens(line: str) -> Sequence[str]:
    return tuple(_TOKEN.findall(line))
