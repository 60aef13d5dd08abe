"""What was found and decided, in figures. Read-only; plain values come back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import Aggregate, Avg, Count, DurationField, F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from anomalies import json_column
from anomalies.models import Anomaly, PerformanceMetric, Status

from . import hourly_rollup
from .hourly_rollup import Selection

DETECTION = "detection"  # the metric_type of a detector's run over a stream


# Of how many runs is told what chance explains hour by hour.
NEWEST_RUNS = 1_000
# Of how many decisions the time they took is told, where the table is not to be read.
NEWEST = 10_000
_NEWEST_WAITS = """
    SELECT stream_type, percentile_cont(0.5) WITHIN GROUP (ORDER BY waited),
           percentile_cont(0.9) WITHIN GROUP (ORDER BY waited)
    FROM (
        SELECT stream_type, status, is_statistically_significant AS significant, timestamp,
               CASE WHEN isfinite(coalesce(acknowledged_at, dismissed_at)) AND isfinite(created_at)
                    THEN coalesce(acknowledged_at, dismissed_at) - created_at END AS waited
        FROM anomalies WHERE acknowledged_at IS NOT NULL OR dismissed_at IS NOT NULL
        ORDER BY coalesce(acknowledged_at, dismissed_at) DESC LIMIT %s
    ) AS newest
    WHERE {where} GROUP BY stream_type
"""

# What a run of our detector leaves; others may write metrics of that name in another form.
_TEXTS = ("run", "stream_type", "first_timestamp", "last_timestamp")
_COUNTS = ("windows_tested", "windows_flagged")
_TOLD = {*_TEXTS, *_COUNTS, "p_value_threshold"}


class Percentile(Aggregate):
    """``percentile_cont(fraction)`` within the group, ordered by the expression."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(%(fraction)s) WITHIN GROUP (ORDER BY %(expressions)s)"

    def __init__(self, expression: Any, fraction: float, **extra: Any) -> None:
        super().__init__(expression, fraction=fraction, **extra)


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """One stream's figures. The first eight are those of the view ``anomaly_stats_by_stream``.

    The times to a decision run from a row's arrival. ``windows_*`` count windows, of which an anomaly can
    hold several; ``expected_by_chance`` is how many at most would be flagged in a stream without any
    anomaly (windows tested × p-value threshold). They are None where no run is known or where a filter
    asks for a part of one.
    """

    stream_type: str
    total_anomalies: int
    significant_anomalies: int
    avg_ncd_score: float | None
    avg_p_value: float | None
    pending_count: int
    acknowledged_count: int
    dismissed_count: int
    investigating_count: int
    median_time_to_decision: timedelta | None
    p90_time_to_decision: timedelta | None
    windows_tested: int | None
    windows_flagged: int | None
    expected_by_chance: float | None


@dataclass(frozen=True, slots=True)
class Span:
    """The part of the time line that a filter asks for; None is open."""

    since: datetime | None = None
    until: datetime | None = None


def figures_by_stream(anomalies: QuerySet[Anomaly], span: Span | None) -> list[StreamFigures]:
    """The figures of these anomalies, stream by stream.

    ``span`` says which runs of detectors they come from; None: from no whole runs, since a filter narrowed
    them by something else, and then nothing is said about chance.
    """
    chance = _chance(span) if span is not None else {}
    rows = {row["stream_type"]: row for row in _aggregates(anomalies)}
    return [_figures(stream, rows.get(stream), chance.get(stream)) for stream in sorted({*rows, *chance})]


def rolled_up_by_stream(selection: Selection, span: Span | None) -> list[StreamFigures] | None:
    """The same from the roll-up, in a time that does not grow with the table.

    The times to a decision are those of the NEWEST decisions. None as long as the roll-up is not built.
    """
    if not hourly_rollup.is_built():
        return None
    rows = {row["stream_type"]: row for row in hourly_rollup.figures(selection)}
    for stream, median, p90 in _newest_waits(selection):
        if stream in rows:
            rows[stream].update(median_time_to_decision=median, p90_time_to_decision=p90)
    chance = _chance(span) if span is not None else {}
    return [_figures(stream, rows.get(stream), chance.get(stream)) for stream in sorted({*rows, *chance})]


def _newest_waits(selection: Selection) -> list[tuple[str, timedelta, timedelta]]:
    """Per stream the median and the 90th percentile, of those of the newest decisions that are selected."""
    where, values = selection.where()
    for operator, moment in ((">=", selection.since), ("<", selection.until)):
        if moment is not None:
            where += f" AND timestamp {operator} %s"
            values.append(moment)
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST_WAITS.format(where=where), [NEWEST, *values])
        waits: list[tuple[str, timedelta, timedelta]] = cursor.fetchall()
    return waits


