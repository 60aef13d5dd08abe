"""Metrics: the score of the Numenta Anomaly Benchmark, standard profile, with one threshold for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp
from random import Random
from statistics import fmean, pstdev

from anomalies.detection import Event, Parameters
from anomalies.detection.scoring.scorers import SCORERS
from anomalies.detection.significance import joined
from benchmarks.detect.data import Series
from benchmarks.detect.figures import ncd
from benchmarks.detect.table import Table

FALSE_POSITIVE = 0.11  # the standard profile's weight; a true one and a missed window weigh 1
_TOGETHER = 10  # points: alarms that are nearer to each other are one episode, as windows of ten that touch
_THRESHOLDS = 300


def scaled_sigmoid(position: float) -> float:
    """1 well before a window's end, 0 at its end, -1 far behind it (Lavin & Ahmad, "Evaluating real-time
    anomaly detection algorithms", ICMLA 2015)."""
    return -1.0 if position > 3 else 2 / (1 + exp(5 * position)) - 1


def raw_score(size: int, windows: Sequence[tuple[int, int]], alarms: Sequence[int]) -> float:
    """The score of one series: the earliest alarm of each window counts, and each one outside."""
    probation = min(int(0.15 * size), 750)
    windows = [window for window in windows if window[1] >= probation]
    best: dict[tuple[int, int], float] = {}
    score = 0.0
    for at in (one for one in alarms if one >= probation):
        window = next((one for one in windows if one[0] <= at <= one[1]), None)
        if window:
            width = window[1] - window[0] + 1
            value = scaled_sigmoid(-(window[1] - at + 1) / width) / scaled_sigmoid(-1)
            best[window] = max(best.get(window, -1.0), value)
        else:
            former = [one for one in windows if one[1] < at]
            after = (at - former[-1][1]) / max(1, former[-1][1] - former[-1][0]) if former else None
            score += FALSE_POSITIVE * (-1.0 if after is None else scaled_sigmoid(after))
    return score + sum(best.values()) - sum(window not in best for window in windows)


def nab_score(series: Sequence[Series], scores: Mapping[str, Sequence[float]]) -> float:
    """0 for who never alarms, 100 for who is always right at once; the best of one threshold for all."""
    counted = {
        one.name: [w for w in one.windows if w[1] >= min(int(0.15 * len(one.values)), 750)] for one in series
    }
    windows = sum(map(len, counted.values()))
    levels = sorted({value for one in scores.values() for value in one}, reverse=True)
    levels = levels[:_THRESHOLDS] + levels[_THRESHOLDS :: max(1, len(levels) // _THRESHOLDS)]
    totals = (
        sum(raw_score(len(one.values), one.windows, _episodes(scores[one.name], level)) for one in series)
        for level in levels
    )
    return 100 * (max(totals) + windows) / (2 * windows)


def _episodes(scores: Sequence[float], level: float) -> list[int]:
    begun, last = [], -_TOGETHER - 1
    for at, score in enumerate(scores):
        if score >= level:
            if at - last > _TOGETHER:
                begun.append(at)
            last = at
    return begun


def ours(values: Sequence[float]) -> list[float]:
    """1 - p of each point, all views together, as the detector has it."""
    scorer = SCORERS["metrics"](Parameters())
    events = (Event(at, "", None, values=(("value", value),)) for at, value in enumerate(values, 1))
    return [1 - joined(scorer.take(event, True), scorer.weights) for event in events]


def normal_p(one: Series, shuffled: bool) -> list[float]:
    """The p-values of a series without its labelled windows, warm."""
    kept = [value for at, value in enumerate(one.values) if not any(a <= at <= b for a, b in one.windows)]
    values = Random(1).sample(kept, len(kept)) if shuffled else kept
    return [1 - score for score in ours(values)][210:]


def z_score(values: Sequence[float], size: int = 500) -> list[float]:
    scores = []
    for at, value in enumerate(values):
        past = values[max(0, at - size) : at]
        scores.append(abs(value - fmean(past)) / (pstdev(past) or 1e-9) if len(past) >= 100 else 0.0)
    return scores


def naive(values: Sequence[float]) -> list[float]:
    """NCD of ten points against the hundred before them, as text."""
    texts = [f"{value:.3g}".encode() for value in values]
    scores = [0.0] * min(110, len(values))
    return scores + [
        ncd(b" ".join(texts[at - 110 : at - 10]), b" ".join(texts[at - 10 : at]))
        for at in range(111, len(values) + 1)
    ]


def measure(series: Sequence[Series], table: Table) -> None:
    def total(way: object) -> float:
        return nab_score(series, {one.name: way(one.values) for one in series})  # type: ignore[operator]

    always = nab_score(series, {one.name: [1.0] * len(one.values) for one in series})
    name = f"NAB, standard profile, {len(series)} series"
    table.row(name, total(ours), 58, z_score=total(z_score), naive=total(naive), always_alarm=always)
