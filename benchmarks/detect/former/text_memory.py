"""A memory of the last events of a stream, and the share of a line that is new to it.

Two memories, one inside the other: the baseline, the last hundred events, forgets what is rare but regular,
the other keeps the last two thousand. Each event is compared with both once, when it comes, and then learnt.
"""

from collections import deque
from collections.abc import Container, Iterable
from dataclasses import dataclass

from .token_model import MOST_TOKENS, Coded, TokenModel

MEMORY_SIZE = 2_000  # events
MOST_COUNTS = 100_000  # of the model: 25 times what any log measured needs, and some 30 MB
_BASELINE, _ALL = 0, 1  # the memories by their numbers in the model
_SPELLED = 8  # bits for a byte that is new
_MOST_TOKENS_HELD = 500_000  # of all lines: some 60 MB
FINE = 1_000_000  # parts of a bit per byte: whole numbers add up to the same in every order


@dataclass(frozen=True, slots=True)
class News:
    """The novelty of a line in its stream.

    `share` is the part of its bytes, 0 to 1, whose word was never seen in that place, after the two words
    before it, within the longer memory; `rate` its code length there in bits per byte, 0 where nothing is
    new. `weight` is what windows are ranked by, in millionths of a bit per byte: the code length under the
    memory that it is cheaper in, and 8 bits for each byte that is new, in either memory; 0 for a line that
    neither has anything new in. `events` is how many events the longer memory held.

    Of a metric's event or a session the weight is in millionths of a bit, and `why` says in a few words what
    it lies in; `lasting` is the weight of what has lasted, where a coder tells that apart.
    """

    share: float
    rate: float
    weight: int
    events: int
    lasting: int = 0
    why: str = ""


_NOTHING = (0.0, 0.0, 0)


class Memory:
    """The last events of a stream, as a model of their tokens.

    Holds the last `size` of the events that it learnt, and among them the last `baseline`. Fewer where lines
    are so long and so varied that the model would pass `most_counts`.
    """

    def __init__(
        self,
        baseline: int = 100,
        size: int = MEMORY_SIZE,
        most_counts: int = MOST_COUNTS,
        most_tokens: int = MOST_TOKENS,
    ) -> None:
        self._most_tokens = most_tokens
        self._baseline_size = baseline
        self._size = max(size, baseline)
        self._most_counts = most_counts
        self._model = TokenModel(2, self._most_tokens)
        self._held = 0
        self._baseline: deque[Coded] = deque()
        self._lines: deque[tuple[int, Coded]] = deque()

    def take(self, line: str, number: int, learn: bool = True) -> News:
        """Return how new a normalised line is, then learn it under the event's number.

        Not learnt, it leaves no trace: events that an analyst acknowledged as anomalies.
        """
        coded = self._model.code(line)
        share, rate, weight = self._news(coded)
        news = News(share, rate, weight, len(self._lines))
        if learn:
            self._learn(coded, number)
        else:
            self._model.drop(coded)
        return news

    def leave_out(self, numbers: Container[int]) -> None:
        """Forget the events of these numbers, as if they had not been learnt."""
        self.learn_all([(number, text) for number, text in self.lines() if number not in numbers])

    def lines(self) -> list[tuple[int, str]]:
        """Return what it holds, oldest first: the events' numbers and normalised texts."""
        return [(number, coded.text) for number, coded in self._lines]

    def learn_all(self, lines: Iterable[tuple[int, str]]) -> None:
        """Hold these lines and nothing else: what `lines` gave makes the same memory."""
        self._model = TokenModel(2, self._most_tokens)
        self._baseline.clear()
        self._lines.clear()
        self._held = 0
        for number, text in lines:
            self._learn(self._model.code(text), number)

    def _news(self, coded: Coded) -> tuple[float, float, int]:
        model = self._model
        newest = model.new_share(coded, _BASELINE)
        # Most lines hold nothing new, and what they cost is not asked for: the larger memory has it all too.
        if not newest:
            return _NOTHING
        share = model.new_share(coded, _ALL)
        rates = [sum(model.bits(coded, memory)) / coded.size for memory in (_BASELINE, _ALL)]
        weight = min(rates) + _SPELLED * (newest + share)
        return share, rates[_ALL], round(weight * FINE)

    def _learn(self, coded: Coded, number: int) -> None:
        model = self._model
        model.learn(coded, _BASELINE)
        model.learn(coded, _ALL)
        self._baseline.append(coded)
        self._lines.append((number, coded))
        if len(self._baseline) > self._baseline_size:
            model.forget(self._baseline.popleft(), _BASELINE)
        self._held += len(coded.places)
        while len(self._lines) > self._size or (self._is_full and len(self._lines) > 1):
            self._forget()

    @property
    def _is_full(self) -> bool:
        return len(self._model) > self._most_counts or self._held > _MOST_TOKENS_HELD

    def _forget(self) -> None:
        if len(self._baseline) == len(self._lines):
            self._model.forget(self._baseline.popleft(), _BASELINE)
        coded = self._lines.popleft()[1]
        self._held -= len(coded.places)
        self._model.forget(coded, _ALL)
