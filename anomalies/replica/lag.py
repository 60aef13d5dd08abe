"""The age of what a replica shows, without trusting that clocks agree.

Theory: WAL is replayed in the order in which it was written. The replica shows all that was committed up to a
time T if one of two things holds.

- It has replayed the position that the primary had at T. This holds on an idle primary too, where the last
  transaction is old although nothing is missing.
- The last transaction that it has replayed was committed at T, by the primary's clock. This holds on a busy
  primary, whose newest position no replica has yet.

The better of the two counts. The replica's own view ("received is replayed") is not asked for: it also holds
when nothing is received any more. Times are compared on the primary's clock, which is read with its position
and carried on by this process's monotonic clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_KEPT = 100


@dataclass(frozen=True, slots=True)
class Sample:
    """A position of the primary: read at ``at`` by this process's clock, ``clock`` by the primary's."""

    at: float
    position: int
    clock: float


@dataclass(frozen=True, slots=True)
class Replayed:
    """The end of what a replica has replayed: a position, and the time of the last transaction's commit.

    ``committed`` is by the primary's clock, in seconds; None where none was replayed since its start.
    """

    position: int
    committed: float | None


class Lag:
    """The newest positions of the primary, and the time up to which the replica is known to show all."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=_KEPT)

    @property
    def newest(self) -> Sample | None:
        """The newest sample."""
        return self._samples[-1] if self._samples else None

    def add(self, sample: Sample) -> None:
        """Keep a sample. One behind its predecessor is of another primary, so the former ones say nothing."""
        if self.newest and sample.position < self.newest.position:
            self._samples.clear()
        self._samples.append(sample)

    def age(self, replayed: Replayed, now: float) -> float | None:
        """The seconds by which the replica is behind at most; None if that is unknown."""
        newest = self.newest
        if newest is None:
            return None
        reached = [now - each.at for each in self._samples if each.position <= replayed.position]
        if replayed.committed is not None:
            reached.append(newest.clock + (now - newest.at) - replayed.committed)
        return max(0.0, min(reached)) if reached else None
