"""What a stream has shown lately, and how much of a line is news to it.

A baseline of a hundred events forgets what is rare but regular; the memory keeps the last two thousand. Each
event is held against it once, when it comes, and is then learnt: what was seen within the memory is no news.
"""

from collections import deque
from dataclasses import dataclass

from .surprise import TokenModel

MEMORY_SIZE = 2_000  # events
_MOST_COUNTS = 100_000  # of the model: 25 times what any log measured needs, and some 30 MB


@dataclass(frozen=True, slots=True)
class News:
    """How much of a line is new to its stream.

    `share` is the part of its bytes, 0 to 1, whose word was never seen in that place, after the two words
    before it. `weight` is what windows are ranked by: that share of the line's code length, in bits, for
    somebody who knows the memory. `events` is how many events the memory held.
    """

    share: float
    weight: float
    events: int


class Memory:
    """The last events of a stream, as a model of its tokens.

    Fewer than `size` where lines are so long and so varied that the model would pass `most_counts`.
    """

    def __init__(self, size: int = MEMORY_SIZE, most_counts: int = _MOST_COUNTS) -> None:
        self._size = size
        self._most_counts = most_counts
        self._model = TokenModel()
        self._lines: deque[str] = deque()

    def take(self, line: str) -> News:
        """Return how new a normalised line is, then learn it and forget the oldest beyond the size."""
        share = self._model.new_share(line)
        # Most lines hold nothing new, and what they cost is not asked for.
        weight = self._model.surprise(line).bits * share if share else 0.0
        news = News(share, weight, len(self._lines))
        self._model.learn(line)
        self._lines.append(line)
        while len(self._lines) > self._size or self._model.counts > self._most_counts:
            self._model.forget(self._lines.popleft())
        return news
