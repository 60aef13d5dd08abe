"""The surprise of a session: the steps of one trace, in their order and in their numbers.

Parallel work interleaves, so the order of steps varies in healthy sessions too: the sum of all code
lengths drowns the one step that should not be there. A session is weighed by its dearest step and by its
oddest count of a step (too many, too few, none at all): docs/traces.md.

Both are code lengths in bits, -log2 of a probability that is estimated from the sessions before. A step is
coded after the two before it (`token_model`); a count by the share of sessions that had as many, and a count
that none had by Witten & Bell's estimate of a new one (IEEE Trans. Inf. Theory 37(4), 1991). Steps that no
session lacked are invariants of the stream (Lou et al., "Mining invariants from console logs for system
problem detection", USENIX ATC 2010): where several are missing, the bits of their counts add up.
"""

import json
from collections import Counter, deque
from collections.abc import Container, Iterable, Sequence
from math import log2

from ..ranks import Ranks
from .text_memory import FINE, MEMORY_SIZE, MOST_COUNTS, News
from .token_model import Coded, TokenModel

MOST_STEPS = 2_000  # of a session; what comes after them is not looked at
MOST_HELD = 400_000  # steps of all sessions together: 200 a session, some 50 MB
_SHOWN = 60  # characters of a step's name


class Sessions:
    """The last sessions of a stream, at most `size`: a token model of their steps, and how often each comes.

    Fewer where sessions are so long that all their steps would pass `most_held`, or so varied that the model
    would pass `most_counts`.
    """

    def __init__(
        self, size: int = MEMORY_SIZE, most_counts: int = MOST_COUNTS, most_held: int = MOST_HELD
    ) -> None:
        self._size = size
        self._most_counts = most_counts
        self._most_held = most_held
        self._clear()

    def _clear(self) -> None:
        self._model = TokenModel()
        self._held: deque[tuple[int, Coded, int]] = deque()
        self._steps_held = 0
        self._weights = Ranks()
        # Of each step: in how many sessions it came once, twice, …; and in how many at all.
        self._times: dict[str, Counter[int]] = {}
        self._seen: Counter[str] = Counter()

    def take(self, steps: Sequence[str], number: int, learn: bool = True) -> News:
        """Return how odd a session is, then learn it under the event's number.

        `share` is the part of its weight beyond that of the median session; 1 for the first ones.
        """
        length, steps = len(steps), steps[:MOST_STEPS]
        coded = self._model.code(_key(steps), steps)
        order, why_order = self._dearest_step(coded, length)
        counts, why_counts = self._oddest_count(steps, length)
        weight = round((order + counts) * FINE)
        usual = self._weights.median()
        share = max(0.0, 1 - usual / weight) if weight else 0.0
        why = why_counts if counts > order else why_order
        news = News(share, order + counts, weight, len(self._held), why=why)
        if learn:
            self._learn(coded, number, weight)
        else:
            self._model.drop(coded)
        return news

    def knows(self, step: str) -> bool:
        """Return whether a session that it holds has this step."""
        return step in self._seen

    def leave_out(self, numbers: Container[int]) -> None:
        """Forget the sessions of these numbers, as if they had not been learnt."""
        self.learn_all([one for one in self.sessions() if one[0] not in numbers])

    def sessions(self) -> list[tuple[int, int, list[str]]]:
        """Return what it holds, oldest first: the events' numbers, their weights then, their steps."""
        return [(number, weight, list(coded.tokens)) for number, coded, weight in self._held]

    def learn_all(self, sessions: Iterable[tuple[int, int, Sequence[str]]]) -> None:
        """Hold these sessions and nothing else: what `sessions` gave makes the same memory."""
        self._clear()
        for number, weight, steps in sessions:
            self._learn(self._model.code(_key(steps), steps), number, weight)

    def _dearest_step(self, coded: Coded, length: int) -> tuple[float, str]:
        costs = self._model.bits(coded)
        dearest = max(range(len(costs)), key=costs.__getitem__)
        return costs[dearest], _place(coded.tokens, dearest, length)

    def _oddest_count(self, steps: Sequence[str], length: int) -> tuple[float, str]:
        counted, sessions = Counter(steps), len(self._held)
        if not sessions:
            return 0.0, ""
        # In order, for the first of equals is named: that order must not depend on what was forgotten.
        missing = sorted(
            step for step, seen in self._seen.items() if 2 * seen > sessions and step not in counted
        )
        absent = {step: self._cost(step, 0) for step in missing}
        costs = {step: self._cost(step, times) for step, times in counted.items()} | absent
        oddest = max(costs, key=lambda step: costs[step], default=None)
        if oddest is None:
            return 0.0, ""
        # No session that is held lacks one of these, so none lacks several of them: their bits add up.
        never = [step for step in missing if self._seen[step] == sessions]
        together = sum(absent[step] for step in never)
        if together <= costs[oddest]:
            return costs[oddest], self._count_in_words(oddest, counted[oddest], length)
        first = max(never, key=lambda step: absent[step])
        return together, self._count_in_words(first, 0, length, len(never) - 1)

    def _cost(self, step: str, times: int) -> float:
        """Return the bits of a step's count, by Witten & Bell; a new count costs its distance too."""
        sessions, known = len(self._held), self._times.get(step, Counter())
        without = sessions - self._seen[step]
        kinds = len(known) + (without > 0)
        as_often = known.get(times, 0) if times else without
        if as_often:
            return -log2(as_often / (sessions + kinds))
        nearest = min(abs(times - other) for other in [*known, *([0] if without else [])])
        return -log2(kinds / (sessions + kinds)) + 2 * log2(1 + nearest)

    def _count_in_words(self, step: str, times: int, length: int, others: int = 0) -> str:
        seen, sessions = self._seen[step], len(self._held)
        known = self._times.get(step, Counter())
        usual = max(known, key=lambda count: (known[count], -count), default=0)
        came = f"is missing{_and(others)}" if not times else f"comes {_times(times)}"
        if length > MOST_STEPS:
            came += f" among the first {MOST_STEPS:,} of {length:,} steps"
        if not seen:
            return f"“{_short(step)}” {came}, and in none of {sessions:,} sessions before"
        return (
            f"“{_short(step)}” {came}; it is in {seen / sessions:.0%} of the sessions, mostly {_times(usual)}"
        )

    def _learn(self, coded: Coded, number: int, weight: int) -> None:
        self._model.learn(coded)
        self._held.append((number, coded, weight))
        self._steps_held += len(coded.tokens)
        self._weights.add(weight)
        for step, times in Counter(coded.tokens).items():
            self._times.setdefault(step, Counter())[times] += 1
            self._seen[step] += 1
        while len(self._held) > self._size or (len(self._held) > 1 and self._too_large()):
            self._forget()

    def _too_large(self) -> bool:
        return self._steps_held > self._most_held or len(self._model) > self._most_counts

    def _forget(self) -> None:
        _, coded, weight = self._held.popleft()
        self._steps_held -= len(coded.tokens)
        for step, times in Counter(coded.tokens).items():
            counts = self._times[step]
            counts[times] -= 1
            if not counts[times]:
                del counts[times]
            self._seen[step] -= 1
            if not self._seen[step]:
                del self._seen[step], self._times[step]
        self._weights.remove(weight)
        self._model.forget(coded)


def _key(steps: Sequence[str]) -> str:
    """Return a text that no other steps have, whatever characters are in them."""
    return json.dumps(steps)


def _place(steps: Sequence[str], index: int, length: int) -> str:
    after = f" after “{_short(steps[index - 1])}”" if index else ""
    if index < len(steps):
        return f"“{_short(steps[index])}”{after or ' at the beginning'} (step {index + 1:,} of {length:,})"
    if length > len(steps):
        return f"is longer than {len(steps):,} steps ({length:,})"
    return f"ends{after} ({length:,} steps)" if steps else "has no steps"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def _and(others: int) -> str:
    """The words for other steps that are missing too."""
    if not others:
        return ""
    return ", and another usual step" if others == 1 else f", and {others:,} other usual steps"


def _short(step: str) -> str:
    return step if len(step) <= _SHOWN else step[: _SHOWN - 1] + "…"
