"""The stretches of a stream that analysts acknowledged as anomalies, which must not be learnt."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from zlib import crc32

from .events import Event


class Acknowledged:
    """Episodes of one stream that somebody acknowledged: `spans` of its events' numbers, first and last.

    `texts` has what some of these events said, by number. Another file of the same name has other lines at
    those numbers, and then the span is not of this stream and is forgotten.
    """

    def __init__(self, spans: Iterable[tuple[int, int]] = (), texts: Mapping[int, str] | None = None) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        self._texts = {number: _sum(text) for number, text in (texts or {}).items()}
        for first, last in sorted(spans):
            if self._lasts and first <= self._lasts[-1]:
                self._lasts[-1] = max(self._lasts[-1], last)
            else:
                self._firsts.append(first)
                self._lasts.append(last)

    def __bool__(self) -> bool:
        return bool(self._firsts)

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.covers(number, number)

    def covers(self, first: int, last: int) -> bool:
        """Return whether a window, from its first event's number to its last one's, lies within one span."""
        index = bisect_right(self._firsts, first) - 1
        return index >= 0 and last <= self._lasts[index]

    def spans(self) -> list[tuple[int, int]]:
        """Return the stretches that were acknowledged: the numbers of their first and last events."""
        return list(zip(self._firsts, self._lasts, strict=True))

    def holds(self, event: Event) -> bool:
        """Return whether an event that just came is one of them; a span whose text differs is forgotten."""
        if event.number not in self:
            return False
        if self._texts.get(event.number, _sum(event.text)) == _sum(event.text):
            return True
        index = bisect_right(self._firsts, event.number) - 1
        del self._firsts[index], self._lasts[index]
        return False


def _sum(text: str) -> int:
    return crc32(text.encode())
