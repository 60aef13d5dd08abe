"""How many bits a line costs somebody who has read the baseline: which line is odd, and how odd.

Leaving each line out of its window and compressing again is the obvious method and the wrong one: lines that
repeat hide each other (docs/detection.md).
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from math import log2

_TOKEN = re.compile(r"\w+|[^\w\s]")
_MOST_TOKENS = 512  # of a line: hostile lines are thousands of single characters, and the model remembers all
_START, _END = "", "\n"
_SPELLED = 8  # bits for a byte of a word that was never seen
_ODD_SHARE = 0.05

Context = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Surprise:
    """The code length of a line: `bits` in all and `rate`, bits per byte of its normalised text."""

    bits: float
    rate: float


class TokenModel:
    """Predicts a token from the two before it, and falls back to one and to none.

    The orders are interpolated by the weights of Witten & Bell, "The zero-frequency problem", IEEE Trans.
    Inf. Theory 37(4), 1991: a context that was followed by many different tokens trusts itself less. There is
    no parameter to tune. `counts` is how many it keeps, one for each token in each of its contexts.
    """

    def __init__(self) -> None:
        self.counts = 0
        self._seen: dict[Context, dict[str, int]] = defaultdict(dict)
        self._totals: dict[Context, int] = defaultdict(int)

    def learn(self, line: str) -> None:
        """Count the tokens of a normalised line, each after its contexts."""
        for contexts, token in _in_context(line):
            for context in contexts:
                followers = self._seen[context]
                if token not in followers:
                    followers[token] = 0
                    self.counts += 1
                followers[token] += 1
                self._totals[context] += 1

    def forget(self, line: str) -> None:
        """Take back what `learn` counted; nothing is kept of what was seen no longer."""
        for contexts, token in _in_context(line):
            for context in contexts:
                followers = self._seen[context]
                followers[token] -= 1
                self._totals[context] -= 1
                if not followers[token]:
                    del followers[token]
                    self.counts -= 1
                if not followers:
                    del self._seen[context], self._totals[context]

    def new_share(self, line: str) -> float:
        """Return the share of a line's bytes (0 to 1) in tokens never seen after the two before them."""
        new = total = 0
        for (*_, nearest), token in _in_context(line):
            if token != _END:
                size = len(token.encode())
                total += size
                new += size * (token not in self._seen.get(nearest, ()))
        return new / total if total else 0.0

    def surprise(self, line: str) -> Surprise:
        """Return what a normalised line costs under what was learnt so far; learns nothing from it."""
        bits = sum(self._bits(contexts, token) for contexts, token in _in_context(line))
        return Surprise(bits, bits / (len(line.encode()) + 1))  # and a line end, so an empty line has a rate

    def _bits(self, contexts: Sequence[Context], token: str) -> float:
        known = token in self._seen.get((), {})
        # A word nobody saw is announced, then spelled out; as a probability its cost would underflow.
        probability, spelling = (0.0, 0) if known else (1.0, _SPELLED * (len(token.encode()) + 1))
        for context in contexts:
            total = self._totals.get(context, 0)
            if total:
                followers = self._seen[context]
                kinds = len(followers)
                probability = (followers.get(token, 0) + kinds * probability) / (total + kinds)
        return spelling - log2(probability)


class Reader:
    """Somebody who has read the baseline and takes the lines after it as they come.

    `baseline` holds normalised lines. What its later half cost when they came, with what stood before them
    known, is the measure for what is usual here.
    """

    def __init__(self, baseline: Sequence[str]) -> None:
        self._model = TokenModel()
        rates = []
        for line in baseline:
            rates.append(self._model.surprise(line).rate)
            self._model.learn(line)
        self._usual = sorted(rates[len(rates) // 2 :])

    def read(self, line: str) -> Surprise:
        """Return what a normalised line costs given the baseline, whatever else has been read since."""
        return self._model.surprise(line)

    def finds_odd(self, surprise: Surprise) -> bool:
        """Say whether at most one in twenty lines here cost as much per byte: the line's conformal p ≤ .05.

        Never so for a baseline of fewer than 37 lines, which cannot show it.
        """
        as_dear = len(self._usual) - bisect_left(self._usual, surprise.rate)
        return (1 + as_dear) / (1 + len(self._usual)) <= _ODD_SHARE


@lru_cache(maxsize=8)  # a line is scored and learnt in a row; a larger cache would keep hostile lines
def _in_context(line: str) -> list[tuple[tuple[Context, Context, Context], str]]:
    tokens = [_START, _START, *_tokens(line), _END]
    triples = zip(tokens, tokens[1:], tokens[2:], strict=False)
    return [(((), (one,), (two, one)), token) for two, one, token in triples]


def _tokens(line: str) -> list[str]:
    found = list(islice(_TOKEN.finditer(line), _MOST_TOKENS))
    tokens = [match.group() for match in found]
    if len(found) == _MOST_TOKENS:
        tokens.append(line[found[-1].end() :])  # the rest counts as one word, and is paid for if it is new
    return tokens
