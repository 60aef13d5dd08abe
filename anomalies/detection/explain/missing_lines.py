"""Lines that stopped: they came regularly in the baseline and are absent from an episode.

For each line of the baseline the chance that it does not come in the episode is estimated from its gaps, as
exp(-events / wait). The mean wait from a random moment is Σgap² / 2Σgap (the inspection paradox: Feller, "An
Introduction to Probability Theory and Its Applications" II, 1971), which is longer for lines in bursts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

from .nearest_line import PIECE

_CHANCE = 0.01  # of none at all, at the rate of the baseline
_LONGER = 3  # times: an absence beside the longest one that the baseline itself holds
_OFTEN = 5  # times a line came before it can be missed
_MOST_TOLD = 5


@dataclass(frozen=True, slots=True)
class Gone:
    """A normalised line that stopped: it came once in `every` events, and would have come `expected` times.

    `chance` is that of none at all, by how it came in the baseline, bursts allowed for. `absent` is for how
    many events it has been missing, `index` where it came last in the baseline, from 0.
    """

    text: str
    every: float
    expected: float
    chance: float
    absent: int
    index: int


def disappeared(baseline: Sequence[str], window: Sequence[str], events: int) -> tuple[Gone, ...]:
    """Return the lines that stopped, the most expected first, five at most.

    All lines are normalised; `window` holds every different line of an episode of `events` events. A line is
    missed when the chance of none is 1 % or less, and when the episode is at least three times as long as its
    longest absence in the baseline, ends included. One of which a single word has changed into a line that is
    new is not gone but replaced, and left out.

    The chance is exp(-events / wait): wait is how long one waits for the line from anywhere in the baseline,
    Σgap² / 2Σgap, and no less than 1 / rate. It is that of a Poisson stream where the line comes evenly or
    by chance, and larger where it comes in bursts.
    """
    places: dict[str, list[int]] = {}
    for index, text in enumerate(baseline):
        if text:
            places.setdefault(text, []).append(index)
    present = set(window)
    new = [tuple(PIECE.findall(text)) for text in sorted(present - places.keys())]
    found = []
    for text, seen in places.items():
        gone = _gone(text, seen, len(baseline), events)
        if gone and text not in present and not _is_replaced(text, new):
            found.append(gone)
    return tuple(sorted(found, key=lambda gone: (-gone.expected, gone.index))[:_MOST_TOLD])


def _gone(text: str, places: Sequence[int], size: int, events: int) -> Gone | None:
    every = size / len(places)
    ends = zip([-1, *places], [*places, size], strict=True)
    gaps = [after - before for before, after in ends]
    wait = max(every, sum(gap * gap for gap in gaps) / (2 * sum(gaps)))
    chance = exp(-events / wait)
    if len(places) < _OFTEN or chance > _CHANCE or events < _LONGER * (max(gaps) - 1):
        return None
    return Gone(text, every, events / every, chance, events, places[-1])


def _is_replaced(text: str, new: Sequence[tuple[str, ...]]) -> bool:
    pieces = tuple(PIECE.findall(text))
    return any(_differ_in_one(pieces, other) for other in new)


def _differ_in_one(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    if len(one) != len(other) or len(one) < 2:
        return False
    return sum(was != now for was, now in zip(one, other, strict=True)) <= 1
