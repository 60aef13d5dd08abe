"""The period of a series that no clock gives: by autocorrelation.

The autocorrelation of a periodic series has a peak at each multiple of the period (Box and Jenkins 1970).
The values are averaged down to 256, the first high peak behind the first dip below zero is taken, and the
lag is then refined with all values. It is only a proposal: whether the period is used, its predictions
decide (`season`).
"""

from collections.abc import Sequence

PAST = 2_048  # values that are searched
_COARSE = 256
_CLEAR = 0.3  # of an autocorrelation that makes a period
_LEAST = 8  # points of a period


def find_period(values: Sequence[float]) -> int | None:
    """Return the period of evenly spaced values in points; None where none is clear, or three do not fit."""
    factor = max(1, len(values) // _COARSE)
    coarse = _centred(
        [sum(values[at : at + factor]) / factor for at in range(0, len(values) - factor + 1, factor)]
    )
    most = len(coarse) // 3
    found = [_correlation(coarse, lag) for lag in range(most + 2)] if most > 2 else []
    dip = next((lag for lag, value in enumerate(found) if value < 0), None)
    if dip is None:
        return None
    peak = max(range(dip, most + 1), key=found.__getitem__, default=0)
    first = next(
        (lag for lag in range(dip, peak + 1) if _is_peak(found, lag) and found[lag] > 0.8 * found[peak]), peak
    )
    if found[first] < _CLEAR:
        return None
    full = _centred(values) if factor > 1 else coarse
    near = range(max(2, (first - 1) * factor + 1), (first + 1) * factor)
    period = max(near, key=lambda lag: _correlation(full, lag)) if factor > 1 else first
    return period if period >= _LEAST else None


def _centred(values: Sequence[float]) -> list[float]:
    mean = sum(values) / max(1, len(values))
    return [value - mean for value in values]


def _correlation(values: Sequence[float], lag: int) -> float:
    total = sum(value * value for value in values)
    return sum(map(float.__mul__, values[lag:], values)) / total if total > 0 else 0.0


def _is_peak(found: Sequence[float], lag: int) -> bool:
    return found[lag] >= found[lag - 1] and found[lag] >= found[lag + 1]
