"""Lines a second on one core, reading included, beside Drain3 and the former engine in the same run."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from time import process_time

from anomalies.detection import Parameters, detect
from benchmarks.detect import yardsticks
from benchmarks.detect.former import alarms as former
from benchmarks.detect.streams.systems import SYSTEMS
from benchmarks.detect.table import Table

_LINES, _FORMER = 100_000, 4_000
_ROUNDS = 3


def quiet() -> list[str]:
    """One service that reports by the clock."""
    return SYSTEMS["heartbeats"](Random("quiet"), _LINES)


def mixed(seed: str = "") -> list[str]:
    """The lines of twelve systems in a random order."""
    random = Random(f"mixed{seed}")
    streams = [iter(make(random, _LINES // len(SYSTEMS))) for make in SYSTEMS.values()]
    out = []
    while streams:
        stream = random.choice(streams)
        line = next(stream, None)
        if line is None:
            streams.remove(stream)
        else:
            out.append(line)
    return out


def measure(table: Table) -> None:
    for name, lines, target in (("quiet", quiet(), 40_000), ("mixed", mixed(), 25_000)):
        ours, drain = zip(*[(_detect(lines), _drain(lines)) for _ in range(_ROUNDS)], strict=True)
        before = len(lines[:_FORMER]) / _timed(lambda: former.spans(lines[:_FORMER]))  # noqa: B023
        table.row(f"lines a second, {name} log", max(ours), target, former=before, Drain3=max(drain))
        table.row("  as a share of Drain3's", max(ours) / max(drain), 0.8)


def _detect(lines: Sequence[str]) -> float:
    raw = [line.encode() for line in lines]
    return len(lines) / _timed(lambda: [*detect(raw, Parameters())])


def _drain(lines: Sequence[str]) -> float:
    miner = yardsticks.miner()
    return len(lines) / _timed(lambda: [miner.add_log_message(line) for line in lines])


def _timed(run: object) -> float:
    began = process_time()
    run()  # type: ignore[operator]
    return process_time() - began
