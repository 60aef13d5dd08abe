"""Speed at 100/10/1, warm: against 100 permutations a window, and against compression figures alone."""

from __future__ import annotations

from random import Random
from time import perf_counter

from anomalies.detection.compression import ncd as figure
from anomalies.detection.scoring.masking import normalise
from anomalies.detection.scoring.text_memory import Memory
from anomalies.detection.significance import History, Judged, Weights, conformal
from benchmarks.detect.data import Log, normalised
from benchmarks.detect.figures import permutation_p
from benchmarks.detect.logs import BASELINE, WINDOW
from benchmarks.detect.table import Table

_ROUNDS = 3
_SAMPLE = 40  # windows that the naive way is timed on


def measure(log: Log, table: Table) -> None:
    ours = min(_ours(log) for _ in range(_ROUNDS + 1))
    size = BASELINE + WINDOW
    starts = range(0, len(log.raw) - size, max(1, (len(log.raw) - size) // _SAMPLE))
    naive = _permuted(log.raw, starts)
    lines = [line.encode() for line in normalised(log)]
    alone = min(
        _timed(lambda: [_figures(lines[at : at + size]) for at in starts]) / len(starts)
        for _ in range(_ROUNDS)
    )
    words = f"{log.name}: times as fast as 100 permutations a window"
    table.row(
        words, naive / ours, 200, ours_us=1e6 * ours, naive_us=1e6 * naive,
        if_it_normalised_first=_permuted(lines, starts) / ours,
    )  # fmt: skip
    words = f"{log.name}: p for every window against compression alone"
    table.row(words, ours / alone, 2, at_most=True, compression_us=1e6 * alone)


def _permuted(lines: list[bytes], starts: range) -> float:
    """Seconds a window of the naive way."""
    size, random = BASELINE + WINDOW, Random(4)
    return _timed(lambda: [permutation_p(lines[at : at + size], WINDOW, random) for at in starts]) / len(
        starts
    )


def _ours(log: Log) -> float:
    """Seconds a window: normalise, weigh, learn, rank."""
    texts = [event.text for event in log.events()]
    memory, history = Memory(BASELINE), History()
    weights: list[int] = []

    def run() -> None:
        for at, text in enumerate(texts):
            weights.append(memory.take(normalise(text), at).weight)
            window = weights[-WINDOW:]
            weighed = Weights(sum(window), max(window))
            conformal(weighed, history)
            history.add(Judged(at, at, weighed))

    run()
    return _timed(run) / len(texts)


def _figures(lines: list[bytes]) -> float:
    return figure(b"\n".join(lines[:BASELINE]), b"\n".join(lines[BASELINE:]))


def _timed(run: object) -> float:
    began = perf_counter()
    run()  # type: ignore[operator]
    return perf_counter() - began
