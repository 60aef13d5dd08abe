"""Metrics: seven kinds of incidents, false alarms, NAB by its rules, sensors, speed.

Today's engine and the former one in one run. What counts is what the product raises by its defaults: an
alarm is the row at which a finding is first flagged. Series that are made have odd seeds here; even ones
served to tune.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from time import process_time

from anomalies.detection import Acknowledged, Detector, Event, Finding, Parameters
from anomalies.detection.metrics.scorer import MetricScorer
from benchmarks.detect import sensors
from benchmarks.detect.former import metrics as former
from benchmarks.detect.nab import best_score, nab_score
from benchmarks.detect.streams.data import Series
from benchmarks.detect.streams.generators import KINDS, SEASONAL, Made, made
from benchmarks.detect.streams.metric_incidents import INCIDENTS, Place, with_incident
from benchmarks.detect.table import Table, mean
from benchmarks.detect.yardsticks import windowed_gaussian, z_score

SEEDS = (1, 3)
CLEAN = (1, 3, 5, 7)
DAYS = 14
_PERIOD = 288  # points of a day: how long after the end of a gap it may be found
_START = datetime(2026, 11, 2, tzinfo=UTC)
_TARGETS = {"spike": 0.95, "missing": 0.95}
_Z = 4.0  # threshold of the z-score among the yardsticks

Alarms = list[tuple[int, int]]


def events_of(rows: Sequence[Sequence[tuple[str, float]]], times: Sequence[float]) -> list[Event]:
    """The events of rows, with a line for each row and none for a header."""
    return [
        Event(
            at + 1,
            ",".join(f"{value:.10g}" for _, value in row),
            _START + timedelta(seconds=time - times[0]),
            values=tuple(row),
        )
        for at, (row, time) in enumerate(zip(rows, times, strict=True))
    ]


def raised(events: Sequence[Event]) -> Alarms:
    """First and last row, from 0, in which each finding was raised."""
    return [place for place, _ in _raised(events)]


def _raised(
    events: Sequence[Event], acknowledged: Acknowledged | None = None
) -> list[tuple[tuple[int, int], float]]:
    """The same, each with the p of its finding.

    It is the row at which the detector flags that counts: what a finding names may be older."""
    detector, rows = Detector(Parameters(), "metrics"), []
    detector.acknowledge(acknowledged or Acknowledged())
    findings: list[Finding] = []
    for event in events:
        before = detector.windows_flagged
        findings += detector.feed([event])
        if detector.windows_flagged > before:
            rows.append(event.number)
    findings += detector.finish()
    return [(_place(one, rows), one.p_value) for one in findings]


def _place(finding: Finding, rows: Sequence[int]) -> tuple[int, int]:
    inside = [row - 1 for row in rows if finding.first_line <= row <= finding.last_line]
    return inside[0], inside[-1]


def _rows(values: Sequence[float]) -> list[list[tuple[str, float]]]:
    return [[("value", value)] for value in values]


def ours(series: Made) -> Alarms:
    return raised(events_of(_rows(series.values), series.times))


def formerly(series: Made) -> Alarms:
    return former.alarms(_rows(series.values))


def by_z_score(series: Made) -> Alarms:
    return [(at, at) for at, score in enumerate(z_score(series.values)) if score >= _Z]


def by_gaussian(series: Made) -> Alarms:
    return [(at, at) for at, score in enumerate(windowed_gaussian(series.values)) if score >= 0.9999]


_WAYS: dict[str, Callable[[Made], Alarms]] = {
    "ours": ours, "former": formerly, "z_score": by_z_score, "windowed_gaussian": by_gaussian,
}  # fmt: skip


def touches(alarms: Alarms, place: Place, kind: str) -> bool:
    """Return whether an alarm touches the incident, or comes within a day after a gap."""
    first, end = place
    end += _PERIOD if kind == "missing" else 0
    return any(alarm[0] < end and alarm[1] >= first for alarm in alarms)


def kinds(table: Table) -> None:
    """The share found of each kind: in seasonal series, where all can be seen, and in all series."""
    made_series = {name: [made(name, seed, DAYS) for seed in SEEDS] for name in KINDS}
    for kind in INCIDENTS:
        found: dict[str, list[bool]] = {way: [] for way in _WAYS}
        everywhere = []
        for name, several in made_series.items():
            for seed, series in zip(SEEDS, several, strict=True):
                changed, place = with_incident(kind, series, seed)
                if name in SEASONAL:
                    for way, alarms in _WAYS.items():
                        found[way].append(touches(alarms(changed), place, kind))
                everywhere.append(
                    found["ours"][-1] if name in SEASONAL else touches(ours(changed), place, kind)
                )
        shares = {way: mean(hits) for way, hits in found.items()}
        words = f"{kind}: found in {len(found['ours'])} seasonal series"
        table.row(words, shares.pop("ours"), _TARGETS.get(kind, 0.9), **shares, in_all_kinds=mean(everywhere))


def false_alarms(table: Table) -> None:
    """Alarms a day of clean series, and the share of days with a p below a threshold."""
    counts: dict[str, list[float]] = {way: [] for way in _WAYS}
    least: list[float] = []
    every = []
    for name in KINDS:
        for seed in CLEAN:
            series = made(name, seed, DAYS)
            findings = _raised(events_of(_rows(series.values), series.times))
            every.append(len(findings) / DAYS)
            if name not in SEASONAL:
                continue
            counts["ours"].append(len(findings) / DAYS)
            for way, alarms in list(_WAYS.items())[1:]:
                counts[way].append(_merged(alarms(series)) / DAYS)
            days = _least_p(findings)
            least += [days.get(day, 1.0) for day in range(DAYS)]
    shares = {way: mean(one) for way, one in counts.items()}
    table.row(
        "alarms a day and series, clean seasonal series", shares.pop("ours"), 0.2, at_most=True,
        **shares, all_kinds=mean(every),
    )  # fmt: skip
    for level, target in ((0.05, 0.06), (0.01, 0.02)):
        table.row(
            f"days with p ≤ {level:g}, the same series",
            mean([p <= level for p in least]),
            target,
            at_most=True,
        )


def _least_p(findings: Sequence[tuple[tuple[int, int], float]]) -> dict[int, float]:
    """The least p of the findings of each day that has one."""
    days: dict[int, float] = {}
    for (first, _), p_value in findings:
        days[first // _PERIOD] = min(days.get(first // _PERIOD, 1.0), p_value)
    return days


def _merged(alarms: Alarms) -> int:
    """Return the number of alarms that are more than sixty rows after the one before."""
    return sum(at == 0 or one[0] - alarms[at - 1][1] > 60 for at, one in enumerate(alarms))


def corpus(series: Sequence[Series], table: Table) -> None:
    """NAB, every alarm charged; the yardsticks with the best one threshold for all series."""
    found = {one.name: [first for first, _ in _of_series(one)] for one in series}
    formerly_found = {one.name: [first for first, _ in former.alarms(_rows(one.values))] for one in series}
    scores = {
        "former": nab_score(series, formerly_found),
        "z_score": best_score(series, {one.name: z_score(one.values) for one in series}),
        "windowed_gaussian": best_score(series, {one.name: windowed_gaussian(one.values) for one in series}),
    }
    table.row(f"NAB, {len(series)} series, standard profile", nab_score(series, found), 65, **scores)


def _of_series(series: Series) -> Alarms:
    times = series.times or [float(at * 300) for at in range(len(series.values))]
    return raised(events_of(_rows(series.values), times))


def normal_p(one: Series, shuffled: bool) -> list[float]:
    """For each day that no labelled window touches the least p: in order, where the windows are acknowledged
    and so not learnt, or shuffled without them. To cut them out in order would make a jump at each seam."""
    windows = [] if shuffled else one.windows
    values = one.values
    if shuffled:
        kept = [at for at in range(len(values)) if not any(a <= at <= b for a, b in one.windows)]
        values = Random(1).sample([values[at] for at in kept], len(kept))
    acknowledged = Acknowledged([(first + 1, last + 1) for first, last in windows])
    found = _raised(events_of(_rows(values), [at * 300.0 for at in range(len(values))]), acknowledged)
    days = _least_p(found)
    return [
        days.get(day, 1.0)
        for day in range(1, len(values) // _PERIOD + 1)
        if not any(a < (day + 1) * _PERIOD and b >= day * _PERIOD for a, b in windows)
    ]


def speed(table: Table) -> None:
    series = made("sine", 1, 10 * DAYS)
    events = events_of(_rows(series.values), series.times)
    rates = []
    for _ in range(3):
        scorer = MetricScorer(Parameters())
        began = process_time()
        for event in events:
            scorer.take(event)
        rates.append(len(events) / (process_time() - began))
    table.row("points a second, one series, one core, scored", max(rates), 40_000)


def measure(series: Sequence[Series], table: Table) -> None:
    """All rows; NAB where there are series of it."""
    kinds(table)
    false_alarms(table)
    if series:
        corpus(series, table)
    sensors.measure(table)
    speed(table)
