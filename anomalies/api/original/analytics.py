"""Analytics by the names of the original server: a summary, a timeline of compression, a heatmap of NCD.

That server read the newest 10,000 anomalies. Here what the roll-up counts is exact for any range; what it
does not count is still read from the newest ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Avg, Max, Min, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from anomalies.models import Anomaly, Status, Stream
from anomalies.queries import hourly_rollup
from anomalies.queries.bounded.filter_figures import figures_of
from anomalies.queries.bounded.filter_listing import listing_of
from anomalies.queries.bounded.pages import page_after
from anomalies.queries.bounded.walks import NEWEST_FIRST
from anomalies.queries.filters import AnomalyFilter

from ..access import needs, reads_replica
from ..filters import refuse_unknown
from ..problems import Problem, ProblemError
from ..reading import REFUSED
from ..rows import number, with_columns
from .anomalies import filterset_of

router = Router(tags=["original"])
_READ = needs("read")
_ADDRESSES = "/analytics"
MOST = 10_000  # anomalies read for an average that the roll-up does not have
POINTS = 1_000  # of a timeline
_POINT = {
    "baseline_ratio": "compression_baseline",
    "window_ratio": "compression_window",
    "compression_change": "compression_ratio_change",
}
_NO_NUMBERS = [float("nan"), float("inf"), float("-inf")]


class Span(Schema):
    """A time range; both ends may be left out."""

    start_time: str | None = None
    end_time: str | None = None


class StreamSpan(Span):
    """A time range of one stream or of all."""

    stream_type: str | None = None


class Hours(Schema):
    """The length of a time range that ends now."""

    hours: int = Field(24, ge=1, le=168)


class Summary(Schema):
    """Figures of a time range; ``time_range`` has "start" and "end" where there are anomalies."""

    total_anomalies: int
    anomalies_by_stream_type: dict[str, int]
    anomalies_by_status: dict[str, int]
    significant_anomalies: int
    average_ncd_score: float
    average_p_value: float
    average_compression_change: float
    time_range: dict[str, datetime]


class Point(Schema):
    """An anomaly's compression; a number that it lacks is left out."""

    timestamp: datetime
    baseline_ratio: float | None = None
    window_ratio: float | None = None
    compression_change: float | None = None


class Timeline(Schema):
    """The newest anomalies of a time range, at most 1,000, newest first."""

    timeline: list[Point]
    total: int


class Cell(Schema):
    """The anomalies of a stream in an hour of the day (UTC)."""

    stream_type: Stream
    hour: int
    average_ncd: float
    count: int


class Heatmap(Schema):
    """The anomalies from ``start_time``, a whole hour, to ``end_time``."""

    heatmap: list[Cell]
    start_time: datetime
    end_time: datetime


@router.get(f"{_ADDRESSES}/summary", response={200: Summary, REFUSED: Problem}, **_READ)
@reads_replica
def get_summary(request: HttpRequest, asked: Query[Span]) -> dict[str, Any]:
    """Return the figures of a time range, or of all anomalies."""
    filterset = filterset_of(request, Span.model_fields)
    rows = figures_of(filterset)
    total = sum(row.total_anomalies for row in rows)
    statuses = {status: sum(getattr(row, f"{status}_count") for row in rows) for status in Status.values}
    ends = filterset.qs.aggregate(start=Min("timestamp"), end=Max("timestamp")) if total else {}
    return {
        "total_anomalies": total,
        "anomalies_by_stream_type": {row.stream_type: row.total_anomalies for row in rows},
        "anomalies_by_status": {status: count for status, count in statuses.items() if count},
        "significant_anomalies": sum(row.significant_anomalies for row in rows),
        "average_ncd_score": _mean((row.avg_ncd_score, row.total_anomalies) for row in rows),
        "average_p_value": _mean((row.avg_p_value, row.total_anomalies) for row in rows),
        "average_compression_change": _average_change(filterset),
        "time_range": {name: moment for name, moment in ends.items() if moment},
    }


def _mean(parts: Iterable[tuple[float | None, int]]) -> float:
    """The mean of all from means of parts and their counts; 0 without any."""
    known = [(mean, count) for mean, count in parts if mean is not None]
    return sum(mean * count for mean, count in known) / (sum(count for _, count in known) or 1)


def _average_change(filterset: AnomalyFilter) -> float:
    """The mean change of compression of the newest anomalies that have a number for it; 0 without any."""
    newest: QuerySet[Any] = filterset.qs.order_by(*NEWEST_FIRST.names).values("compression_ratio_change")[
        :MOST
    ]
    with_number = newest.model.objects.filter(pk__in=newest.values("pk"))
    with_number = with_number.exclude(compression_ratio_change__in=_NO_NUMBERS)
    return float(with_number.aggregate(mean=Avg("compression_ratio_change"))["mean"] or 0)


@router.get(
    f"{_ADDRESSES}/compression-timeline",
    response={200: Timeline, REFUSED: Problem},
    exclude_none=True,
    **_READ,
)
@reads_replica
def get_timeline(request: HttpRequest, asked: Query[StreamSpan]) -> dict[str, Any]:
    """Return the compression of the newest anomalies of a time range."""
    listing = listing_of(filterset_of(request, StreamSpan.model_fields))
    shown = with_columns(("timestamp", *_POINT.values()))
    page = page_after(listing, NEWEST_FIRST.names, "", POINTS, shown)
    points = [_point(row) for row in page.rows]
    return {"timeline": points, "total": len(points)}


def _point(row: Anomaly) -> dict[str, Any]:
    numbers = {name: number(getattr(row, column)) for name, column in _POINT.items()}
    return {
        "timestamp": row.timestamp,
        **{name: None if isinstance(value, str) else value for name, value in numbers.items()},
    }


@router.get(f"{_ADDRESSES}/ncd-heatmap", response={200: Heatmap, REFUSED: Problem}, **_READ)
@reads_replica
def get_heatmap(request: HttpRequest, asked: Query[Hours]) -> dict[str, Any]:
    """Return the mean NCD by stream and hour of the day, of the last 24 hours or as many as asked for."""
    refuse_unknown(request, Hours.model_fields)
    if not hourly_rollup.is_built():
        words = "The roll-up is not built yet; run manage.py migrate."
        raise ProblemError(503, words, headers={"Retry-After": "60"})
    now = timezone.now()
    start = (now - timedelta(hours=asked.hours)).replace(minute=0, second=0, microsecond=0)
    names = ("stream_type", "hour", "average_ncd", "count")
    cells = [dict(zip(names, row, strict=True)) for row in hourly_rollup.by_hour_of_day(start)]
    return {"heatmap": cells, "start_time": start, "end_time": now}
