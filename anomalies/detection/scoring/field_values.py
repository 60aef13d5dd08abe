"""How odd the fields of a record are: a value that its path has not had, a path that no record had.

Each path is a category of its own. The chance that its next value is new is estimated as Good did for Turing
(Biometrika 40, 1953): by the share of the values that were seen once only. A new value costs that chance in
bits. A path of which new values are expected, as of an identifier, a text or a counter, tells nothing, and a
constant path costs nothing as long as it stays constant.
"""

import re
from collections import Counter, deque
from collections.abc import Container, Iterable, Sequence
from math import log2
from typing import Any

from ..events import Value
from .masking import normalise
from .text_memory import FINE, MEMORY_SIZE, News

_ENOUGH = 50  # values of a path, before which none of them is odd
_MOST_KINDS = 20  # of a path whose values are a closed set
_EXPECTED = 0.02  # chance of a new value from which on it is none that tells anything
_NEW = 8  # bits of weight for what was never there, as of a byte of text
_MOST_PATHS = 500
_WORD = re.compile(r"\d{1,5}", re.ASCII)  # a code that is a word, unless its path numbers things
_NUMBERS_THINGS = re.compile(r"(?:pid|tid|thread|port|index|seq|count|line)$", re.IGNORECASE)

Fields = Sequence[tuple[str, Value]]


class FieldValues:
    """The values of the last events by path."""

    def __init__(self, size: int = MEMORY_SIZE) -> None:
        self._size = size
        self._held: deque[tuple[int, list[tuple[str, str]]]] = deque()
        self._kinds: dict[str, Counter[str]] = {}
        self._seen: Counter[str] = Counter()  # values by path

    def take(self, fields: Fields, number: int, learn: bool = True) -> News | None:
        """Return how odd the oddest field of an event is, None for nothing new, then learn them."""
        words = [(path, _word(path, value)) for path, value in fields if not isinstance(value, float)]
        found = max(
            (
                (self._bits(path, word), path, value)
                for (path, word), (_, value) in zip(words, _texts(fields), strict=True)
            ),
            default=(0.0, "", ""),
        )
        news = self._news(*found) if found[0] else None
        if learn:
            self._learn(number, words)
        return news

    def leave_out(self, numbers: Container[int]) -> None:
        """Forget the events of these numbers."""
        self.learn_all([one for one in self.held() if one[0] not in numbers])

    def held(self) -> list[tuple[int, list[tuple[str, str]]]]:
        """Return what it holds, oldest first: the events' numbers, and paths with values."""
        return list(self._held)

    def learn_all(self, events: Iterable[Any]) -> None:
        """Hold these events and nothing else: what `held` gave makes the same memory."""
        self._held.clear()
        self._kinds.clear()
        self._seen.clear()
        for number, words in events:
            self._learn(number, [(path, word) for path, word in words])

    def _bits(self, path: str, word: str) -> float:
        seen, kinds = self._seen[path], self._kinds.get(path)
        if kinds is None:
            return log2(len(self._held) + 1) if len(self._held) >= _ENOUGH else 0.0
        if word in kinds or seen < _ENOUGH or len(kinds) > _MOST_KINDS:
            return 0.0
        chance = (1 + sum(count == 1 for count in kinds.values())) / (1 + seen)
        return -log2(chance) if chance <= _EXPECTED else 0.0

    def _news(self, bits: float, path: str, value: str) -> News:
        kinds = self._kinds.get(path)
        if kinds is None:
            why = f"{path} is “{value}”; none of the {len(self._held):,} events before had that field"
        else:
            usual = ", ".join(f"“{word}”" for word, _ in kinds.most_common(3))
            more = f" and {len(kinds) - 3} more" if len(kinds) > 3 else ""
            why = f"{path} is “{value}”; in {self._seen[path]:,} events before it was {usual}{more}"
        return News(1.0, bits, round((bits + _NEW) * FINE), len(self._held), why=why)

    def _learn(self, number: int, words: list[tuple[str, str]]) -> None:
        self._held.append((number, words))
        for path, word in words:
            if path in self._kinds or len(self._kinds) < _MOST_PATHS:
                self._kinds.setdefault(path, Counter())[word] += 1
                self._seen[path] += 1
        if len(self._held) > self._size:
            self._forget(self._held.popleft()[1])

    def _forget(self, words: list[tuple[str, str]]) -> None:
        for path, word in words:
            kinds = self._kinds.get(path)
            if kinds is None or word not in kinds:
                continue
            kinds[word] -= 1
            self._seen[path] -= 1
            if not kinds[word]:
                del kinds[word]
            if not kinds:
                del self._kinds[path], self._seen[path]


def _texts(fields: Fields) -> list[tuple[str, str]]:
    return [(path, str(value)) for path, value in fields if not isinstance(value, float)]


def _word(path: str, value: Value) -> str:
    """A value as what it is compared by: text with its numbers masked, a code as it is."""
    if not isinstance(value, str):
        return str(value)
    if _WORD.fullmatch(value) and not _NUMBERS_THINGS.search(path):
        return value
    return normalise(value)
