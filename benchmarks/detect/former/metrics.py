"""The alarms of the former metric engine: ranks among 2,000 windows, its gates, windows that touch merged."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.detect.former.metric_series import MEMORY, Metrics
from benchmarks.detect.former.significance import History, Judged, Weights, conformal

BASELINE, WINDOW, COLD = 100, 10, 99
NOVELTY, P_VALUE = 0.5, 0.05

Row = Sequence[tuple[str, float]]


def p_values(rows: Sequence[Row]) -> list[float]:
    """The p of each window, from the first one on that is ranked."""
    return [p for p, _ in _windows(rows)]


def alarms(rows: Sequence[Row]) -> list[tuple[int, int]]:
    """First and last row, from 0, of each alarm."""
    found: list[tuple[int, int]] = []
    shares: list[tuple[int, float]] = []
    for at, (p, (weight, share)) in enumerate(_windows(rows)):
        shares = [*shares, (weight, share)][-WINDOW:]
        if max(shares)[1] < NOVELTY or p >= P_VALUE:
            continue
        last = at + BASELINE + WINDOW + COLD - 1
        if found and last - WINDOW + 1 <= found[-1][1] + 1:
            found[-1] = found[-1][0], last
        else:
            found.append((last, last))
    return found


def _windows(rows: Sequence[Row]) -> list[tuple[float, tuple[int, float]]]:
    metrics, history, found = Metrics(), History(MEMORY), []
    for at, row in enumerate(rows):
        news = metrics.take(row, at)
        if at < BASELINE + WINDOW - 1:
            continue
        weights = Weights(news.lasting, news.weight)
        if len(history) >= COLD:
            found.append((conformal(weights, history).p_value, (news.weight, news.share)))
        history.add(Judged(at, at, weights))
    return found
