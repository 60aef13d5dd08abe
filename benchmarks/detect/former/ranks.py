"""Numbers in order, so that a new one can be ranked among them."""

from bisect import bisect_left, insort
from collections.abc import Iterable


class Ranks:
    """A sorted multiset of whole numbers."""

    def __init__(self, values: Iterable[int] = ()) -> None:
        self._sorted = sorted(values)

    def __len__(self) -> int:
        return len(self._sorted)

    def add(self, value: int) -> None:
        """Add a number."""
        insort(self._sorted, value)

    def remove(self, value: int) -> None:
        """Remove a number that was added."""
        del self._sorted[bisect_left(self._sorted, value)]

    def at_least(self, value: int) -> int:
        """Return how many are as large or larger."""
        return len(self._sorted) - bisect_left(self._sorted, value)

    def median(self) -> int:
        """Return the middle one, the lesser of two; 0 where there are none."""
        return self._sorted[(len(self._sorted) - 1) // 2] if self._sorted else 0
