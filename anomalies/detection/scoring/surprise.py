"""The surprise of a line given the baseline before it, in bits, and the lines that are odd by it.

The code length of a line under a model that has learnt the baseline estimates -log2 of its probability
(Shannon 1948). A line is odd where its conformal p among the baseline's own lines is .05 or less (Vovk,
Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005).

Leaving each line out of its window and compressing again is the obvious method and the wrong one: lines that
repeat hide each other (docs/detection.md).
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from .token_model import TokenModel

_ODD_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Surprise:
    """The code length of a line: `bits` in all and `rate`, bits per byte of its normalised text.

    `costs` has the bits of each of its `tokens`, and those of its end.
    """

    bits: float
    rate: float
    tokens: tuple[str, ...] = ()
    costs: tuple[float, ...] = ()


class Usual:
    """The usual costs of events, as sorted rates in bits per byte."""

    def __init__(self, rates: Sequence[float]) -> None:
        self._rates = sorted(rates)

    def finds_odd(self, surprise: Surprise) -> bool:
        """Return whether at most one in twenty cost as much: the event's conformal p ≤ .05.

        Never so where fewer than 19 are known, which cannot show it.
        """
        as_dear = len(self._rates) - bisect_left(self._rates, surprise.rate)
        return (1 + as_dear) / (1 + len(self._rates)) <= _ODD_SHARE


class Reader:
    """A model that has learnt the baseline, for the lines after it.

    `baseline` holds normalised lines. What its later half cost when they came, with what stood before them
    known, is the measure for what is `usual` here; with fewer than 37 lines nothing is odd.
    """

    def __init__(self, baseline: Sequence[str]) -> None:
        self._model = model = TokenModel()
        self._read: dict[str, Surprise] = {}
        rates = []
        for number, line in enumerate(baseline):
            coded = model.code(line)
            if number >= len(baseline) // 2:
                rates.append(sum(model.bits(coded)) / coded.size)
            model.learn(coded)
        self.usual = Usual(rates)

    def read(self, line: str) -> Surprise:
        """Return what a normalised line costs given the baseline, whatever else has been read since."""
        surprise = self._read.get(line)
        if surprise is None:
            surprise = self._read[line] = self._surprise(line)
        return surprise

    def _surprise(self, line: str) -> Surprise:
        coded = self._model.code(line)
        costs = self._model.bits(coded)
        self._model.drop(coded)
        bits = sum(costs)
        return Surprise(bits, bits / coded.size, tuple(coded.tokens), tuple(costs))
