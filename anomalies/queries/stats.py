"""Figures about anomalies, decisions and the number expected by chance. Read-only; returns plain values.

Expected by chance: under the null hypothesis a valid p-value is below a threshold α with probability at most
α, so among n tested windows at most n·α are expected to be flagged (by linearity of expectation, whether or
not the windows overlap). More flagged windows than that are evidence of real anomalies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import Aggregate, Avg, Count, DurationField, F, Q, QuerySet
from django.db.models.functions import Coalesce, NullIf
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from anomalies import json_column
from anomalies.models import Anomaly, PerformanceMetric, Status

from . import hourly_rollup
from .bounded.sql import of_queryset
from .bounded.together import Read, Rows
from .hourly_rollup import Selection

DETECTION = "detection"  # the metric_type of a detector's run over a stream


# Runs from which the number expected by chance in each hour is computed.
NEWEST_RUNS = 1_000
# A rule decides at the moment of arrival: that is nobody's time to a decision.
# Decisions from which times to a decision are computed if the table is not to be read.
NEWEST = 10_000
_NEWEST_WAITS = """
    SELECT stream_type, percentile_cont(0.5) WITHIN GROUP (ORDER BY waited),
           percentile_cont(0.9) WITHIN GROUP (ORDER BY waited)
    FROM (
        SELECT stream_type, status, is_statistically_significant AS significant, timestamp,
               CASE WHEN isfinite(coalesce(acknowledged_at, dismissed_at)) AND isfinite(created_at)
                    THEN coalesce(acknowledged_at, nullif(dismissed_at, created_at)) - created_at
               END AS waited
        FROM anomalies WHERE acknowledged_at IS NOT NULL OR dismissed_at IS NOT NULL
        ORDER BY coalesce(acknowledged_at, dismissed_at) DESC LIMIT %s
    ) AS newest
    WHERE {where} GROUP BY stream_type
"""

# The metadata of a run of our detector; other programs may write metrics of that type in another form.
_TEXTS = ("run", "stream_type", "first_timestamp", "last_timestamp")
_COUNTS = ("windows_tested", "windows_flagged")
_REQUIRED = {*_TEXTS, *_COUNTS, "p_value_threshold"}


class Percentile(Aggregate):
    """``percentile_cont(fraction)`` within the group, ordered by the expression."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(%(fraction)s) WITHIN GROUP (ORDER BY %(expressions)s)"

    def __init__(self, expression: Any, fraction: float, **extra: Any) -> None:
        super().__init__(expression, fraction=fraction, **extra)


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """One stream's figures. The first eight are those of the view ``anomaly_stats_by_stream``.

    The times to a decision are counted from a row's insertion. ``windows_*`` count windows, of which an
    anomaly can contain several; ``expected_by_chance`` is the largest number expected to be flagged in a
    stream without anomalies (windows tested × p-value threshold). They are None if no run is known or the
    filter selects a part of one.
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
    """The part of the timeline that a filter selects; None is open."""

    since: datetime | None = None
    until: datetime | None = None


def figures_by_stream(anomalies: QuerySet[Anomaly], span: Span | None) -> list[StreamFigures]:
    """The figures of these anomalies, one for each stream.

    ``span`` selects the detection runs that they come from; None if another filter leaves only parts of runs,
    so that the number expected by chance is unknown.
    """
    chance = _chance(span) if span is not None else {}
    rows = {row["stream_type"]: row for row in _aggregates(anomalies)}
    return [_figures(stream, rows.get(stream), chance.get(stream)) for stream in sorted({*rows, *chance})]


def rolled_up_by_stream(selection: Selection, span: Span | None) -> list[StreamFigures] | None:
    """The figures from the roll-up, at a cost that does not grow with the table.

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
    """The median and 90th percentile of the times to a decision by stream, over the selected ones among the
    newest decisions."""
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
    decided_at = Coalesce("acknowledged_at", NullIf("dismissed_at", "created_at"))
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
    """Windows tested, flagged, and at most expected to be flagged by chance: tested × p-value threshold."""

    tested: int = 0
    flagged: int = 0
    expected: float = 0.0


def chance_of(streams: Collection[str], span: Span, newest: int) -> Chance | None:
    """The sum of the runs over these streams (empty: all) within the span; None if there is none.

    ``newest`` is the newest run's id, the key of a cache: as long as it is the same, nothing is read.
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
    return newest_runs().now()


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
    """Windows tested, flagged and expected by stream, over the runs within the span."""
    return _sums(newest_runs(None).now(), span)


def _sums(runs: Iterable[dict[str, Any]], span: Span) -> dict[str, Chance]:
    totals: defaultdict[str, Chance] = defaultdict(Chance)
    for run in runs:
        if _within(run, span):
            total = totals[run["stream_type"]]
            total.tested += run["windows_tested"]
            total.flagged += run["windows_flagged"]
            total.expected += run["windows_tested"] * run["p_value_threshold"]
    return dict(totals)


def chance_per_hour(starts: list[datetime], runs: list[dict[str, Any]]) -> dict[datetime, float]:
    """The largest number of windows expected to be flagged by chance in each hour, by its start.

    The windows of a run are taken to be spread evenly over its time.
    """
    expected = dict.fromkeys(starts, 0.0)
    for run in runs:
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


def newest_runs(newest: int | None = NEWEST_RUNS) -> Read[list[dict[str, Any]]]:
    """The metadata of detection runs. Of a file that grew and was read again, the longest run counts."""
    metrics = PerformanceMetric.objects.filter(metric_type=DETECTION, success=True)
    texts = json_column.as_text(metrics, ["metadata"]).order_by("-id").values_list("metadata_text")
    return Read(of_queryset(texts[:newest]), _longest_runs)


def _longest_runs(newest_first: Rows) -> list[dict[str, Any]]:
    latest: dict[str, dict[str, Any]] = {}
    for (text,) in reversed(newest_first):
        about = json_column.object_of(text)
        if _is_ours(about):
            former = latest.get(about["run"])
            if former is None or former["windows_tested"] <= about["windows_tested"]:
                latest[about["run"]] = about
    return list(latest.values())


def _is_ours(about: dict[str, Any]) -> bool:
    """True if the metadata has our detector's form: texts, counts below 2^63, and a probability."""
    return (
        about.keys() >= _REQUIRED
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
    """True if a detector has read this source (a file's name) to its end."""
    runs = PerformanceMetric.objects.filter(metric_type=DETECTION, endpoint=source, success=True)
    return runs.exists()
