"""The text view: the words of a line in their places, and what they cost where they were not seen before.

Two memories of patterns, one inside the other: the last events (`baseline_size`) forget what is rare but
regular, the longer one holds 2,000. A pattern that the shorter one holds is no news and costs two look-ups.
Any other is coded by the token model (`scoring.token_model`), which counts in how many different patterns of
a memory a word came after the two words before it: types, not tokens, as Kneser & Ney do for lower orders
("Improved backing-off for m-gram language modeling", ICASSP 1995), so that a line that comes ten thousand
times counts once.
"""

from collections import deque
from hashlib import blake2b
from typing import Any, NamedTuple

from ..acknowledged import Acknowledged
from ..scoring.token_model import MOST_TOKENS, TokenModel
from .templates import Pattern, Templates

MEMORY = 2_000  # events
MOST_REMEMBERED = 100_000  # patterns of a baseline: some 10 MB
MOST_COUNTS = 100_000  # of the model: 25 times what any log measured needs, and some 30 MB
_LATEST, _LONGER = 0, 1  # the memories by their numbers in the model
SPELLED = 8  # bits for a byte that is new
NOW = 1.7  # of 2: the part of the last 100 events in what counts as new; the rest is of the last 2,000
HALF, WHOLE = 17.0, 24.0  # weights of lines of which the novelty is a half, and all: every word is new
HALF_IF_SEVERE = 12.5  # an error is worth a person's time where fewer of its words are new


class News(NamedTuple):
    """The novelty of a line's text: its `weight` in bits per byte, and its `novelty`, 0 to 1; `if_severe` is
    the novelty of the same words in an error.

    The novelty is a half for a line of about two thirds new words, and 1 where all are, what it begins with
    (`Pattern.body`) left out.
    """

    weight: float
    novelty: float
    if_severe: float


NOTHING = News(0.0, 0.0, 0.0)


def _novelty(weight: float, half: float) -> float:
    if weight < half:
        return weight / (2 * half)
    return min(1.0, 0.5 + (weight - half) / (2 * (WHOLE - half)))


class Text:
    """The patterns of the last events, and a model of their words.

    While `remembers` is set, as for a baseline, patterns are remembered for good, by a hash of 64 bits: what
    came in a log that is known to be good is no news, however long ago that was.
    """

    remembers = False

    def __init__(
        self, templates: Templates, latest: int, most_counts: int, most_tokens: int = MOST_TOKENS
    ) -> None:
        self._templates = templates
        self._most_latest = latest
        self._most_longer = max(MEMORY, latest)
        self._most_counts = most_counts
        self._model = TokenModel(2, most_tokens)
        self._latest: deque[Pattern] = deque()
        self._longer: deque[tuple[int, Pattern]] = deque()
        self._remembered: set[int] = set()
        self._is_full = False  # the model has more counts than it may have

    def __len__(self) -> int:
        """Return the number of events that it holds."""
        return len(self._longer)

    def take(self, pattern: Pattern, number: int, learn: bool) -> News:
        """Return how new a line is, then learn it under its event's number, unless `learn` is false."""
        news = NOTHING if pattern.latest or self._is_remembered(pattern) else self._news(pattern)
        if learn:
            self._learn(pattern, number)
        elif not pattern.longer:
            self._model.drop(self._model.code(pattern.text))
        return news

    def _is_remembered(self, pattern: Pattern) -> bool:
        """Return whether a pattern came in a baseline. While one is read the pattern is added to it."""
        remembered = self._remembered
        if not remembered and not self.remembers:
            return False
        key = int.from_bytes(blake2b(pattern.text.encode(errors="surrogatepass"), digest_size=8).digest())
        if key in remembered:
            return True
        if self.remembers and len(remembered) < MOST_REMEMBERED:
            remembered.add(key)
        return False

    def _news(self, pattern: Pattern) -> News:
        model = self._model
        coded = model.code(pattern.text)
        latest = model.new_share(coded, _LATEST)
        news = NOTHING
        if latest:
            longer = 0.0 if pattern.longer else model.new_share(coded, _LONGER)
            rate = model.least_bits(coded) / coded.size
            weight = round(rate + SPELLED * (latest + longer), 6)
            # What the latest events do not have is new, even where it came once, a thousand events ago.
            now = rate + SPELLED * (NOW * latest + (2 - NOW) * longer)
            body = pattern.body
            news = News(weight, _novelty(now / body, HALF), _novelty(weight / body, HALF_IF_SEVERE))
        return news

    def _learn(self, pattern: Pattern, number: int) -> None:
        if not pattern.latest:
            model = self._model
            coded = model.code(pattern.text)
            model.learn(coded, _LATEST)
            if not pattern.longer:
                model.learn(coded, _LONGER)
                self._is_full = len(model) > self._most_counts
        pattern.latest += 1
        pattern.longer += 1
        latest, longer = self._latest, self._longer
        latest.append(pattern)
        longer.append((number, pattern))
        if len(latest) > self._most_latest:
            self._forget_latest()
        if len(longer) > self._most_longer or self._is_full:
            self._forget_longer()
            if self._is_full:
                self._shrink()

    def _shrink(self) -> None:
        """Forget the oldest events until the model is no larger than it may be."""
        while len(self._model) > self._most_counts and len(self._longer) > 1:
            self._forget_longer()
        self._is_full = len(self._model) > self._most_counts

    def _forget_latest(self) -> None:
        pattern = self._latest.popleft()
        pattern.latest = often = pattern.latest - 1
        if not often:
            self._model.forget(self._model.code(pattern.text), _LATEST)

    def _forget_longer(self) -> None:
        if len(self._latest) == len(self._longer):
            self._forget_latest()
        _, pattern = self._longer.popleft()
        pattern.longer = often = pattern.longer - 1
        if not often:
            self._model.forget(self._model.code(pattern.text), _LONGER)

    def leave_out(self, acknowledged: Acknowledged) -> None:
        """Forget the events that were acknowledged, as if they had not been learnt."""
        held = [(number, pattern) for number, pattern in self._longer if number not in acknowledged]
        if len(held) < len(self._longer):
            while self._longer:
                self._forget_longer()
            self._is_full = False
            for number, pattern in held:
                self._learn(pattern, number)

    def state(self) -> list[Any]:
        """Return it as plain JSON values, for `restore`: the different patterns, and which came when."""
        texts: dict[str, int] = {}
        events = [[number, texts.setdefault(one.text, len(texts))] for number, one in self._longer]
        return [list(texts), events, len(self._latest), sorted(self._remembered)]

    def restore(self, state: list[Any]) -> None:
        """Restore what `state` returned."""
        texts, events, latest, remembered = state
        self._remembered = set(remembered)
        patterns = [self._templates.patterns[text] for text in texts]
        for number, index in events:
            self._learn(patterns[index], number)
        while len(self._latest) > latest:
            self._forget_latest()
