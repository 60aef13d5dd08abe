"""How many bits a line costs somebody who has read the baseline: which line is odd, and how odd.

Leaving each line out of its window and compressing again is the obvious method and the wrong one: lines that
repeat hide each other (docs/detection.md).
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from .tokens import TokenModel

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


class Reader:
    """Somebody who has read the baseline and takes the lines after it as they come.

    `baseline` holds normalised lines. What its later half cost when they came, with what stood before them
    known, is the measure for what is usual here.
    """

    def __init__(self, baseline: Sequence[str]) -> None:
        self._model = TokenModel()
        rates = []
        for line in baseline:
            rates.append(self.read(line).rate)
            self._model.learn(self._model.code(line))
        self._usual = sorted(rates[len(rates) // 2 :])

    def read(self, line: str) -> Surprise:
        """Return what a normalised line costs given the baseline, whatever else has been read since."""
        coded = self._model.code(line)
        costs = self._model.bits(coded)
        self._model.drop(coded)
        return Surprise(sum(costs), sum(costs) / coded.size, tuple(coded.tokens), tuple(costs))

    def finds_odd(self, surprise: Surprise) -> bool:
        """Say whether at most one in twenty lines here cost as much per byte: the line's conformal p ≤ .05.

        Never so for a baseline of fewer than 37 lines, which cannot show it.
        """
        as_dear = len(self._usual) - bisect_left(self._usual, surprise.rate)
        return (1 + as_dear) / (1 + len(self._usual)) <= _ODD_SHARE
