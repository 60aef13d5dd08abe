"""The usual ranges of a source and the anomalies near one in time, both read by an index of their own.

An anomaly is compared with those of its source: a stream alone lumps this week's web server with the log of
another machine from years ago. One that names no source is compared with its whole stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet

from anomalies.models import Anomaly

from .bounded.listing import Listing
from .bounded.pages import answered
from .bounded.sql import Sql, hidden, sql, with_queries
from .bounded.together import Read, Rows
from .bounded.walks import Walk, source_walk, state_walk
from .keyset import cursor_of, reverse

NEWEST = 400  # anomalies from which the usual ranges are computed; of each status as many are looked at
ON_EACH_SIDE = 40  # anomalies
# With at least _ENOUGH neighbours, those farther than a day and than _FAR times the third quartile of the
# distances are left out.
_ENOUGH, _FAR, _DAY = 8, 20, timedelta(days=1)
_ORDER = ("-timestamp", "-id")
_MEASURES = ("ncd_score", "novelty", "p_value")
_SHARES = "ARRAY[0.05, 0.5, 0.95]::float8[]"
_QUANTILES = ", ".join(f"percentile_cont({_SHARES}) WITHIN GROUP (ORDER BY {name})" for name in _MEASURES)


@dataclass(frozen=True, slots=True)
class Range:
    """The range of nine in ten values: the 5 % and 95 % quantiles, and the median."""

    low: float
    median: float
    high: float


@dataclass(frozen=True, slots=True)
class Usual:
    """The ranges of the newest anomalies of a source by measure, and their number."""

    count: int
    ranges: dict[str, Range]


def usual(anomaly: Anomaly) -> Read[Usual]:
    """The ranges among the NEWEST anomalies of its source and stream; a measure without values is absent."""
    return Read(_newest(anomaly), _usual)


def _usual(rows: Rows) -> Usual:
    [(count, *quantiles)] = rows
    found = zip(_MEASURES, quantiles, strict=True)
    return Usual(count, {name: Range(*values) for name, values in found if values and values[0] is not None})


def _newest(anomaly: Anomaly) -> Sql:
    """Count and quantiles of the NEWEST anomalies of a source and stream."""
    walk = _walk_of(anomaly)
    return sql(
        "{queries} SELECT count(*), {quantiles} FROM anomalies WHERE id = ANY (ARRAY("
        "SELECT newest.id FROM segment CROSS JOIN LATERAL ("
        "SELECT anomalies.id, anomalies.timestamp FROM ("
        "SELECT anomalies.* {entries} LIMIT {newest}"
        ") AS anomalies WHERE {same} AND stream_type = {stream}"
        ") AS newest ORDER BY newest.timestamp DESC, newest.id DESC LIMIT {newest}))",
        queries=with_queries([("segment", walk.given())]),
        quantiles=_QUANTILES,
        entries=walk.entries,
        # Hidden: where the planner expects fewer rows than these, it would read and sort them all.
        newest=hidden(NEWEST, "bigint"),
        same=walk.same,
        stream=Sql("%s", (anomaly.stream_type,)),
    )


def of_source(anomaly: Anomaly) -> Listing:
    """The anomalies of its source; those of its stream where it names none."""
    if anomaly.source:
        rows = Anomaly.objects.filter(source=anomaly.source)
        return Listing(rows, columns=frozenset({"source"}), source=anomaly.source)
    rows = Anomaly.objects.filter(stream_type=anomaly.stream_type)
    return Listing(rows, columns=frozenset({"stream_type"}), streams=(anomaly.stream_type,))


def _walk_of(anomaly: Anomaly) -> Walk:
    listing = of_source(anomaly)
    return source_walk(listing) if listing.source else state_walk(listing)


def around(anomaly: Anomaly) -> list[Any]:
    """The nearest anomalies of the same source in time, including this one, newest first."""
    place = cursor_of(anomaly, _ORDER)
    sides: list[QuerySet[Anomaly]] = [
        answered(of_source(anomaly), order, place, ON_EACH_SIDE, Anomaly.objects.for_list())
        for order in (_ORDER, reverse(_ORDER))
    ]
    found = [*_near(anomaly, list(sides[0].union(sides[1], all=True))), anomaly]
    return sorted(found, key=lambda each: (each.timestamp, each.pk), reverse=True)


def _near(anomaly: Anomaly, others: list[Any]) -> list[Any]:
    """The others without outliers: a time years ahead would compress the rest of the chart to a point."""
    if len(others) < _ENOUGH:
        return others
    away = {each.pk: abs(each.timestamp - anomaly.timestamp) for each in others}
    most = max(_DAY, _FAR * sorted(away.values())[len(others) * 3 // 4])
    return [each for each in others if away[each.pk] <= most]
