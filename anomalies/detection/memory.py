"""What a stream has shown lately, and how much of a line is news to it.

A baseline of a hundred events forgets what is rare but regular; the memory keeps the last two thousand. Each
event is held against it once, when it comes, and is then learnt: what was seen within the memory is no news.
"""

from collections import deque
from dataclasses import dataclass

from .surprise import TokenModel

MEMORY_SIZE = 2_000  # events


@dataclass(frozen=True, slots=True)
class News:
    """How much of a line is new to its stream.

    `bits` is the code length of the line for somebody who knows the memory, `share` the part of its bytes, 0
    to 1, whose word was never seen in that place, after the two words before it.
    """

    bits: float
    share: float

    @property
    def weight(self) -> float:
        """The part of the code length that falls on new text, in bits: what windows are ranked by."""
        return self.bits * self.share


class Memory:
    """The last events of a stream, as a model of its tokens."""

    def __init__(self, size: int = MEMORY_SIZE) -> None:
        self._size = size
        self._model = TokenModel()
        self._lines: deque[str] = deque()

    def take(self, line: str) -> News:
        """Return how new a normalised line is, then learn it and forget the oldest beyond the size."""
        news = News(self._model.surprise(line).bits, self._model.new_share(line))
        self._model.learn(line)
        self._lines.append(line)
        if len(self._lines) > self._size:
            self._model.forget(self._lines.popleft())
        return news