def _aggregates(anomalies: QuerySet[Anomaly]) -> QuerySet[Any]:
    decided_at = Coalesce("acknowledged_at", "dismissed_at")
    waited: Any = decided_at - F("created_at")
    counts = {f"{status}_count": Count("pk", filter=Q(status=status)) for status in Status}
    return (
        anomalies.order_by()
        .values("stream_type")
        .annotate(
            total_anomalies=Count("pk"),
            significant_anomalies=Count("pk", filter=Q(is_statistically_significant=True)),
            avg_ncd_score=Avg("ncd_score"),
            avg_p_value=Avg("p_value"),
            median_time_to_decision=Percentile(waited, 0.5, output_field=DurationField()),
            p90_time_to_decision=Percentile(waited, 0.9, output_field=DurationField()),
            **counts,
        )
    )


@dataclass(slots=True)
class Chance:
    """Windows tested and flagged, and how many at most chance flags in as many: tested × p threshold."""

    tested: int = 0
    flagged: int = 0
    expected: float = 0.0


def chance_of(streams: Collection[str], span: Span, newest: int) -> Chance | None:
    """The runs over these streams (none: all) that lie within the span; None where there is none.

    ``newest`` is the newest run's number: as long as there is no newer one, nothing is read.
    """
    found = [
        one for stream, one in _sums(_runs_until(newest), span).items() if not streams or stream in streams
    ]
    if not found:
        return None
    return Chance(
        sum(one.tested for one in found),
        sum(one.flagged for one in found),
        sum(one.expected for one in found),
    )


@lru_cache(maxsize=1)
def _runs_until(newest: int) -> list[dict[str, Any]]:
    return _runs(newest=NEWEST_RUNS)


def _figures(stream: str, row: dict[str, Any] | None, chance: Chance | None) -> StreamFigures:
    nothing = {
        name: 0 if name.endswith(("_anomalies", "_count")) else None
        for name in StreamFigures.__dataclass_fields__
    }
    found = {name: value for name, value in (row or {}).items() if name in nothing}
    return StreamFigures(
        **{
            **nothing,
            **found,
            "stream_type": stream,
            "windows_tested": chance and chance.tested,
            "windows_flagged": chance and chance.flagged,
            "expected_by_chance": chance and round(chance.expected, 1),
        }
    )


def _chance(span: Span) -> dict[str, Chance]:
    """Windows tested and flagged per stream, of the runs that lie within the span."""
    return _sums(_runs(), span)


def _sums(runs: Iterable[dict[str, Any]], span: Span) -> dict[str, Chance]:
    totals: defaultdict[str, Chance] = defaultdict(Chance)
    for run in runs:
        if _within(run, span):
            total = totals[run["stream_type"]]
            total.tested += run["windows_tested"]
            total.flagged += run["windows_flagged"]
            total.expected += run["windows_tested"] * run["p_value_threshold"]
    return dict(totals)


def chance_per_hour(starts: list[datetime]) -> dict[datetime, float]:
    """How many windows at most chance would have flagged in each of these hours.

    Of the NEWEST_RUNS; what a run tested is taken to be spread evenly over its time.
    """
    expected = dict.fromkeys(starts, 0.0)
    for run in _runs(newest=NEWEST_RUNS):
        first, last = parse_datetime(run["first_timestamp"]), parse_datetime(run["last_timestamp"])
        if first is None or last is None or not timezone.is_aware(first) or not timezone.is_aware(last):
            continue
        if last < starts[0] or first >= starts[-1] + timedelta(hours=1):
            continue
        span = max(last - first, timedelta(seconds=1))
        for start in starts:
            within = min(start + timedelta(hours=1), first + span) - max(start, first)
            if within > timedelta():
                expected[start] += run["windows_tested"] * run["p_value_threshold"] * (within / span)
    return expected


def _runs(newest: int | None = None) -> list[dict[str, Any]]:
    """What detectors did. A file that grew is read again from its start: of its runs the longest counts."""
    metrics = PerformanceMetric.objects.filter(metric_type=DETECTION, success=True)
    latest: dict[str, dict[str, Any]] = {}
    for metric in reversed(json_column.as_text(metrics, ["metadata"]).order_by("-id")[:newest]):
        about = json_column.object_of(metric.metadata_text)
        if _is_ours(about):
            former = latest.get(about["run"])
            if former is None or former["windows_tested"] <= about["windows_tested"]:
                latest[about["run"]] = about
    return list(latest.values())


def _is_ours(about: dict[str, Any]) -> bool:
    """Whether it is what our detector writes: texts, counts and a probability of a sane size."""
    return (
        about.keys() >= _TOLD
        and all(isinstance(about[key], str) for key in _TEXTS)
        and all(type(about[key]) is int and 0 <= about[key] < 2**63 for key in _COUNTS)
        and type(about["p_value_threshold"]) in (int, float)
        and 0 <= about["p_value_threshold"] <= 1
    )


def _moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None


def _within(run: dict[str, Any], span: Span) -> bool:
    first, last = _moment(run["first_timestamp"]), _moment(run["last_timestamp"])
    if first is None or last is None:
        return False
    return (span.since is None or span.since <= first) and (span.until is None or last < span.until)


def has_run_over(source: str) -> bool:
    """Whether a detector has gone through this source (a file's name) to its end."""
    runs = PerformanceMetric.objects.filter(metric_type=DETECTION, endpoint=source, success=True)
    return runs.exists()
