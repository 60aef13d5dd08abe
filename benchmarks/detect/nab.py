"""The score of the Numenta Anomaly Benchmark by its rules, standard profile.

Lavin and Ahmad, "Evaluating real-time anomaly detection algorithms", ICMLA 2015. Of each labelled window the
earliest alarm counts, by a sigmoid of its place relative to the window's end: 1 at its beginning, 0 at its
end. Each alarm outside costs 0.11, less where it follows a window closely; a window without an alarm costs 1.
The first 15 % of a series, 750 rows at most, are probation: alarms there neither count nor cost. The sum over
all series is put between a detector that never alarms (0) and one that is right at once (100).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp

from benchmarks.detect.streams.data import Series

FALSE_POSITIVE = 0.11  # the standard profile's weight; a true one and a missed window weigh 1
_THRESHOLDS = 60
_FAR = 3.0


def scaled_sigmoid(position: float) -> float:
    """1 well before a window's end, 0 at its end, -1 far behind it."""
    return -1.0 if position > _FAR else 2 / (1 + exp(5 * position)) - 1


def raw_score(size: int, windows: Sequence[tuple[int, int]], alarms: Sequence[int]) -> float:
    """The score of one series; `windows` have their first and last row, `alarms` are rows from 0."""
    begin = min(int(0.15 * size), 750)
    best = dict.fromkeys(windows, -1.0)
    score = 0.0
    for at in (one for one in alarms if one >= begin):
        window = next((one for one in windows if one[0] <= at <= one[1]), None)
        if window:
            width = window[1] - window[0] + 1
            value = scaled_sigmoid(-(window[1] - at + 1) / width) / scaled_sigmoid(-1)
            best[window] = max(best[window], value)
        else:
            score += FALSE_POSITIVE * _outside(windows, at)
    return score + sum(best.values())


def _outside(windows: Sequence[tuple[int, int]], at: int) -> float:
    former = [one for one in windows if one[1] < at]
    if not former:
        return -1.0
    first, last = former[-1]
    return scaled_sigmoid((at - last) / max(1, last - first))


def nab_score(series: Sequence[Series], alarms: Mapping[str, Sequence[int]]) -> float:
    """The normalised score of alarms by the names of the series."""
    windows = sum(len(one.windows) for one in series)
    total = sum(raw_score(len(one.values), one.windows, alarms[one.name]) for one in series)
    return 100 * (total + windows) / (2 * windows)


def best_score(series: Sequence[Series], scores: Mapping[str, Sequence[float]]) -> float:
    """The normalised score of the best one threshold for all series, every row that reaches it an alarm."""
    levels = sorted({value for one in scores.values() for value in one}, reverse=True)
    tried = levels[:_THRESHOLDS] + levels[_THRESHOLDS :: max(1, len(levels) // _THRESHOLDS)]
    return max(
        nab_score(
            series,
            {name: [at for at, one in enumerate(values) if one >= level] for name, values in scores.items()},
        )
        for level in tried
    )
