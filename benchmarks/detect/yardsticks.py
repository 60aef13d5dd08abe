"""What others raise an alarm for in a log, by first and last line: simple ways, and Drain3's templates."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence

from drain3 import TemplateMiner
from drain3.template_miner_config import TemplateMinerConfig

from anomalies.detection import pattern_of
from benchmarks.detect.figures import by_keyword

_LEARN = 110  # lines before the first alarm, as of ours
_TOUCH = 10  # lines: alarms that are nearer to each other are one
_WINDOW, _Z = 60, 5.0

logging.getLogger("drain3").setLevel(logging.ERROR)


def miner() -> TemplateMiner:
    """Drain3 with its defaults, and numbers masked as its own example does."""
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
    kinds = [drain.add_log_message(line)["change_type"] for line in lines]
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
