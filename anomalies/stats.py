"""What was found and decided, in figures. Read-only; plain values come back."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Aggregate, Avg, Count, DurationField, F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils.dateparse import parse_datetime

from . import jsonb
from .models import Anomaly, PerformanceMetric, Status

DETECTION = "detection"  # the metric_type of a detector's run over a stream


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
class _Chance:
    tested: int = 0
    flagged: int = 0
    expected: float = 0.0


def _figures(stream: str, row: dict[str, Any] | None, chance: _Chance | None) -> StreamFigures:
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


def _chance(span: Span) -> dict[str, _Chance]:
    """Windows tested and flagged per stream, of the runs that lie within the span."""
    totals: defaultdict[str, _Chance] = defaultdict(_Chance)
    for run in _runs():
        if _within(run, span):
            total = totals[run["stream_type"]]
            total.tested += run["windows_tested"]
            total.flagged += run["windows_flagged"]
            total.expected += run["windows_tested"] * run["p_value_threshold"]
    return dict(totals)


def _runs() -> list[dict[str, Any]]:
    """What detectors did. A file that grew is read again from its start: of its runs the longest counts."""
    metrics = PerformanceMetric.objects.filter(metric_type=DETECTION, success=True)
    latest: dict[str, dict[str, Any]] = {}
    for metric in jsonb.as_text(metrics, ["metadata"]).order_by("id"):
        about = jsonb.object_of(metric.metadata_text)
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
