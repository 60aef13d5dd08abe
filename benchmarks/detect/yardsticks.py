"""The obvious detectors that metrics are held against: z-score, windowed Gaussian, isolation forest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

_EULER = 0.5772156649


def z_score(values: Sequence[float], size: int = 500, least: int = 100) -> list[float]:
    """How many standard deviations each value is from the mean of the `size` before it."""
    return _departures(values, size, 1, least)


def windowed_gaussian(values: Sequence[float], size: int = 6_400, step: int = 100) -> list[float]:
    """One less the chance of a value under a normal distribution of the last `size`, renewed each `step`, as
    NAB's detector of that name."""
    return [math.erf(value / math.sqrt(2)) for value in _departures(values, size, step, 2)]


def _departures(values: Sequence[float], size: int, step: int, least: int) -> list[float]:
    found: list[float] = []
    first, total, squares, mean, spread = 0, 0.0, 0.0, 0.0, 0.0
    for at, value in enumerate(values):
        if at % step == 0 and at - first > 1:
            mean = total / (at - first)
            spread = math.sqrt(max(0.0, squares / (at - first) - mean * mean)) or 1e-9
        found.append(abs(value - mean) / spread if at >= least and spread else 0.0)
        total, squares = total + value, squares + value * value
        if at - first >= size:
            total, squares = total - values[first], squares - values[first] ** 2
            first += 1
    return found


class IsolationForest:
    """Random trees that part rows; what is parted early is odd (Liu, Ting and Zhou, ICDM 2008)."""

    def __init__(self, rows: Sequence[Sequence[float]], trees: int = 50, sample: int = 256) -> None:
        draw = Random(1)
        self._size = min(sample, len(rows))
        depth = math.ceil(math.log2(max(2, self._size)))
        self._trees = [_Tree(draw.sample(list(rows), self._size), depth, draw) for _ in range(trees)]

    def score(self, row: Sequence[float]) -> float:
        """0 to 1; the odder the nearer to 1."""
        mean = sum(tree.depth(row) for tree in self._trees) / len(self._trees)
        return float(2 ** (-mean / _usual_depth(self._size)))


class _Tree:
    def __init__(self, rows: list[Sequence[float]], left: int, draw: Random) -> None:
        self._rows, self._parts = len(rows), None
        columns = [at for at in range(len(rows[0])) if len({row[at] for row in rows}) > 1] if rows else []
        if left and len(rows) > 1 and columns:
            column = draw.choice(columns)
            values = [row[column] for row in rows]
            cut = draw.uniform(min(values), max(values))
            low, high = [r for r in rows if r[column] < cut], [r for r in rows if r[column] >= cut]
            self._parts = (column, cut, _Tree(low, left - 1, draw), _Tree(high, left - 1, draw))

    def depth(self, row: Sequence[float]) -> float:
        tree, depth = self, 0
        while tree._parts:
            column, cut, low, high = tree._parts
            tree, depth = low if row[column] < cut else high, depth + 1
        return depth + _usual_depth(tree._rows)


def _usual_depth(rows: int) -> float:
    return 2 * (math.log(rows - 1) + _EULER) - 2 * (rows - 1) / rows if rows > 2 else float(rows == 2)
