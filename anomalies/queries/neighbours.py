"""What is usual for a stream, and what else happened in it: both read by the stream's own index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection

from anomalies.models import Anomaly

from .keyset import beyond, cursor_of, reverse

NEWEST = 1_000  # anomalies that tell what is usual
ON_EACH_SIDE = 40
# Of at least so many, what lies a day and so many times as far away as three of four of them is left out.
_ENOUGH, _FAR, _DAY = 8, 20, timedelta(days=1)
_ORDER = ("-timestamp", "-id")
_MEASURES = ("ncd_score", "novelty", "p_value")
_SHARES = "ARRAY[0.05, 0.5, 0.95]::float8[]"
_USUAL = f"""
    SELECT count(*), {", ".join(f"percentile_cont({_SHARES}) WITHIN GROUP (ORDER BY {m})" for m in _MEASURES)}
    FROM (SELECT {", ".join(_MEASURES)} FROM anomalies WHERE stream_type = %s
          ORDER BY timestamp DESC, id DESC LIMIT {NEWEST}) AS newest
"""  # noqa: S608 - all of it is ours


@dataclass(frozen=True, slots=True)
class Range:
    """Where nine of ten values lie: the 5 % and 95 % quantiles and the median."""

    low: float
    median: float
    high: float


@dataclass(frozen=True, slots=True)
class Usual:
    """The ranges of a stream's newest anomalies by measure, and how many those are."""

    count: int
    ranges: dict[str, Range]


def usual(stream_type: str) -> Usual:
    """What is usual among the NEWEST anomalies of a stream; no range for what none of them has."""
    with connection.cursor() as cursor:
        cursor.execute(_USUAL, [stream_type])
        count, *quantiles = cursor.fetchone()
    found = zip(_MEASURES, quantiles, strict=True)
    return Usual(count, {name: Range(*values) for name, values in found if values and values[0] is not None})


def around(anomaly: Anomaly) -> list[Any]:
    """The anomalies of the same stream next to this one in time, it among them, the newest first."""
    stream = Anomaly.objects.for_list().filter(stream_type=anomaly.stream_type)
    place = cursor_of(anomaly, _ORDER)
    sides = [
        beyond(stream.order_by(*order), order, place)[:ON_EACH_SIDE] for order in (_ORDER, reverse(_ORDER))
    ]
    found = [*_near(anomaly, list(sides[0].union(sides[1], all=True))), anomaly]
    return sorted(found, key=lambda each: (each.timestamp, each.pk), reverse=True)


def _near(anomaly: Anomaly, others: list[Any]) -> list[Any]:
    """Those that are not far beyond all others: beside a clock that is years ahead nothing else is seen."""
    if len(others) < _ENOUGH:
        return others
    away = {each.pk: abs(each.timestamp - anomaly.timestamp) for each in others}
    most = max(_DAY, _FAR * sorted(away.values())[len(others) * 3 // 4])
    return [each for each in others if away[each.pk] <= most]
