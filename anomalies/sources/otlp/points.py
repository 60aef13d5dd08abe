"""Data points as the values of gauges, which is what a detector of metrics reads.

A counter only rises, so its level says nothing; its increase per second does (Prometheus calls it rate). A
cumulative point is compared with the one before it of its series; after a restart, which a later start time
or a smaller value shows, there is none to compare with. A delta point has its own interval. A histogram or a
summary is reduced to how many values there were per second (`.rate`) and their mean (`.mean`).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric

MOST_SERIES = 20_000  # cumulative series of a stream whose last point is kept, the latest ones
_MOST_QUANTILES = 20  # of a point
_CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
_NO_VALUE = 1  # the flag of a point that says that its series has ended
_SECOND = 10**9
Totals = tuple[float, float]  # how many values, and their sum; of a counter its value twice


class Rates:
    """The last points of cumulative series, by name: when, since when, and the totals."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, int, float, float]] = {}

    def state(self) -> Any:
        """Return what is kept as plain JSON values, for `restore`."""
        return self._last

    def restore(self, state: Any) -> None:
        """Restore what `state` returned."""
        self._last = {
            name: (time, since, count, total) for name, (time, since, count, total) in state.items()
        }

    def values(self, metric: Metric, instance: str) -> Iterator[tuple[str, Any, float]]:
        """Yield the values of a metric: the name, the point it is of, and the number.

        `instance` names what sends it: each instance counts for itself.
        """
        kind = metric.WhichOneof("data")
        if kind is None:
            return
        data = getattr(metric, kind)
        for point in data.data_points:
            if point.flags & _NO_VALUE:
                continue
            for suffix, value in self._of_point(kind, data, point, f"{metric.name}\n{instance}"):
                if isfinite(value):
                    yield metric.name + suffix, point, value

    def _of_point(self, kind: str, data: Any, point: Any, owner: str) -> Iterator[tuple[str, float]]:
        is_cumulative = kind == "summary" or (kind != "gauge" and data.aggregation_temporality == _CUMULATIVE)
        if kind == "gauge" or (kind == "sum" and not data.is_monotonic):
            yield "", _number(point)
            return
        totals = (_number(point),) * 2 if kind == "sum" else (float(point.count), point.sum)
        found = self._since_last(owner, point, totals) if is_cumulative else _of_interval(point, totals)
        if found is not None:
            seconds, (count, total) = found
            yield ".rate", count / seconds
            if kind != "sum" and count:
                yield ".mean", total / count
        if kind == "summary":
            for one in point.quantile_values[:_MOST_QUANTILES]:
                yield f".quantile{one.quantile:g}", one.value
        elif kind != "sum" and not is_cumulative:
            yield from ((f".{name}", getattr(point, name)) for name in ("min", "max") if point.HasField(name))

    def _since_last(self, owner: str, point: Any, totals: Totals) -> tuple[float, Totals] | None:
        """Return the seconds and the increase since the series' last point; None without one."""
        if not all(map(isfinite, totals)):
            return None
        name = "\n".join([owner, *sorted(_written(one) for one in point.attributes)])
        time, since, (count, total) = point.time_unix_nano, point.start_time_unix_nano, totals
        last = self._last.pop(name, None)
        if last is not None and time <= last[0]:
            self._last[name] = last
            return None
        self._last[name] = (time, since, count, total)
        if len(self._last) > MOST_SERIES:
            del self._last[next(iter(self._last))]
        if last is None or since > last[1] or count < last[2]:
            return None
        return (time - last[0]) / _SECOND, (count - last[2], total - last[3])


def _of_interval(point: Any, totals: Totals) -> tuple[float, Totals]:
    """Return the seconds of a delta point, 1 where it does not say, and its totals."""
    seconds = (point.time_unix_nano - point.start_time_unix_nano) / _SECOND
    return (seconds if point.start_time_unix_nano and seconds > 0 else 1.0), totals


def _number(point: Any) -> float:
    """Return the number of a point; NaN where it has none."""
    kind = point.WhichOneof("value")
    return float(getattr(point, kind)) if kind else float("nan")


def _written(attribute: Any) -> str:
    return f"{attribute.key}={attribute.value.SerializeToString(deterministic=True).hex()}"
