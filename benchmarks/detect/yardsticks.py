"""Simple detectors beside ours, of logs and of metrics.

Logs: what is raised as alarms, by first and last line, by words, by rates and by Drain3's templates. Metrics:
scores by z-score, windowed Gaussian and isolation forest.
"""

from __future__ import annotations

import logging
import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from random import Random
from typing import TYPE_CHECKING

from anomalies.detection import pattern_of
from benchmarks.detect.figures import by_keyword

if TYPE_CHECKING:
    from drain3 import TemplateMiner

_EULER = 0.5772156649
_LEARN = 110  # lines before the first alarm, as of ours
_TOUCH = 10  # lines: alarms that are nearer to each other are one
_WINDOW, _Z = 60, 5.0

logging.getLogger("drain3").setLevel(logging.ERROR)


def miner() -> TemplateMiner:
    """Drain3 with its defaults. Only this function needs the package.

    For templates it is given patterns (`pattern_of`), as its authors advise masking first: of raw lines whose
    times and process numbers vary it makes a template for each session.
    """
    from drain3 import TemplateMiner
    from drain3.template_miner_config import TemplateMinerConfig

    config = TemplateMinerConfig()
    config.profiling_enabled = False
    return TemplateMiner(config=config)


def merged(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Alarms at these lines, those that are near to each other as one."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number <= found[-1][1] + _TOUCH:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return found


def new_templates(lines: Sequence[str]) -> list[tuple[int, int]]:
    """Each line of which Drain3 makes a template that it did not have."""
    drain = miner()
    kinds = [drain.add_log_message(pattern_of(line))["change_type"] for line in lines]
    return merged(n for n, kind in enumerate(kinds, 1) if kind == "cluster_created" and n > _LEARN)


def rates(lines: Sequence[str]) -> list[tuple[int, int]]:
    """Each block of 60 lines in which a pattern comes 5 standard deviations more or less than before."""
    blocks: list[Counter[str]] = []
    past: dict[str, deque[int]] = defaultdict(lambda: deque(maxlen=100))
    found = []
    for begin in range(0, len(lines) - _WINDOW + 1, _WINDOW):
        block = Counter(map(pattern_of, lines[begin : begin + _WINDOW]))
        if len(blocks) >= 5 and any(_is_far(block[one], past[one], len(blocks)) for one in {*block, *past}):
            found.append((begin + 1, begin + _WINDOW))
        for one in {*block, *past}:
            past[one].append(block[one])
        blocks.append(block)
    return found


def _is_far(count: int, past: Sequence[int], blocks: int) -> bool:
    size = min(blocks, 100)
    mean = sum(past) / size
    spread = (sum(one * one for one in past) / size - mean * mean) ** 0.5
    return abs(count - mean) > _Z * max(spread, 0.5)


def keywords(lines: Sequence[str]) -> list[tuple[int, int]]:
    """Each line with a word like error or failed in it."""
    return merged(n for n, hits in enumerate(by_keyword(lines), 1) if hits and n > _LEARN)


def z_score(values: Sequence[float], size: int = 500, least: int = 100) -> list[float]:
    """Return the distance of each value from the mean of the `size` before it, in standard deviations."""
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
