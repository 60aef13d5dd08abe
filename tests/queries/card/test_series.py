"""The series of a metric's evidence: values by name, the band of what was usual, odd points, places."""

from __future__ import annotations

from typing import Any

import pytest

from anomalies.queries.card.series import MOST_SERIES, Series, series_of
from anomalies.queries.evidence_events import events_in


def line(value: float, minute: int | None = None, **more: Any) -> dict[str, Any]:
    at = {} if minute is None else {"at": f"2026-11-28T10:{minute:02}:00Z"}
    return {"line": 1, "text": f"{value}", "values": {"cpu": value}} | at | more


def of(baseline: list[Any], window: list[Any]) -> Series:
    (series,) = series_of(events_in(baseline), events_in(window))
    return series


def test_the_band_is_the_middle_nine_tenths_of_what_came_before():
    series = of([line(value) for value in range(101)], [line(200, odd=True)])
    assert (series.low, series.high) == (5, 95)


def test_marked_lines_are_odd_wherever_their_values_lie():
    series = of([line(1), line(9)], [line(5, odd=True), line(70)])
    assert [point.value for point in series.odd] == [5]


def test_without_marks_the_values_beyond_all_before_are_odd():
    series = of([line(1), line(9)], [line(5), line(9), line(70), line(0.5)])
    assert [point.value for point in series.odd] == [70, 0.5]


def test_without_a_baseline_nothing_is_usual_and_nothing_odd_by_itself():
    series = of([], [line(1), line(2), line(900)])
    assert (series.low, series.high, series.odd) == (None, None, ())


def test_a_gap_is_as_wide_as_it_lasted():
    series = of([line(1, 0), line(1, 1)], [line(1, 2), line(1, 32)])
    assert series.is_timed
    assert [point.x - series.points[0].x for point in series.points] == [0, 60, 120, 1920]


@pytest.mark.parametrize("minutes", [(3, 2, 1), (1, None, 3), (1, 1, 1)])
def test_points_without_times_in_order_stand_side_by_side(minutes):
    series = of([], [line(1, minute) for minute in minutes])
    assert not series.is_timed
    assert [point.x for point in series.points] == [0, 1, 2]


@pytest.mark.parametrize(
    "shape",
    [
        [1, 2.5, 3],
        [{"timestamp": "2026-11-28", "value": number} for number in (1, 2.5, 3)],
        [{"metric": "value", "value": number} for number in (1, 2.5, 3)],
    ],
)
def test_values_of_other_detectors_are_read(shape):
    assert [point.value for point in of([], shape).window] == [1, 2.5, 3]


@pytest.mark.parametrize("value", [True, None, "7", float("nan"), float("inf"), 10**400, [1], {"a": 1}])
def test_what_is_no_finite_number_is_no_value(value):
    assert series_of([], events_in([{"value": value}] * 3 + [value] * 3)) == ()


def test_two_points_are_no_chart():
    assert series_of([], events_in([1, 2])) == ()


def test_more_series_than_fit_are_left_out_the_first_ones_stay():
    row = {"values": {f"s{n}": n for n in range(9)}}
    assert [series.name for series in series_of([], events_in([row] * 3))] == ["s0", "s1", "s2"][:MOST_SERIES]


@pytest.mark.parametrize("year", ["0001-01-01", "9999-12-31T23:59:59", "20261128", "nonsense"])
def test_no_time_breaks_a_chart(year):
    assert series_of([], events_in([{"value": n, "time": year} for n in range(3)]))
